/*
** partial.h: a file that gets its name only once it is whole. Until then its
** bytes stand beside it, under `path.part-` and 16 hexadecimal digits.
*/
#ifndef ALTINN_EVENTS_LUA_PARTIAL_H
#define ALTINN_EVENTS_LUA_PARTIAL_H

#include "lua/compat.h"

/* Registers the metatable. */
void ae_lua_partial_open (lua_State *L);

/* partial(path) -> file; nothing is opened yet. Its methods:
**   restart()   begins with no bytes; also removes the part files beside it
**               that processes left behind which were killed
**   write(text), commit()   commit syncs the file and gives it its name
**   abort()     nothing remains; so do the collector and the end of a
**               to-be-closed variable
** What fails gives nil and the reason in the system's words. */
int ae_lua_partial_new (lua_State *L);

#endif
