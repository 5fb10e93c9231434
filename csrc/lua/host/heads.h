/*
** heads.h: reads the heads of rules from Lua.
*/
#ifndef ALTINN_EVENTS_LUA_HEADS_H
#define ALTINN_EVENTS_LUA_HEADS_H

#include <lua.h>

#include "host/routes.h"

/* Builds heads from the list at `index`: { { rule = name, order = false | "letter" | an
** attribute's name, conditions = { … } } }. Raises on misuse. A value that is left on the
** stack owns the heads, until ae_heads_take. */
ae_heads **ae_heads_check (lua_State *L, int index);
/* The heads, which are the caller's now. */
ae_heads *ae_heads_take (ae_heads **box);

#endif
