/*
** altinn.h: the part of the module altinn.events.core that is in altinn.c.
*/
#ifndef ALTINN_EVENTS_LUA_ALTINN_H
#define ALTINN_EVENTS_LUA_ALTINN_H

#include "lua/compat.h"

/* Pushes the table core.altinn, whose functions build requests and judge replies. */
void ae_lua_altinn_open (lua_State *L);

#endif
