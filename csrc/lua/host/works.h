/*
** works.h: a worker's works for the inbox, as its Lua code writes them.
*/
#ifndef ALTINN_EVENTS_WORKS_H
#define ALTINN_EVENTS_WORKS_H

#include "lua/host/worker.h"

/*
** Reads the list of works at argument 2 into a parcel, which is one block of malloc.
** Raises for a list that cannot be stored. A work is a table:
**
**     { kind = "settle", sequence, rule, state, reason, attempt, due, since, version,
**       cause, entry, timer, would, thing, timer_key, cancel }
**     { kind = "remember", sequence, rule, thing, name, value or nil, expires, shadow }
**     { kind = "reading", sequence, rule, attempt, place, at, thing, call, status, code,
**       body, cut }
**     { kind = "record", sequence, rule, key, target, request, version }
**     { kind = "outcome", sequence, rule, key, state, reason, attempt, status, answer }
**     { kind = "step", sequence, rule, name, place, result, version }
**     { kind = "recall", sequence, rule, thing, shadow }
**
** The members are those of ae_work; `version` is a number, or its 12 hex digits.
** `remember` and `reading` come in the same list as the `settle` of their run.
*/
ae_parcel *ae_works_read (lua_State *L, ae_worker *worker, int64_t ticket,
                          void (*done)(ae_work *work));
/* Reads the version of a rule at `index`: a number, 12 hex digits, or nil: 0. Raises
** for anything else. */
int64_t ae_works_version (lua_State *L, int index);

#endif
