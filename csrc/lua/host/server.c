/*
** server.c: an HTTP server for Lua. Lua takes requests as tables, and replies to
** them by number. C never calls into Lua.
*/
#include "lua/host/server.h"

#include <signal.h>
#include <time.h>

#include "http/server.h"
#include "lua/compat.h"
#include "lua/host/options.h"

#define SERVER "altinn.events.server"

static ae_server *check_server (lua_State *L) {
  ae_server **box = luaL_checkudata(L, 1, SERVER);
  if (*box == NULL) luaL_argerror(L, 1, "the server has been closed");
  return *box;
}

/* {====================================================================
** Starting
** ===================================================================== */

/* Reads the options; listen = { host, port } anchors the host's text. */
static void read_options (lua_State *L, ae_server_options *options) {
  static const char *const known[] = {"listen", "max_bytes", "connections", "signals", NULL};
  lua_Integer port;
  memset(options, 0, sizeof *options);
  luaL_checktype(L, 1, LUA_TTABLE);
  ae_host_check_options(L, known, "host.server");
  if (lua_getfield(L, 1, "listen") != LUA_TTABLE)
    luaL_error(L, "listen must be { host, port }");
  lua_geti(L, -1, 1);
  options->host = luaL_checkstring(L, -1);
  lua_geti(L, -2, 2);
  port = luaL_checkinteger(L, -1);
  if (port < 0 || port > 65535) luaL_error(L, "listen: port out of range");
  options->port = (uint16_t)port;
  options->max_bytes = (size_t)ae_host_integer(L, 1, "max_bytes", 0, (lua_Integer)1 << 40);
  options->connections = (uint32_t)ae_host_integer(L, 1, "connections", 0, 65536);
  lua_getfield(L, 1, "signals");
  options->signals = lua_toboolean(L, -1);
}

int ae_host_server (lua_State *L) {
  ae_server_options options;
  ae_server **box;
  ae_error error;
  read_options(L, &options);
  box = lua_newuserdatauv(L, sizeof(ae_server *), 0);
  *box = NULL;
  luaL_setmetatable(L, SERVER);
  if (ae_server_start(&options, box, &error) != AE_OK) return ae_host_fail(L, &error);
  return 1;
}

/* close(); may be called again */
static int server_close (lua_State *L) {
  ae_server **box = luaL_checkudata(L, 1, SERVER);
  ae_server *server = *box;
  *box = NULL;
  if (server != NULL) ae_server_stop(server);
  return 0;
}

/* }==================================================================== */

/* {====================================================================
** Taking
** ===================================================================== */

static void push_lower (lua_State *L, ae_slice name) {
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  for (size_t i = 0; i < name.length; i++) {
    char c = name.data[i];
    luaL_addchar(&buffer, (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
  }
  luaL_pushresult(&buffer);
}

/* Adds a header to the table at the top; joins headers of one name by ", " (RFC 9110
** §5.3). */
static void add_header (lua_State *L, const ae_server_field *field) {
  push_lower(L, field->name);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_pushlstring(L, field->value.data, field->value.length);
  } else {
    lua_pushliteral(L, ", ");
    lua_pushlstring(L, field->value.data, field->value.length);
    lua_concat(L, 3);
  }
  lua_rawset(L, -3);
}

static void push_headers (lua_State *L, const ae_server_request *request) {
  lua_newtable(L);
  for (size_t i = 0; i < request->field_count; i++)
    if (request->fields[i].kind == AE_HTTP_HEADER) add_header(L, &request->fields[i]);
}

/* Pushes the query as a list of { name, value }. */
static void push_query (lua_State *L, const ae_server_request *request) {
  lua_Integer count = 0;
  lua_newtable(L);
  for (size_t i = 0; i < request->field_count; i++) {
    const ae_server_field *field = &request->fields[i];
    if (field->kind != AE_HTTP_QUERY) continue;
    lua_createtable(L, 2, 0);
    lua_pushlstring(L, field->name.data, field->name.length);
    lua_rawseti(L, -2, 1);
    lua_pushlstring(L, field->value.data, field->value.length);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, ++count);
  }
}

static void push_request (lua_State *L, const ae_server_request *request) {
  lua_createtable(L, 0, 7);
  lua_pushinteger(L, (lua_Integer)request->id);
  lua_setfield(L, -2, "id");
  lua_pushstring(L, request->method);
  lua_setfield(L, -2, "method");
  lua_pushstring(L, request->path);
  lua_setfield(L, -2, "path");
  lua_pushstring(L, request->version);
  lua_setfield(L, -2, "http_version");
  lua_pushlstring(L, request->body.data, request->body.length);
  lua_setfield(L, -2, "body");
  push_headers(L, request);
  lua_setfield(L, -2, "headers");
  push_query(L, request);
  lua_setfield(L, -2, "query");
}

/* take([seconds]) -> { id, method, path, query, headers, body,
** http_version }, or nil when none came */
static int server_take (lua_State *L) {
  ae_server *server = check_server(L);
  lua_Number seconds = luaL_optnumber(L, 2, 0);
  const ae_server_request *request;
  if (seconds > 0) ae_server_wait(server, seconds);
  request = ae_server_peek(server);
  if (request == NULL) {
    lua_pushnil(L);
    return 1;
  }
  push_request(L, request);
  ae_server_take(server);
  return 1;
}

/* signal() -> "term", "int", "hup", or nil */
static int server_signal (lua_State *L) {
  switch (ae_server_signal(check_server(L))) {
    case SIGTERM: lua_pushliteral(L, "term"); break;
    case SIGINT: lua_pushliteral(L, "int"); break;
    case SIGHUP: lua_pushliteral(L, "hup"); break;
    default: lua_pushnil(L);
  }
  return 1;
}

static lua_Number seconds_of (clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (lua_Number)t.tv_sec + (lua_Number)t.tv_nsec / 1e9;
}

/* now() -> seconds since 1970, seconds of the monotonic clock */
static int server_now (lua_State *L) {
  (void)check_server(L);
  lua_pushnumber(L, seconds_of(CLOCK_REALTIME));
  lua_pushnumber(L, seconds_of(CLOCK_MONOTONIC));
  return 2;
}

static int server_port (lua_State *L) {
  lua_pushinteger(L, ae_server_port(check_server(L)));
  return 1;
}

static int server_descriptor (lua_State *L) {
  lua_pushinteger(L, ae_server_descriptor(check_server(L)));
  return 1;
}

/* }==================================================================== */

/* {====================================================================
** Replying
** ===================================================================== */

static ae_slice c_text (lua_State *L, int index, const char *what) {
  ae_slice text;
  if (lua_type(L, index) != LUA_TSTRING) luaL_error(L, "%s must be a string", what);
  text.data = lua_tolstring(L, index, &text.length);
  if (strlen(text.data) != text.length) luaL_error(L, "%s holds a NUL", what);
  return text;
}

/* The headers of the table at `index`, in a userdata left on the stack. */
static void read_headers (lua_State *L, int index, ae_http_reply *reply) {
  ae_header *fields;
  size_t count = 0;
  if (lua_isnoneornil(L, index)) return;
  luaL_checktype(L, index, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, index) != 0) {
    count++;
    lua_pop(L, 1);
  }
  fields = lua_newuserdatauv(L, (count + 1) * sizeof *fields, 0);
  lua_pushnil(L);
  while (reply->header_count < count && lua_next(L, index) != 0) {
    fields[reply->header_count++] = (ae_header){c_text(L, -2, "a header's name"),
                                                c_text(L, -1, "a header's value")};
    lua_pop(L, 1);
  }
  reply->headers = fields;
}

/* Reads the body { file = path } or { pattern = text, size = bytes, cut = bytes|nil }. */
static void read_source (lua_State *L, int index, ae_http_reply *reply) {
  if (lua_getfield(L, index, "file") != LUA_TNIL) {
    reply->file = c_text(L, -1, "body.file").data;
    return;
  }
  if (lua_getfield(L, index, "pattern") != LUA_TSTRING)
    luaL_error(L, "body must have a file or a pattern");
  reply->body.data = lua_tolstring(L, -1, &reply->body.length);
  reply->repeat = true;
  reply->size = (uint64_t)ae_host_integer(L, index, "size", 0, (lua_Integer)1 << 52);
  reply->cut = (uint64_t)ae_host_integer(L, index, "cut", 0, (lua_Integer)1 << 52);
}

static void read_body (lua_State *L, int index, ae_http_reply *reply) {
  if (lua_istable(L, index)) read_source(L, index, reply);
  else reply->body.data = luaL_optlstring(L, index, "", &reply->body.length);
}

/* reply(id, status [, headers [, body]]) -> true; nil, message, code.
** status 0 ends the connection without an answer. The body is a string,
** { file = path }, or { pattern = text, size = bytes, cut = bytes|nil }. */
static int server_reply (lua_State *L) {
  ae_server *server = check_server(L);
  ae_http_reply reply;
  ae_error error;
  lua_Integer id = luaL_checkinteger(L, 2), status = luaL_checkinteger(L, 3);
  luaL_argcheck(L, status == 0 || (status >= 200 && status <= 599), 3,
                "a status is 200 to 599, or 0");
  lua_settop(L, 5);
  memset(&reply, 0, sizeof reply);
  reply.status = (unsigned)status;
  read_headers(L, 4, &reply);
  read_body(L, 5, &reply);
  if (ae_server_reply(server, (uint64_t)id, &reply, &error) != AE_OK)
    return ae_host_fail(L, &error);
  lua_pushboolean(L, 1);
  return 1;
}

/* }==================================================================== */

static const luaL_Reg methods[] = {{"port", server_port},   {"descriptor", server_descriptor},
                                   {"take", server_take},   {"signal", server_signal},
                                   {"now", server_now},     {"reply", server_reply},
                                   {"close", server_close}, {NULL, NULL}};

void ae_host_server_setup (lua_State *L) {
  ae_host_class(L, SERVER, methods, server_close);
}
