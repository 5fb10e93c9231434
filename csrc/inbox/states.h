/*
** states.h: the states of a run and of an effect. Each state is written here
** once. The enumerations, the names, the SQL conditions, and the lists that Lua
** and the commands use are generated from these lists.
**
** A run is an event and a rule that wants it:
**
**      event stored
**           |
**           v                  due, or put first by hand
**       (waiting) <---------------------------------------.
**           |  its turn: window and order key are free     |
**           v                                              |
**       (running) --- failure ------------> retry ---------|
**           |     --- a wish for a time --> later ---------|
**           |     --- not yet allowed ----> held ----------'
**           |
**           |--> done, skipped, shadowed       over; a replay lets it run again
**           |--> dead        gave up           over; can be put back by hand
**           |--> discarded   by hand           over; can be put back by hand
**           '--> abandoned   no rule wants it  over; can be put back by hand
**
** Waiting and running are not written down: such a run has no row yet, and its
** event is in the table `waiting`. A run in an open state (retry, later, held)
** has a time when it is due. An operator or a new set of rules may end a run in
** any state that is not over. A run that is put back begins as `retry`, due at
** once.
**
** An effect is a request to a target, recorded with its key before it is
** sent:
**
**      recorded --> sent        a 2xx: never sent again
**         |     --> refused     another answer: the rule may decide anew
**         |     --> not_sent    certain: the rule may decide anew
**         |     --> unknown     no answer: the same bytes are sent again
**         '  the host died: as unknown
*/
#ifndef ALTINN_EVENTS_STATES_H
#define ALTINN_EVENTS_STATES_H

#include "core/slice.h"

#define AE_OPEN_RUN_STATES(X) X(RETRY, "retry") X(LATER, "later") X(HELD, "held")
#define AE_FINAL_RUN_STATES(X) \
  X(DONE, "done") \
  X(SKIPPED, "skipped") \
  X(DEAD, "dead") \
  X(DISCARDED, "discarded") \
  X(ABANDONED, "abandoned") \
  X(SHADOWED, "shadowed")
#define AE_RUN_STATES(X) AE_OPEN_RUN_STATES(X) AE_FINAL_RUN_STATES(X)

/* The states of a run from which an operator can put the run back. */
#define AE_RETURNABLE_RUN_STATES(X) \
  X(DEAD, "dead") X(DISCARDED, "discarded") X(ABANDONED, "abandoned")

#define AE_EFFECT_STATES(X) \
  X(RECORDED, "recorded") \
  X(UNKNOWN, "unknown") \
  X(NOT_SENT, "not_sent") \
  X(REFUSED, "refused") \
  X(SENT, "sent")

#define AE_STATE_RUN_ITEM(name, text) AE_RUN_##name,
#define AE_STATE_EFFECT_ITEM(name, text) AE_EFFECT_##name,
typedef enum ae_run_state {
  AE_RUN_NONE, /* no row: waiting or running */
  AE_RUN_STATES(AE_STATE_RUN_ITEM) AE_RUN_STATE_COUNT
} ae_run_state;
typedef enum ae_effect_state {
  AE_EFFECT_NONE,
  AE_EFFECT_STATES(AE_STATE_EFFECT_ITEM) AE_EFFECT_STATE_COUNT
} ae_effect_state;
#undef AE_STATE_RUN_ITEM
#undef AE_STATE_EFFECT_ITEM

/* Conditions of SQL on the column `state`. */
#define AE_STATE_SQL_ITEM(name, text) ",'" text "'"
#define AE_SQL_IS_OPEN "state IN (''" AE_OPEN_RUN_STATES(AE_STATE_SQL_ITEM) ")"
#define AE_SQL_IS_FINAL "state IN (''" AE_FINAL_RUN_STATES(AE_STATE_SQL_ITEM) ")"
#define AE_SQL_IS_RETURNABLE "state IN (''" AE_RETURNABLE_RUN_STATES(AE_STATE_SQL_ITEM) ")"
/* The conditions of the partial indexes, and of the queries that use these: the text of
** both is the same, with `r` for the table run or without. They have no IN: for a list
** of it SQLite would build a table at each insert into `run`. IS TRUE keeps SQLite from
** using these indexes for a query that names one state, of one event. */
#define AE_STATE_SQL_OR(name, text) " OR state = '" text "'"
#define AE_STATE_SQL_OR_R(name, text) " OR r.state = '" text "'"
/* Runs in an open state are indexed by due time. */
#define AE_SQL_HAS_TIME "(state = ''" AE_OPEN_RUN_STATES(AE_STATE_SQL_OR) ") IS TRUE"
#define AE_SQL_R_HAS_TIME "(r.state = ''" AE_OPEN_RUN_STATES(AE_STATE_SQL_OR_R) ") IS TRUE"
/* Runs that wait for a time or need an operator are indexed by cause. */
#define AE_STATES_WITH_CAUSE(X) AE_OPEN_RUN_STATES(X) X(DEAD, "dead") X(ABANDONED, "abandoned")
#define AE_SQL_HAS_CAUSE "(state = ''" AE_STATES_WITH_CAUSE(AE_STATE_SQL_OR) ") IS TRUE"
#define AE_SQL_R_HAS_CAUSE "(r.state = ''" AE_STATES_WITH_CAUSE(AE_STATE_SQL_OR_R) ") IS TRUE"

/* The name of a state; "waiting" for AE_RUN_NONE, "" for AE_EFFECT_NONE. */
const char *ae_run_state_name (ae_run_state state);
const char *ae_effect_state_name (ae_effect_state state);
/* The state of that name; AE_RUN_NONE or AE_EFFECT_NONE when there is none. */
ae_run_state ae_run_state_of (ae_slice name);
ae_effect_state ae_effect_state_of (ae_slice name);
/* Whether the run is over. */
bool ae_run_state_is_final (ae_run_state state);

#endif
