/*
** terminal.h: the terminal of a command that shows what happens and takes keys.
*/
#ifndef ALTINN_EVENTS_LUA_TERMINAL_H
#define ALTINN_EVENTS_LUA_TERMINAL_H

#include <lua.h>

/* keys_on() -> true | nil, message: keys come one by one and unseen from now on. The
** terminal is as it was before after keys_off, at the end of the process (also one that
** a signal ends; not SIGKILL), and while the process is stopped. */
int ae_host_keys_on (lua_State *L);
/* keys_off() */
int ae_host_keys_off (lua_State *L);
/* keys(seconds [, input]) -> bytes typed, "" when none came | nil, "closed" (standard
** input) | nil, "broken" (nobody reads standard output). Without `input` standard input
** is left alone. */
int ae_host_keys (lua_State *L);
/* columns() -> the columns of the terminal behind standard output, or nil */
int ae_host_columns (lua_State *L);
/* say(text) -> true | nil, message: writes to standard output at once */
int ae_host_say (lua_State *L);
/* run_editor(command, file) -> process | nil, message: a command of the shell that has the
** terminal; `file` is added as its last word */
int ae_host_run_editor (lua_State *L);
/* ended(process) -> exit status, or nil while it runs */
int ae_host_ended (lua_State *L);
/* catch_log() -> true | nil, message: what is written to standard error from now on is
** kept for caught_log. Until release_log, and not at the end of a process */
int ae_host_catch_log (lua_State *L);
/* caught_log() -> text, "" when there is none */
int ae_host_caught_log (lua_State *L);
/* release_log(): standard error is as it was before */
int ae_host_release_log (lua_State *L);
/* traces(list) -> a text that changes when a file below one of these paths comes, goes or
** changes (by size and time of change); folders are walked, names with a dot are not */
int ae_host_traces (lua_State *L);

#define AE_TERMINAL_FUNCTIONS \
  {"keys_on", ae_host_keys_on}, {"keys_off", ae_host_keys_off}, {"keys", ae_host_keys}, \
    {"columns", ae_host_columns}, {"say", ae_host_say}, {"run_editor", ae_host_run_editor}, \
    {"ended", ae_host_ended}, {"catch_log", ae_host_catch_log}, \
    {"caught_log", ae_host_caught_log}, {"release_log", ae_host_release_log}, { \
    "traces", ae_host_traces \
  }

#endif
