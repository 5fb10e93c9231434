/*
** partial.h: writes a file that gets its name only when it is whole. Until then its
** bytes are in a part file in the same folder: `path.part-` and 16 hexadecimal
** digits.
*/
#ifndef ALTINN_EVENTS_LUA_PARTIAL_H
#define ALTINN_EVENTS_LUA_PARTIAL_H

#include "lua/compat.h"

/* Registers the metatable. */
void ae_lua_partial_open (lua_State *L);

/* partial(path) -> file; nothing is opened yet. Its methods:
**   restart()     begins with no bytes; also removes the part files of this path
**                 that killed processes left behind
**   write(text)   appends
**   commit()      syncs the file and gives it its name
**   abort()       removes the part file; the collector and the end of a
**                 to-be-closed variable do the same
** A method that fails returns nil and the system's error message. */
int ae_lua_partial_new (lua_State *L);

#endif
