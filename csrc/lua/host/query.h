/*
** host_query.h: SQL on an inbox file, for the verbs of the command.
*/
#ifndef ALTINN_EVENTS_HOST_QUERY_H
#define ALTINN_EVENTS_HOST_QUERY_H

#include <lua.h>

/* query(path, sql, ...) -> rows, or nil, message, code */
int ae_host_query (lua_State *L);
/* execute(path, sql, ...) -> rows changed, or nil, message, code */
int ae_host_execute (lua_State *L);

#endif
