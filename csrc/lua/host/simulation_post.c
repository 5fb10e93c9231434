/*
** simulation_post.c: events for the receiver of a simulation, as requests from within.
*/
#include "lua/host/simulation_private.h"

#include <stdlib.h>

#include <lauxlib.h>

#define AT_ONCE 2048 /* requests that the receiver has at once; they are one group */

/* A request, and the answer to it. */
typedef struct posted {
  ae_http_request request;
  const ae_trace *trace;
  unsigned status; /* 0: none */
  size_t count;    /* of headers */
  ae_header headers[4];
  char *bytes; /* of headers and body; malloc'ed */
  ae_slice body;
} posted;

static ae_slice keep (char **at, ae_slice text) {
  ae_slice kept = {*at, text.length};
  if (text.length > 0) memcpy(*at, text.data, text.length);
  (*at)[text.length] = '\0';
  *at += text.length + 1;
  return kept;
}

/* The texts of an answer's headers are C strings. */
static ae_slice as_slice (ae_slice text) {
  return (ae_slice){text.data, text.data == NULL ? 0 : strlen(text.data)};
}

/* A host that has died gives no answer; one that it gave before counts. */
static void on_answer (void *context, const ae_http_reply *reply) {
  posted *p = context;
  size_t size = reply->body.length + 1;
  char *at;
  if (p->trace->dead) return;
  p->count = reply->header_count < 4 ? reply->header_count : 4;
  for (size_t i = 0; i < p->count; i++)
    size += as_slice(reply->headers[i].name).length +
            as_slice(reply->headers[i].value).length + 2;
  p->bytes = at = malloc(size);
  if (at == NULL) return;
  for (size_t i = 0; i < p->count; i++) {
    p->headers[i].name = keep(&at, as_slice(reply->headers[i].name));
    p->headers[i].value = keep(&at, as_slice(reply->headers[i].value));
  }
  p->body = keep(&at, reply->body);
  p->status = reply->status;
}

/* Reads { path, body } at the top of the stack; the list anchors the texts. */
static void read_request (lua_State *L, posted *p, const ae_header headers[2]) {
  luaL_checktype(L, -1, LUA_TTABLE);
  lua_rawgeti(L, -1, 1);
  lua_rawgeti(L, -2, 2);
  p->request.method = "POST";
  p->request.path = luaL_checkstring(L, -2);
  p->request.body.data = luaL_checklstring(L, -1, &p->request.body.length);
  p->request.headers = headers;
  p->request.header_count = 2;
  p->request.answered = on_answer;
  p->request.context = p;
  lua_pop(L, 2);
}

/* Pushes { status =, headers =, body = }, or false: the host died before. */
static void push_answer (lua_State *L, const posted *p) {
  if (p->status == 0) {
    lua_pushboolean(L, 0);
    return;
  }
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, p->status);
  lua_setfield(L, -2, "status");
  lua_createtable(L, 0, (int)p->count);
  for (size_t i = 0; i < p->count; i++) {
    lua_pushlstring(L, p->headers[i].value.data, p->headers[i].value.length);
    lua_setfield(L, -2, p->headers[i].name.data);
  }
  lua_setfield(L, -2, "headers");
  lua_pushlstring(L, p->body.data, p->body.length);
  lua_setfield(L, -2, "body");
}

static void carry (ae_simulation *s, posted *list, size_t count) {
  s->trace.turning = true;
  for (size_t i = 0; i < count && !s->trace.dead; i++)
    (void)ae_webhook_carry(s->host->receiver, &list[i].request);
  ae_inbox_attend(s->host->shared.inbox);
  s->trace.turning = false;
}

/* post(list of { path, body }, first) -> list of answers: to those from `first` on, as many
** as the receiver takes at once. They are durable. */
int ae_simulation_post (lua_State *L) {
  ae_simulation *s = ae_simulation_alive(L);
  const ae_header headers[2] = {
    {AE_LITERAL("Host"), AE_LITERAL("simulation")},
    {AE_LITERAL("Content-Type"), AE_LITERAL("application/json; charset=utf-8")}};
  lua_Integer first = luaL_checkinteger(L, 3), count;
  posted *list;
  luaL_checktype(L, 2, LUA_TTABLE);
  count = luaL_len(L, 2) - first + 1;
  if (count > AT_ONCE) count = AT_ONCE;
  luaL_argcheck(L, count > 0, 3, "nothing to post");
  list = lua_newuserdatauv(L, (size_t)count * sizeof *list, 0);
  memset(list, 0, (size_t)count * sizeof *list);
  for (lua_Integer i = 0; i < count; i++) {
    lua_rawgeti(L, 2, first + i);
    read_request(L, &list[i], headers);
    list[i].trace = &s->trace;
    lua_pop(L, 1);
  }
  carry(s, list, (size_t)count);
  lua_createtable(L, (int)count, 0);
  for (lua_Integer i = 0; i < count; i++) {
    push_answer(L, &list[i]);
    free(list[i].bytes);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}
