/*
** child.h: child processes for Lua; see host/child.h.
*/
#ifndef ALTINN_EVENTS_LUA_CHILD_H
#define ALTINN_EVENTS_LUA_CHILD_H

#include <lua.h>

/* Adds to the table on top of the stack:
**
**     fork([variables]) -> a child; true in the child, which has these variables besides;
**                          or nil, message
**     spawn(arguments, input) -> a child, or nil, message
**     attend(children, seconds) -> nil, or "int", "term" or "hup": the signal that came
**     take_signals(), end_orphans(), end_with_parent(): see host/child.h
**     tell(text) -> true, or nil, message: writes to the report of this process
**     limit([seconds, message]): after so many seconds the Lua code that the main coroutine
**                          runs raises the message, with its place; without them: never
**     cores() -> the number of processors
**     steady() -> seconds, of a clock that nobody sets
**
** A child: :read("output" | "errors" | "report") -> text, "" when there is nothing just
** now, nil at the end; :has_ended() -> nil, or "exit" | "signal", and the number; :signal(
** "TERM" | "KILL" [, group]); :close(), which ends it. It is closed when it is
** collected. */
void ae_host_child_setup (lua_State *L);

#endif
