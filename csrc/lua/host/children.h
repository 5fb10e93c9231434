/*
** children.h: os.execute and io.popen of a worker's state.
*/
#ifndef ALTINN_EVENTS_CHILDREN_H
#define ALTINN_EVENTS_CHILDREN_H

#include <lua.h>

/* Replaces os.execute and io.popen in the state by functions of the same meaning.
** Their children have the signal mask and actions of a newly started program (a
** worker blocks some signals and ignores others), and inherit no descriptors but
** standard input, output and error. The libraries io and os must be open. */
void ae_children_open (lua_State *L);

#endif
