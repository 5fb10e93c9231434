/*
** numbers.h: numbers of Lua as JSON.
*/
#ifndef ALTINN_EVENTS_LUA_NUMBERS_H
#define ALTINN_EVENTS_LUA_NUMBERS_H

#include "lua/compat.h"

#define AE_NUMBER_BYTES 40

/* Writes the number at `index` as JSON: as few digits as read back to the same number;
** whole numbers without ".0" as far as all of them have an exact Lua number. Returns
** the length; 0: the number is infinite or NaN, which JSON does not have. */
size_t ae_lua_number_text (lua_State *L, int index, char text[AE_NUMBER_BYTES]);

#endif
