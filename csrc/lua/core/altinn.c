/*
** altinn.c: the calls to Altinn for Lua: core.altinn. Requests are built
** and replies judged here; nothing is sent.
*/
#include "lua/core/altinn.h"

#include <time.h>

#include "core/altinn.h"
#include "core/catalogue.h"
#include "core/failures.h"
#include "lua/core/event.h"

static ae_slice to_slice (lua_State *L, int index) {
  ae_slice text;
  text.data = lua_tolstring(L, index, &text.length);
  return text;
}

/* A text of the wish at index 2, which anchors it; absent when it is nil. */
static ae_slice wish_text (lua_State *L, const char *name) {
  ae_slice text = {NULL, 0};
  lua_getfield(L, 2, name);
  if (!lua_isnil(L, -1)) {
    if (lua_type(L, -1) != LUA_TSTRING)
      luaL_error(L, "%s must be a text, not a %s", name, luaL_typename(L, -1));
    text = to_slice(L, -1);
  }
  lua_pop(L, 1);
  return text;
}

static bool wish_flag (lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
  bool set = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return set;
}

/* The texts of wish.types, in a userdata left on the stack. */
static void wish_types (lua_State *L, ae_wish *wish) {
  lua_getfield(L, 2, "types");
  if (lua_isnil(L, -1)) return;
  luaL_checktype(L, -1, LUA_TTABLE);
  int list = lua_gettop(L);
  size_t count = lua_rawlen(L, list);
  if (count > 1000) luaL_error(L, "type: more than 1000 types");
  ae_slice *types = lua_newuserdata(L, (count + 1) * sizeof(*types));
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, list, (int)i + 1);
    if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "type: a list of texts is wanted");
    types[i] = to_slice(L, -1);
    lua_pop(L, 1);
  }
  wish->types = types;
  wish->type_count = count;
}

static ae_call check_call (lua_State *L) {
  luaL_checktype(L, 1, LUA_TSTRING);
  ae_call call = ae_call_named(to_slice(L, 1));
  luaL_argcheck(L, call != AE_CALL_COUNT, 1, "no such call");
  return call;
}

static void read_wish (lua_State *L, ae_wish *wish) {
  *wish = (ae_wish){.call = check_call(L)};
  luaL_checktype(L, 2, LUA_TTABLE);
  wish->id = wish_text(L, "id");
  wish->attachment = wish_text(L, "attachment");
  wish->endpoint = wish_text(L, "endpoint");
  wish->loopback = wish_flag(L, "loopback");
  wish->resource = wish_text(L, "resource");
  wish->subject = wish_text(L, "subject");
  wish->include_subunits = wish_flag(L, "include_subunits");
  wish->source = wish_text(L, "source");
  wish->alternative_subject = wish_text(L, "alternative_subject");
  wish->after = wish_text(L, "after");
  wish->role = wish_text(L, "role");
  wish->status = wish_text(L, "status");
  wish->from = wish_text(L, "from");
  wish->to = wish_text(L, "to");
  wish->senders_reference = wish_text(L, "sendersReference");
  wish->on_behalf_of = wish_text(L, "onBehalfOf");
  wish->idempotent_key = wish_text(L, "idempotentKey");
  wish->altinn2_id = wish_text(L, "altinn2CorrespondenceId");
  lua_getfield(L, 2, "size");
  lua_Integer size = luaL_optinteger(L, -1, 0);
  wish->size = size < 0 || size > AE_PAGE_MOST ? AE_PAGE_MOST + 1 : (uint32_t)size;
  wish_types(L, wish);
}

static void set_slice (lua_State *L, const char *name, ae_slice text) {
  if (!text.data) return;
  lua_pushlstring(L, text.data, text.length);
  lua_setfield(L, -2, name);
}

static void set_text (lua_State *L, const char *name, const char *text) {
  if (!text || !*text) return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

static void set_flag (lua_State *L, const char *name, bool value) {
  if (!value) return;
  lua_pushboolean(L, 1);
  lua_setfield(L, -2, name);
}

static void set_number (lua_State *L, const char *name, int64_t value) {
  if (value == 0) return;
  ae_push_integer(L, value);
  lua_setfield(L, -2, name);
}

/* The message names the wrong field before its first colon. */
static int push_refusal (lua_State *L, const ae_error *error) {
  const char *colon = strchr(error->message, ':');
  lua_pushnil(L);
  lua_pushstring(L, error->message);
  lua_pushstring(L, ae_code_name(error->code));
  lua_createtable(L, 0, 1);
  if (colon)
    set_slice(L, "attribute", (ae_slice){error->message, (size_t)(colon - error->message)});
  return 4;
}

/* request(call, wish) -> { method, target, accept, content_type, body,
** warning } | nil, message, code, detail */
static int altinn_request (lua_State *L) {
  ae_wish wish;
  ae_altinn_request request;
  ae_error error;
  size_t size = 1024;
  lua_settop(L, 2);
  read_wish(L, &wish);
  char *out = lua_newuserdata(L, size);
  if (ae_request_build(&wish, out, size, &request, &error) != AE_OK)
    return push_refusal(L, &error);
  if (request.needed > size) {
    size = request.needed;
    out = lua_newuserdata(L, size);
    (void)ae_request_build(&wish, out, size, &request, NULL);
  }
  lua_createtable(L, 0, 6);
  set_text(L, "method", request.method);
  set_text(L, "accept", request.accept);
  set_text(L, "content_type", request.content_type);
  set_slice(L, "target", request.target);
  set_slice(L, "body", request.body);
  set_text(L, "warning", ae_wish_warning(&wish));
  return 1;
}

/* judge(call, status, body) -> { code, message, number, position, text,
** trace, already, renew, retry, temporary, fetch }; code "ok": success */
static int altinn_judge (lua_State *L) {
  ae_answer answer;
  ae_call call = check_call(L);
  lua_Integer status = luaL_checkinteger(L, 2);
  luaL_checktype(L, 3, LUA_TSTRING);
  int bounded = status >= 0 && status <= 999 ? (int)status : 0;
  ae_reply_judge(call, bounded, to_slice(L, 3), &answer);
  lua_createtable(L, 0, 8);
  set_text(L, "code", ae_code_name(answer.code));
  set_text(L, "message", answer.message);
  set_text(L, "text", answer.text);
  set_text(L, "trace", answer.trace);
  set_number(L, "number", answer.number);
  set_number(L, "position", (int64_t)answer.position);
  set_flag(L, "already", answer.already);
  set_flag(L, "renew", answer.renew);
  set_flag(L, "retry", answer.retry);
  set_flag(L, "temporary", answer.temporary);
  set_flag(L, "fetch", answer.fetch);
  return 1;
}

/* most(call) -> bytes */
static int altinn_most (lua_State *L) {
  ae_push_integer(L, (int64_t)ae_reply_most(check_call(L)));
  return 1;
}

/* is_base(url) -> true | nil, reason */
static int altinn_is_base (lua_State *L) {
  const char *reason = NULL;
  luaL_checktype(L, 1, LUA_TSTRING);
  if (ae_url_is_base(to_slice(L, 1), &reason)) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, reason);
  return 2;
}

/* is_loopback(url) -> boolean */
static int altinn_is_loopback (lua_State *L) {
  luaL_checktype(L, 1, LUA_TSTRING);
  lua_pushboolean(L, ae_url_is_loopback(to_slice(L, 1)));
  return 1;
}

/* A reason, or nil. */
static int push_fault (lua_State *L, const char *fault) {
  if (fault == NULL) lua_pushnil(L);
  else lua_pushstring(L, fault);
  return 1;
}

/* resource_fault(text) -> reason | nil (an event may have the text as resource) */
static int altinn_resource_fault (lua_State *L) {
  luaL_checktype(L, 1, LUA_TSTRING);
  return push_fault(L, ae_resource_fault(to_slice(L, 1)));
}

/* subject_fault(text) -> reason | nil */
static int altinn_subject_fault (lua_State *L) {
  luaL_checktype(L, 1, LUA_TSTRING);
  return push_fault(L, ae_subject_fault(to_slice(L, 1)));
}

/* is_uuid(text) -> boolean */
static int altinn_is_uuid (lua_State *L) {
  luaL_checktype(L, 1, LUA_TSTRING);
  lua_pushboolean(L, ae_is_uuid(to_slice(L, 1)));
  return 1;
}

/* clock() -> seconds of the monotonic clock, whose origin is not defined */
static int altinn_clock (lua_State *L) {
  struct timespec now = {0, 0};
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec / 1e9);
  return 1;
}

/* moment(text) -> seconds since 1970, nanoseconds | nil, reason */
static int altinn_moment (lua_State *L) {
  ae_timestamp moment;
  const char *reason;
  luaL_checktype(L, 1, LUA_TSTRING);
  if (!ae_timestamp_parse(to_slice(L, 1), &moment, &reason)) {
    lua_pushnil(L);
    lua_pushstring(L, reason);
    return 2;
  }
  ae_push_integer(L, moment.seconds);
  ae_push_integer(L, moment.nanoseconds);
  return 2;
}

static void set_list (lua_State *L, const char *name, const char *const *list) {
  lua_newtable(L);
  for (int i = 0; list[i]; i++) {
    lua_pushstring(L, list[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, name);
}

/* Sets the field `environments`: name -> https address of the platform. */
static void set_environments (lua_State *L) {
  const char *name;
  ae_slice host;
  lua_newtable(L);
  for (size_t i = 0; ae_environment(i, &name, &host); i++) {
    lua_pushliteral(L, "https://");
    lua_pushlstring(L, host.data, host.length);
    lua_concat(L, 2);
    lua_setfield(L, -2, name);
  }
  lua_setfield(L, -2, "environments");
}

/* Sets the field `name` of the table on the stack: a list of entries as tables { first,
** last, number, code, verdict, soon, fetch, denied, why }. `code` is not set for numbers. */
static void set_failures (lua_State *L, const char *name, const ae_failure *list) {
  lua_newtable(L);
  for (int i = 0; list[i].why != NULL; i++) {
    lua_createtable(L, 0, 8);
    set_number(L, "first", list[i].first);
    set_number(L, "last", list[i].last);
    set_number(L, "number", list[i].number);
    if (list[i].number == 0) set_text(L, "code", ae_code_name(list[i].code));
    set_text(L, "verdict", ae_remedy_name(list[i].remedy));
    set_flag(L, "soon", list[i].soon);
    set_flag(L, "fetch", list[i].fetch);
    set_flag(L, "denied", list[i].denied);
    set_text(L, "why", list[i].why);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, name);
}

/* Sets the field `stages`: a list of { name, why }. */
static void set_stages (lua_State *L) {
  lua_newtable(L);
  for (int stage = AE_NO_STAGE + 1; stage < AE_STAGE_COUNT; stage++) {
    lua_createtable(L, 0, 2);
    set_text(L, "name", ae_stage_name((ae_stage)stage));
    set_text(L, "why", ae_stage_why((ae_stage)stage));
    lua_rawseti(L, -2, stage);
  }
  lua_setfield(L, -2, "stages");
}

/* Sets the field `failures`: { statuses, codes, stages, numbers }, the lists of
** core/failures.h. */
static void set_all_failures (lua_State *L) {
  lua_createtable(L, 0, 4);
  set_stages(L);
  set_failures(L, "statuses", ae_failure_statuses);
  set_failures(L, "codes", ae_failure_codes);
  set_failures(L, "numbers", ae_failure_numbers);
  lua_setfield(L, -2, "failures");
}

void ae_lua_altinn_open (lua_State *L) {
  static const luaL_Reg functions[] = {{"request", altinn_request},
                                       {"judge", altinn_judge},
                                       {"most", altinn_most},
                                       {"is_base", altinn_is_base},
                                       {"is_loopback", altinn_is_loopback},
                                       {"is_uuid", altinn_is_uuid},
                                       {"resource_fault", altinn_resource_fault},
                                       {"subject_fault", altinn_subject_fault},
                                       {"clock", altinn_clock},
                                       {"moment", altinn_moment},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  set_list(L, "statuses", ae_statuses);
  set_list(L, "roles", ae_roles);
  set_environments(L);
  set_all_failures(L);
}
