/*
** inbox.h: the inbox as a Lua object, for the commands.
*/
#ifndef ALTINN_EVENTS_HOST_INBOX_H
#define ALTINN_EVENTS_HOST_INBOX_H

#include <lua.h>

/* Makes the class of inboxes; pushes the table of the states' names. */
void ae_host_inbox_setup (lua_State *L);
/* inbox(path) -> inbox, or nil, message, code */
int ae_host_inbox (lua_State *L);
/* attended(path) -> whether a host has the inbox open; nil: that cannot be seen */
int ae_host_attended (lua_State *L);
/* who() -> the user who runs the command */
int ae_host_who (lua_State *L);
/* terminal(file) -> whether the file is a terminal */
int ae_host_terminal (lua_State *L);
/* sleep(seconds): waits; a signal ends the wait */
int ae_host_sleep (lua_State *L);

#endif
