/*
** compat.h: one source for Lua 5.1, 5.2, 5.3, 5.4 and LuaJIT. Functions that an
** older Lua lacks are defined here under their later names; no other file asks
** for a version. Also here: the check that the Lua which loads a module is the
** one that the module was built for, and the mark of exported functions.
*/
#ifndef ALTINN_EVENTS_COMPAT_H
#define ALTINN_EVENTS_COMPAT_H

#if defined(__has_include)
#if !__has_include(<lauxlib.h>)
#error \
  "lauxlib.h not found: install liblua5.4-dev or that of your Lua (Debian, Ubuntu), lua-devel (Fedora), lua5.4-dev (Alpine) or lua (Homebrew)"
#endif
#endif
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define AE_EXPORT __attribute__((visibility("default")))
#else
#define AE_EXPORT
#endif

/*
** Functions that not every Lua has are weak symbols, so that the dynamic loader
** does not refuse the module where one is missing. Then a Lua that the module was
** not built for reaches ae_check_version, which says so. spec/versions_spec.lua
** tries each build in each Lua.
*/
#pragma weak lua_call
#pragma weak lua_callk
#if LUA_VERSION_NUM < 502
void lua_callk (lua_State *L, int arguments, int results, int context, void *continuation);
#pragma weak lua_objlen
#pragma weak lua_tointeger
#pragma weak lua_tonumber
#pragma weak luaL_prepbuffer
#else
void(lua_call)(lua_State *L, int arguments, int results);
#pragma weak lua_copy
#pragma weak lua_getglobal
#pragma weak lua_rawgetp
#pragma weak lua_rawlen
#pragma weak lua_rawsetp
#pragma weak lua_tointegerx
#pragma weak lua_tonumberx
#pragma weak luaL_checkversion_
#pragma weak luaL_prepbuffsize
#pragma weak luaL_setfuncs
#pragma weak luaL_setmetatable
#pragma weak luaL_testudata
#endif
#if LUA_VERSION_NUM < 503
#pragma weak lua_insert
#pragma weak lua_remove
#pragma weak lua_replace
#else
#pragma weak lua_isinteger
#pragma weak lua_rotate
#endif
#if LUA_VERSION_NUM < 504
#pragma weak lua_newuserdata
#if LUA_VERSION_NUM == 503
#pragma weak lua_setuservalue
#endif
#else
#pragma weak lua_newuserdatauv
#pragma weak lua_setiuservalue
#endif

/* LuaJIT has some functions that Lua 5.1 lacks. The definitions here replace them,
** so that one build serves both. */
#if LUA_VERSION_NUM < 502
#undef lua_rawlen
#undef luaL_newlib
#undef luaL_setfuncs
#undef lua_rawgetp
#undef lua_rawsetp
#undef luaL_setmetatable
#undef luaL_testudata
#define lua_rawlen lua_objlen
#define luaL_newlib(L, list) \
  (lua_createtable(L, 0, (int)(sizeof(list) / sizeof((list)[0]) - 1)), \
   luaL_setfuncs(L, list, 0))
#define luaL_setfuncs ae_setfuncs
/* As luaL_setfuncs of Lua 5.2. */
static inline void ae_setfuncs (lua_State *L, const luaL_Reg *list, int upvalues) {
  for (; list->name; list++) {
    for (int i = 0; i < upvalues; i++) lua_pushvalue(L, -upvalues);
    lua_pushcclosure(L, list->func, upvalues);
    lua_setfield(L, -(upvalues + 2), list->name);
  }
  lua_pop(L, upvalues);
}
#define lua_rawgetp(L, index, key) \
  (lua_pushlightuserdata(L, (void *)(uintptr_t)(key)), lua_rawget(L, index))
#define lua_rawsetp(L, index, key) \
  (lua_pushlightuserdata(L, (void *)(uintptr_t)(key)), lua_insert(L, -2), lua_rawset(L, index))
#define luaL_setmetatable(L, name) (luaL_getmetatable(L, name), lua_setmetatable(L, -2))
#define luaL_testudata ae_testudata
/* As luaL_testudata of Lua 5.2. */
static inline void *ae_testudata (lua_State *L, int index, const char *name) {
  void *data = lua_touserdata(L, index);
  if (!data || !lua_getmetatable(L, index)) return NULL;
  luaL_getmetatable(L, name);
  if (!lua_rawequal(L, -1, -2)) data = NULL;
  lua_pop(L, 2);
  return data;
}
#endif

/* A userdata without user values, which the collector need not traverse. */
static inline void *ae_new_block (lua_State *L, size_t size) {
#if LUA_VERSION_NUM >= 504
  return lua_newuserdatauv(L, size, 0);
#else
  return lua_newuserdata(L, size);
#endif
}

/* Whether a userdata can keep any other value alive. */
#define AE_HOLDS (LUA_VERSION_NUM >= 503)

/* A userdata that keeps the value at `index` (above 0) alive, where AE_HOLDS. */
static inline void *ae_new_holder (lua_State *L, size_t size, int index) {
#if LUA_VERSION_NUM >= 504
  void *block = lua_newuserdatauv(L, size, 1);
  lua_pushvalue(L, index);
  lua_setiuservalue(L, -2, 1);
#else
  void *block = lua_newuserdata(L, size);
#if AE_HOLDS
  lua_pushvalue(L, index);
  lua_setuservalue(L, -2);
#else
  (void)index;
#endif
#endif
  return block;
}

/* Pushes a whole number: an integer where the Lua has them. */
static inline void ae_push_integer (lua_State *L, int64_t value) {
#if LUA_VERSION_NUM >= 503
  lua_pushinteger(L, (lua_Integer)value);
#else
  lua_pushnumber(L, (lua_Number)value);
#endif
}

/* Whether the value is a whole number; *out is its value. */
static inline int ae_to_integer (lua_State *L, int index, int64_t *out) {
#if LUA_VERSION_NUM >= 503
  if (lua_isinteger(L, index)) {
    *out = (int64_t)lua_tointeger(L, index);
    return 1;
  }
#endif
  lua_Number number = lua_tonumber(L, index);
  if (!(number >= -9007199254740992.0 && number <= 9007199254740992.0)) return 0;
  *out = (int64_t)number;
  return (lua_Number)*out == number;
}

/* Raises, with a sentence, in a Lua that the module was not built for. It uses only
** functions that are the same in every Lua: pseudo indices and most functions
** differ. */
static inline void ae_check_version (lua_State *L) {
  const char *running = NULL;
  if (luaL_loadstring(L, "return _VERSION") == 0) {
    if (lua_callk) lua_callk(L, 0, 1, 0, NULL);
    else (lua_call)(L, 0, 1);
    running = lua_tolstring(L, -1, NULL);
  }
  if (!running || strcmp(running, LUA_VERSION) != 0)
    luaL_error(
      L,
      "this module of altinn-events was built for %s, and %s loads it: build it again for that "
      "Lua (make LUA=..., or luarocks --lua-version=...)",
      LUA_VERSION, running ? running : "an unknown Lua");
  lua_settop(L, -2);
}

#endif
