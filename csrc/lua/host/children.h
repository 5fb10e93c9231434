/*
** children.h: os.execute and io.popen of a worker's state.
*/
#ifndef ALTINN_EVENTS_CHILDREN_H
#define ALTINN_EVENTS_CHILDREN_H

#include <lua.h>

/* Replaces os.execute and io.popen in the state by functions of the same
** meaning whose children have the signals of a program that was just started
** (a worker blocks some and ignores others), and none of the host's
** descriptors but standard input, output and error. The libraries io and os
** must be open. */
void ae_children_open (lua_State *L);

#endif
