/*
** copy.c: see copy.h.
*/
#include "lua/host/copy.h"

#include <lauxlib.h>

#define DEPTH 16

static void copy (lua_State *from, int index, lua_State *to, int depth);

static void copy_table (lua_State *from, int index, lua_State *to, int depth) {
  lua_Unsigned length = lua_rawlen(from, index);
  if (depth == 0) luaL_error(to, "a table with more than %d levels cannot be copied", DEPTH);
  if (!lua_checkstack(from, 3)) luaL_error(to, "not enough memory");
  luaL_checkstack(to, 4, NULL);
  lua_createtable(to, length < 1000 ? (int)length : 1000, 0);
  lua_pushnil(from);
  while (lua_next(from, index) != 0) {
    const int top = lua_gettop(from);
    copy(from, top - 1, to, depth - 1);
    copy(from, top, to, depth - 1);
    lua_rawset(to, -3);
    lua_pop(from, 1);
  }
}

/* `index`: counted from the bottom. */
static void copy (lua_State *from, int index, lua_State *to, int depth) {
  size_t length;
  const char *text;
  switch (lua_type(from, index)) {
    case LUA_TNONE:
    case LUA_TNIL: lua_pushnil(to); break;
    case LUA_TBOOLEAN: lua_pushboolean(to, lua_toboolean(from, index)); break;
    case LUA_TNUMBER:
      if (lua_isinteger(from, index)) lua_pushinteger(to, lua_tointeger(from, index));
      else lua_pushnumber(to, lua_tonumber(from, index));
      break;
    case LUA_TSTRING:
      text = lua_tolstring(from, index, &length);
      lua_pushlstring(to, text, length);
      break;
    case LUA_TTABLE: copy_table(from, index, to, depth); break;
    default:
      luaL_error(to, "a %s cannot be copied", lua_typename(from, lua_type(from, index)));
  }
}

void ae_lua_copy (lua_State *from, int index, lua_State *to) {
  luaL_checkstack(to, 2, NULL);
  copy(from, lua_absindex(from, index), to, DEPTH);
}
