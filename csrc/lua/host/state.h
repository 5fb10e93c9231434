/*
** state.h: what only the running host knows, as JSON: why runs do not begin.
*/
#ifndef ALTINN_EVENTS_HOST_STATE_H
#define ALTINN_EVENTS_HOST_STATE_H

#include "lua/host/host.h"

/*
** The text, malloc'ed; NULL: no memory. Any thread. `event`: the runs of this event that are
** in flight are told too; 0: of none.
**
**   { "now": TIME, "started": TIME, "draining": BOOLEAN, "failed": BOOLEAN,
**     "inbox": { "id": TEXT, "stores": BOOLEAN, "reason": TEXT },
**     "workers": [ { "number": NUMBER, "turns": BOOLEAN, "reason": TEXT } ],
**     "breakers": [ { "target": NAME, "since": TIME, "next": TIME, "trying": BOOLEAN } ],
**     "rules": [ { "rule": NAME, "in_flight": NUMBER, "at_once": NUMBER,
**                  "oldest": [ { "event": NUMBER, "since": TIME } ] } ],
**     "event": { "event": NUMBER, "runs": [ { "rule": NAME, "since": TIME } ] } }
**
** Times are RFC 3339 with milliseconds. "breakers": those that are open; "trying": an attempt
** is under way; "next": when the next one is admitted. "rules": those with runs in flight;
** "at_once": the rule's limit, absent without one; "oldest": some of these runs. "reason" is
** absent when all is well.
*/
char *ae_state_text (ae_host *host, int64_t event, size_t *length);

/* Pushes the text; `event`: at index 2, or none. Returns 1. */
int ae_state_push (lua_State *L, ae_host *host);

/* Sends the text as the answer to GET /state or /state/EVENT: the status. `path`: what is
** behind "/state". */
unsigned ae_state_answer (ae_host *host, const char *path, ae_admin_page *page);

#endif
