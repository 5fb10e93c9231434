/*
** compat.h: one source for Lua 5.1, 5.2, 5.3, 5.4 and LuaJIT. What an older
** Lua lacks is made here, by name; nothing else in the tree asks for a
** version. Also the check that the Lua which loads a module is the one it
** was built for, and the mark of exported functions.
*/
#ifndef ALTINN_EVENTS_COMPAT_H
#define ALTINN_EVENTS_COMPAT_H

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

#if LUA_VERSION_NUM < 502
#ifndef lua_rawlen
#define lua_rawlen lua_objlen
#endif
#ifndef luaL_newlib
#define luaL_newlib(L, list) \
  (lua_createtable(L, 0, (int)(sizeof(list) / sizeof((list)[0]) - 1)), \
   ae_setfuncs(L, list))
/* luaL_setfuncs without upvalues. */
static inline void ae_setfuncs (lua_State *L, const luaL_Reg *list) {
  for (; list->name; list++) {
    lua_pushcfunction(L, list->func);
    lua_setfield(L, -2, list->name);
  }
}
#endif
#ifndef lua_rawgetp
#define lua_rawgetp(L, index, key) \
  (lua_pushlightuserdata(L, (void *)(uintptr_t)(key)), lua_rawget(L, index))
#define lua_rawsetp(L, index, key) \
  (lua_pushlightuserdata(L, (void *)(uintptr_t)(key)), lua_insert(L, -2), lua_rawset(L, index))
#endif
#ifndef luaL_setmetatable
#define luaL_setmetatable(L, name) (luaL_getmetatable(L, name), lua_setmetatable(L, -2))
#endif
#ifndef luaL_testudata
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
#endif

/* A userdata without user values: what the collector need not look into. */
static inline void *ae_new_block (lua_State *L, size_t size) {
#if LUA_VERSION_NUM >= 504
  return lua_newuserdatauv(L, size, 0);
#else
  return lua_newuserdata(L, size);
#endif
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

/* Refuses, in a sentence, a module that was built for another Lua. */
static inline void ae_check_version (lua_State *L) {
  lua_getglobal(L, "_VERSION");
  const char *running = lua_tostring(L, -1);
  if (!running || strcmp(running, LUA_VERSION) != 0)
    luaL_error(L, "this module was built for %s, and %s loads it: build it again for that Lua",
               LUA_VERSION, running ? running : "an unknown Lua");
  lua_pop(L, 1);
}

#endif
