/*
** server.h: an HTTP server for Lua (http/server.h).
*/
#ifndef ALTINN_EVENTS_HOST_SERVER_H
#define ALTINN_EVENTS_HOST_SERVER_H

#include <lua.h>

/* server(options) -> server, or nil, message, code */
int ae_host_server (lua_State *L);
/* Registers the class of servers. */
void ae_host_server_setup (lua_State *L);

#endif
