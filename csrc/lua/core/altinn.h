/*
** altinn.h: what the module altinn.events.core takes from altinn.c.
*/
#ifndef ALTINN_EVENTS_LUA_ALTINN_H
#define ALTINN_EVENTS_LUA_ALTINN_H

#include "lua/compat.h"

/* Pushes the table core.altinn: requests built, replies judged. */
void ae_lua_altinn_open (lua_State *L);

#endif
