/*
** copy.h: values from one Lua state to another.
*/
#ifndef ALTINN_EVENTS_LUA_COPY_H
#define ALTINN_EVENTS_LUA_COPY_H

#include <lua.h>

/* Pushes onto `to` a copy of the value at `index` of `from`: nil, booleans, numbers, strings
** and tables of these, without their metatables. Raises in `to` for any other value, for
** tables in more than 16 levels, and when there is no memory; never in `from`. */
void ae_lua_copy (lua_State *from, int index, lua_State *to);

#endif
