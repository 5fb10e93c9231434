/*
** simulation.h: the host in one thread, on a clock that its caller sets: the real inbox, the
** real worker and the real receiver, without sockets. What leaves the host is handed to
** the caller (altinn.events.host.simulation).
*/
#ifndef ALTINN_EVENTS_SIMULATION_H
#define ALTINN_EVENTS_SIMULATION_H

#include <lua.h>

/* Registers the class; to be called once in a state. */
void ae_simulation_setup (lua_State *L);
/* simulation{ now =, seed =, coverage = { files } or nil, facts = boolean } -> simulation */
int ae_simulation_new (lua_State *L);

#endif
