/*
** options.c: see options.h.
*/
#include "lua/host/options.h"

int ae_host_fail (lua_State *L, const ae_error *error) {
  lua_pushnil(L);
  lua_pushstring(L, error->message);
  lua_pushstring(L, ae_code_name(error->code));
  return 3;
}

void ae_host_check_options (lua_State *L, const char *const *known, const char *function) {
  lua_pushnil(L);
  while (lua_next(L, 1) != 0) {
    const char *key;
    int i = 0;
    lua_pop(L, 1);
    key = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?";
    while (known[i] != NULL && strcmp(known[i], key) != 0) i++;
    if (known[i] == NULL) luaL_error(L, "unknown option '%s' of %s", key, function);
  }
}

lua_Integer ae_host_integer (lua_State *L, int index, const char *name, lua_Integer otherwise,
                             lua_Integer most) {
  lua_Integer value;
  lua_getfield(L, index, name);
  value = luaL_optinteger(L, -1, otherwise);
  if (value < 0 || value > most) luaL_error(L, "%s is out of range", name);
  lua_pop(L, 1);
  return value;
}

const char *ae_host_package (lua_State *L, const char *name) {
  const char *text;
  lua_getglobal(L, "package");
  lua_getfield(L, -1, name);
  text = luaL_checkstring(L, -1);
  lua_remove(L, -2);
  return text;
}

void ae_host_class (lua_State *L, const char *name, const luaL_Reg *methods,
                    lua_CFunction close) {
  if (luaL_newmetatable(L, name)) {
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, close);
    lua_setfield(L, -2, "__close");
  }
  lua_pop(L, 1);
}
