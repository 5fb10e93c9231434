/*
** fact.h: lines of the log from Lua.
*/
#ifndef ALTINN_EVENTS_LUA_HOST_FACT_H
#define ALTINN_EVENTS_LUA_HOST_FACT_H

#include <lua.h>

/* Reads, from `first` on, json (boolean: the format), level, message and fields, a table of
** values by name; makes a line and hands it to the log, which never waits. Pushes whether
** the log took it, and returns 1. */
int ae_lua_fact (lua_State *L, int first);

#endif
