/*
** heads.h: the heads of the rules, from Lua.
*/
#ifndef ALTINN_EVENTS_LUA_HEADS_H
#define ALTINN_EVENTS_LUA_HEADS_H

#include <lua.h>

#include "host/routes.h"

/* Builds heads from the list at `index`: { { rule = name, order = false | "letter" | an
** attribute's name, conditions = { … } } }. Raises on misuse, and leaves a value on the stack
** that owns them until they are taken out of it. */
ae_heads **ae_heads_check (lua_State *L, int index);

#endif
