/*
** aside.h: actions that a worker has carried out aside; see host/aside.h.
*/
#ifndef ALTINN_EVENTS_LUA_ASIDE_H
#define ALTINN_EVENTS_LUA_ASIDE_H

#include <lua.h>

#include "host/aside.h"

/* Makes an action of the request at `index`: { kind =, target =, key =, place =, name =,
** header =, body =, arguments = { text… }, timeout = seconds, at_once =, again = }. Raises
** when it is malformed, or without memory. */
ae_action *ae_action_check (lua_State *L, int index);

/* Pushes { kind = "ack", ticket =, reply = { outcome =, code =, text =, answer = } }. */
void ae_action_push (lua_State *L, const ae_action *action);

/* is_fit(kind, place) -> true, or nil and why such actions cannot be carried out there */
int ae_host_is_fit (lua_State *L);

#endif
