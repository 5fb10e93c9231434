/*
** ask_private.h: what the files behind the operator's door share: store_ask.c (the
** file, events and what belongs to them), store_filter.c (filters, groups by cause),
** store_hand.c (acts).
*/
#ifndef ALTINN_EVENTS_ASK_PRIVATE_H
#define ALTINN_EVENTS_ASK_PRIVATE_H

#include <assert.h>

#include "inbox/ask.h"
#include "inbox/store_private.h"

struct ae_ask {
  char *path;
  sqlite3 *db;
  sqlite3_stmt *rows; /* of the last query */
  ae_ask_hand hand;   /* the act for which runs were picked */
  int64_t done;       /* the number of the last picked run that was handled */
};

#define AE_ASK_SQL 6000 /* bytes of a composed query */

/* The cause of a run `r`, for people: of a run that waits for a time and has none, the
** body that runs then. */
#define AE_SQL_CAUSE \
  "coalesce(r.cause, CASE r.state WHEN 'later' THEN 'body ' || coalesce(r.entry, 'run')" \
  " ELSE '' END)"
/* The id of the run's group. */
#define AE_SQL_GROUP "group_id(r.rule, " AE_SQL_CAUSE ")"

/* Whether the event `e` passes the filter; see ae_ask_bind for the parameters. */
#define AE_SQL_EVENT_PASSES \
  "(?2 IS NULL OR e.received >= ?2) AND (?6 IS NULL OR e.received < ?6)" \
  " AND (?3 IS NULL OR json_extract(CAST(e.body AS TEXT), '$.type') = ?3)"

/* Asserts that a composed query is whole, by what snprintf returned: the rest of one that
** was cut would mean other runs. */
static inline void ae_ask_composed (int length, size_t room) {
  assert(length > 0 && (size_t)length < room);
  (void)length;
  (void)room;
}

/* store_ask.c */

/* Starts a query, whose rows come from ask->rows, and ends the one before. */
ae_code ae_ask_put (ae_ask *ask, const char *sql, ae_error *error);
/* Runs SQL that gives no rows; false: see ae_ask_why. */
bool ae_ask_execute (ae_ask *ask, const char *sql);
/* Ends the query. */
void ae_ask_end (ae_ask *ask);

/* store_filter.c */

/* Binds the filter to the query: ?1 state, ?2 since, ?3 type, ?4 rule, ?5 cause,
** ?6 until, ?7 sequence. */
void ae_ask_bind (ae_ask *ask, const ae_ask_filter *filter);
/* Writes to `sql`, of AE_ASK_SQL bytes, the condition that a run `r` passes the filter;
** `states`: a condition on its state. */
void ae_ask_run_passes (char *sql, const ae_ask_filter *filter, const char *states);
/* Registers the SQL function group_id. */
bool ae_ask_functions (ae_ask *ask);

/* store_line.c */

/* Registers the SQL function may_hold. */
bool ae_ask_line_functions (ae_ask *ask);

#endif
