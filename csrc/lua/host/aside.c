/*
** aside.c: actions as tables of Lua; see aside.h.
*/
#include "lua/host/aside.h"

#include <stddef.h>
#include <stdlib.h>

#include <lauxlib.h>

#define MOST_ARGUMENTS 1024
#define MOST_SECONDS 86400

#define NAME(name, text) text,
static const char *const kinds[] = {AE_ASIDE_KINDS(NAME) NULL};
static const char *const outcomes[] = {AE_ASIDE_OUTCOMES(NAME)};
#undef NAME

static const struct {
  const char *name;
  size_t offset;
} texts[] = {{"target", offsetof(ae_action, target)},
             {"key", offsetof(ae_action, key)},
             {"place", offsetof(ae_action, place)},
             {"name", offsetof(ae_action, name)},
             {"header", offsetof(ae_action, header)}};
#define TEXT_COUNT (sizeof texts / sizeof texts[0])

/* Pushes a member of the request, a string or nil; returns its length. */
static size_t push_text (lua_State *L, int index, const char *name) {
  int type = lua_getfield(L, index, name);
  if (type != LUA_TSTRING && type != LUA_TNIL) luaL_error(L, "%s must be a string", name);
  return type == LUA_TNIL ? 0 : lua_rawlen(L, -1);
}

/* Pushes all texts, the body and the arguments, so that nothing raises after the block has
** been allocated. Returns the bytes that they take; *count is that of the arguments. */
static size_t push_texts (lua_State *L, int index, size_t *count) {
  size_t size = 0;
  int list;
  for (size_t i = 0; i < TEXT_COUNT; i++) size += push_text(L, index, texts[i].name) + 1;
  size += push_text(L, index, "body") + 1;
  *count = 0;
  if (lua_getfield(L, index, "arguments") == LUA_TNIL) return size;
  luaL_checktype(L, -1, LUA_TTABLE);
  list = lua_gettop(L);
  *count = lua_rawlen(L, list);
  if (*count == 0 || *count > MOST_ARGUMENTS) luaL_error(L, "arguments: none, or too many");
  luaL_checkstack(L, (int)*count + 8, "too many arguments");
  for (size_t i = 1; i <= *count; i++) {
    if (lua_rawgeti(L, list, (lua_Integer)i) != LUA_TSTRING)
      luaL_error(L, "an argument must be a string");
    size += lua_rawlen(L, -1) + 1;
  }
  return size;
}

/* Copies the string at `index` of the stack to *at, with a NUL. NULL: it is nil. */
static char *copy (lua_State *L, int index, char **at, size_t *length) {
  char *result = *at;
  const char *data = lua_tolstring(L, index, length);
  if (data == NULL) return NULL;
  memcpy(result, data, *length + 1);
  *at += *length + 1;
  return result;
}

/* Fills in what push_texts has pushed from `first` on. */
static void read_texts (lua_State *L, int first, ae_action *action, size_t count) {
  char **arguments = (char **)(void *)action->bytes;
  char *at = action->bytes + (count + 1) * sizeof *arguments;
  size_t length = 0;
  for (size_t i = 0; i < TEXT_COUNT; i++) {
    const char *text = copy(L, first + (int)i, &at, &length);
    memcpy((char *)action + texts[i].offset, &text, sizeof text);
  }
  length = 0;
  action->body.data = copy(L, first + (int)TEXT_COUNT, &at, &length);
  action->body.length = action->body.data == NULL ? 0 : length;
  for (size_t i = 0; i < count; i++)
    arguments[i] = copy(L, first + (int)TEXT_COUNT + 2 + (int)i, &at, &length);
  arguments[count] = NULL;
  action->arguments = arguments;
}

static uint32_t number_field (lua_State *L, int index, const char *name, lua_Integer most) {
  lua_Integer value;
  lua_getfield(L, index, name);
  value = luaL_optinteger(L, -1, 0);
  lua_pop(L, 1);
  if (value < 0 || value > most) luaL_error(L, "%s is out of range", name);
  return (uint32_t)value;
}

static void check_needed (lua_State *L, int index, ae_aside_kind kind, size_t arguments) {
  static const char *const needed[] = {"target", "key", "place", "name"};
  size_t count = kind == AE_ASIDE_FILE ? 4 : kind == AE_ASIDE_APPEND ? 3 : 2;
  for (size_t i = 0; i < count; i++)
    if (lua_isnil(L, index + (int)i)) luaL_error(L, "%s is missing", needed[i]);
  if (kind == AE_ASIDE_COMMAND && arguments == 0) luaL_error(L, "arguments are missing");
}

ae_action *ae_action_check (lua_State *L, int index) {
  ae_action *action;
  ae_aside_kind kind;
  uint32_t timeout, at_once;
  size_t size, count;
  int first;
  bool again;
  luaL_checktype(L, index, LUA_TTABLE);
  luaL_checkstack(L, 16, NULL);
  lua_getfield(L, index, "kind");
  kind = (ae_aside_kind)luaL_checkoption(L, -1, NULL, kinds);
  lua_getfield(L, index, "again");
  again = lua_toboolean(L, -1);
  timeout = number_field(L, index, "timeout", MOST_SECONDS);
  at_once = number_field(L, index, "at_once", AE_ASIDE_THREADS);
  first = lua_gettop(L) + 1;
  size = push_texts(L, index, &count);
  check_needed(L, first, kind, count);
  action = calloc(1, sizeof *action + (count + 1) * sizeof(char *) + size);
  if (action == NULL) {
    luaL_error(L, "not enough memory");
    return NULL;
  }
  action->kind = kind;
  action->again = again;
  action->timeout = timeout;
  action->at_once = at_once;
  read_texts(L, first, action, count);
  lua_settop(L, first - 3);
  return action;
}

void ae_action_push (lua_State *L, const ae_action *action) {
  lua_createtable(L, 0, 3);
  lua_pushliteral(L, "ack");
  lua_setfield(L, -2, "kind");
  lua_pushinteger(L, action->ticket);
  lua_setfield(L, -2, "ticket");
  lua_createtable(L, 0, 4);
  lua_pushstring(L, outcomes[action->outcome]);
  lua_setfield(L, -2, "outcome");
  lua_pushinteger(L, action->code);
  lua_setfield(L, -2, "code");
  lua_pushstring(L, action->text);
  lua_setfield(L, -2, "text");
  lua_pushlstring(L, action->answer, action->answer_length);
  lua_setfield(L, -2, "answer");
  lua_setfield(L, -2, "reply");
}

int ae_host_is_fit (lua_State *L) {
  ae_aside_kind kind = (ae_aside_kind)luaL_checkoption(L, 1, NULL, kinds);
  const char *place = luaL_checkstring(L, 2);
  char text[AE_ASIDE_TEXT];
  if (ae_aside_is_fit(kind, place, text)) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, text);
  return 2;
}
