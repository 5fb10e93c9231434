/*
** matcher.c: the matcher as a Lua object. Heads have numbers here; the Lua
** face gives them names.
*/
#include "lua/core/event.h"

#include "lua/conditions.h"

#define MATCHER_NAME "altinn.events.core.matcher"

/* Raises also for a matcher whose __gc was called by hand: it is freed. */
static ae_matcher *check_matcher (lua_State *L) {
  ae_matcher *matcher = *(ae_matcher **)luaL_checkudata(L, 1, MATCHER_NAME);
  if (matcher == NULL) luaL_argerror(L, 1, "the matcher has been collected");
  return matcher;
}

int ae_lua_matcher_new (lua_State *L) {
  ae_matcher **box = lua_newuserdata(L, sizeof(*box));
  *box = NULL;
  luaL_setmetatable(L, MATCHER_NAME);
  *box = ae_matcher_new();
  if (*box == NULL) return luaL_error(L, "not enough memory");
  return 1;
}

static int matcher_gc (lua_State *L) {
  ae_matcher **box = luaL_checkudata(L, 1, MATCHER_NAME);
  if (*box != NULL) ae_matcher_free(*box);
  *box = NULL;
  return 0;
}

/* matcher:add(number, conditions); conditions: { { attribute, test,
** alternatives = { { "text", prefix = boolean } } } } */
static int matcher_add (lua_State *L) {
  ae_matcher *matcher = check_matcher(L);
  lua_Integer number = luaL_checkinteger(L, 2);
  const ae_condition *conditions;
  size_t count;
  ae_error error;
  luaL_argcheck(L, number >= 0 && number < (1 << 24), 2, "out of range");
  conditions = ae_lua_read_conditions(L, 3, &count);
  if (ae_matcher_add(matcher, (uint32_t)number, conditions, count, &error) != AE_OK)
    return luaL_error(L, "%s", error.message);
  return 0;
}

/* matcher:remove(number) -> whether the head was there */
static int matcher_remove (lua_State *L) {
  ae_matcher *matcher = check_matcher(L);
  lua_Integer number = luaL_checkinteger(L, 2);
  lua_pushboolean(L, number >= 0 && number < (1 << 24) &&
                       ae_matcher_remove(matcher, (uint32_t)number));
  return 1;
}

/* matcher:match(event) -> list of numbers, in the order added */
static int matcher_match (lua_State *L) {
  uint32_t some[64], *found = some;
  const ae_matcher *matcher = check_matcher(L);
  const ae_event *event = ae_lua_checkevent(L, 2);
  size_t room = sizeof(some) / sizeof(*some);
  size_t count = ae_matcher_match(matcher, event, found, room);
  if (count > room) {
    found = lua_newuserdata(L, count * sizeof(*found));
    count = ae_matcher_match(matcher, event, found, count);
  }
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    lua_pushinteger(L, (lua_Integer)found[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
  return 1;
}

/* matcher:holds(number, index, event) -> whether the condition (1-based)
** of a head holds */
static int matcher_holds (lua_State *L) {
  const ae_matcher *matcher = check_matcher(L);
  lua_Integer number = luaL_checkinteger(L, 2), index = luaL_checkinteger(L, 3);
  const ae_event *event = ae_lua_checkevent(L, 4);
  luaL_argcheck(L, number >= 0 && index >= 1, 2, "out of range");
  lua_pushboolean(L, ae_matcher_holds(matcher, (uint32_t)number, (size_t)index - 1, event));
  return 1;
}

void ae_lua_matcher_open (lua_State *L) {
  static const luaL_Reg methods[] = {{"add", matcher_add},
                                     {"remove", matcher_remove},
                                     {"match", matcher_match},
                                     {"holds", matcher_holds},
                                     {NULL, NULL}};
  if (luaL_newmetatable(L, MATCHER_NAME)) {
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, matcher_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_pop(L, 1);
}
