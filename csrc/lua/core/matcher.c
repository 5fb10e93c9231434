/*
** matcher.c: the matcher as a Lua object. Heads have numbers here; the Lua
** face gives them names.
*/
#include "lua/core/event.h"

#include "core/match.h"

#define MATCHER_NAME "altinn.events.core.matcher"

static ae_matcher *check_matcher (lua_State *L) {
  return *(ae_matcher **)luaL_checkudata(L, 1, MATCHER_NAME);
}

int ae_lua_matcher_new (lua_State *L) {
  ae_matcher **box = lua_newuserdata(L, sizeof(*box));
  *box = NULL;
  luaL_setmetatable(L, MATCHER_NAME);
  *box = ae_matcher_new();
  if (!*box) return luaL_error(L, "not enough memory");
  return 1;
}

static int matcher_gc (lua_State *L) {
  ae_matcher **box = luaL_checkudata(L, 1, MATCHER_NAME);
  ae_matcher_free(*box);
  *box = NULL;
  return 0;
}

static ae_slice field_text (lua_State *L, int index, const char *name) {
  ae_slice text;
  lua_getfield(L, index, name);
  luaL_checktype(L, -1, LUA_TSTRING);
  text.data = lua_tolstring(L, -1, &text.length);
  lua_pop(L, 1); /* anchored in the table */
  return text;
}

static ae_test test_of (lua_State *L, ae_slice name) {
  if (ae_slice_equal(name, AE_LITERAL("is"))) return AE_IS;
  if (ae_slice_equal(name, AE_LITERAL("no"))) return AE_NO;
  if (ae_slice_equal(name, AE_LITERAL("absent"))) return AE_ABSENT;
  if (!ae_slice_equal(name, AE_LITERAL("present")))
    luaL_error(L, "unknown test of a condition");
  return AE_PRESENT;
}

/* Leaves a userdata with the alternatives on the stack. */
static void read_alternatives (lua_State *L, int list, ae_condition *condition) {
  condition->count = lua_rawlen(L, list);
  ae_alternative *out = lua_newuserdata(L, (condition->count + 1) * sizeof(*out));
  condition->alternatives = out;
  for (size_t i = 0; i < condition->count; i++) {
    lua_rawgeti(L, list, (int)i + 1);
    luaL_checktype(L, -1, LUA_TTABLE);
    lua_getfield(L, -1, "prefix");
    out[i].prefix = lua_toboolean(L, -1);
    lua_rawgeti(L, -2, 1);
    luaL_checktype(L, -1, LUA_TSTRING);
    out[i].text.data = lua_tolstring(L, -1, &out[i].text.length);
    lua_pop(L, 3);
  }
}

/* matcher:add(number, conditions); conditions: { { attribute, test,
** alternatives = { { "text", prefix = boolean } } } } */
static int matcher_add (lua_State *L) {
  ae_matcher *matcher = check_matcher(L);
  lua_Integer number = luaL_checkinteger(L, 2);
  ae_error error;
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 3);
  size_t count = lua_rawlen(L, 3);
  luaL_argcheck(L, number >= 0 && number < (1 << 24), 2, "out of range");
  luaL_argcheck(L, count <= 1000, 3, "too many conditions");
  luaL_checkstack(L, (int)count * 3 + 10, "too many conditions");
  ae_condition *conditions = lua_newuserdata(L, (count + 1) * sizeof(*conditions));
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 3, (int)i + 1);
    luaL_checktype(L, -1, LUA_TTABLE);
    int one = lua_gettop(L);
    conditions[i] = (ae_condition){.attribute = field_text(L, one, "attribute")};
    conditions[i].test = test_of(L, field_text(L, one, "test"));
    lua_getfield(L, one, "alternatives");
    luaL_checktype(L, -1, LUA_TTABLE);
    read_alternatives(L, lua_gettop(L), &conditions[i]);
  }
  if (ae_matcher_add(matcher, (uint32_t)number, conditions, count, &error) != AE_OK)
    return luaL_error(L, "%s", error.message);
  return 0;
}

/* matcher:remove(number) -> whether it was there */
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
