/*
** conditions.h: reads the conditions of a rule's head from Lua, for the matcher.
** Both modules that compile heads (core and host) use it.
*/
#ifndef ALTINN_EVENTS_LUA_CONDITIONS_H
#define ALTINN_EVENTS_LUA_CONDITIONS_H

#include "core/match.h"
#include "lua/compat.h"

/* The most conditions of one head. */
#define AE_MOST_CONDITIONS 1000

/*
** Reads the list at `index` (above 0): { { attribute = text, test = "is" | "no" | "absent" |
** "present", alternatives = { { text, prefix = boolean } } } }. Pushes one value, which owns
** the conditions; their texts stay those of the list. Raises on anything else.
*/
const ae_condition *ae_lua_read_conditions (lua_State *L, int index, size_t *count);

#endif
