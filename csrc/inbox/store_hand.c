/*
** store_hand.c: acts by hand; see ask.h. The runs that were picked stand in a table of
** the connection's own. One transaction writes a row of `act` for each run of a slice,
** and the changes of the runs. A running host reads the rows and follows.
*/
#include "inbox/ask_private.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* SQLite has no queue for its lock: who waits for it looks again and again,
** after up to 25 ms at first. */
#define TURN_MS 30

// clang-format off

/* `acted`: when the act changed the run, 0: not yet. */
static const char TABLE[] =
  "PRAGMA temp_store = MEMORY;"
  "CREATE TEMP TABLE IF NOT EXISTS picked(number INTEGER PRIMARY KEY, sequence INTEGER,"
  " rule TEXT, state TEXT, cause TEXT, entry TEXT, version INTEGER, due INTEGER,"
  " changed INTEGER, acted INTEGER NOT NULL DEFAULT 0);"
  "CREATE INDEX IF NOT EXISTS temp.picked_event ON picked(sequence);"
  "DELETE FROM temp.picked;";

#define PICK \
  "INSERT INTO temp.picked(sequence, rule, state, cause, entry, version, due, changed)" \
  " SELECT r.sequence, r.rule, r.state, r.cause, r.entry, r.version, r.due, r.changed" \
  " FROM run r WHERE "

/* Runs that wait and have no row: see RUNS_SQL in store_ask.c. */
#define PICK_WAITING \
  "INSERT INTO temp.picked(sequence, rule, state, due, changed)" \
  " WITH RECURSIVE each(sequence, name, rest) AS" \
  " (SELECT w.sequence, NULL, w.rules || char(10) FROM waiting w WHERE w.rules <> ''" \
  " AND (?7 IS NULL OR w.sequence = ?7) AND (?4 IS NULL OR " AE_SQL_LISTED("w.rules", "?4") ")" \
  " UNION ALL SELECT sequence, substr(rest, 1, instr(rest, char(10)) - 1)," \
  " substr(rest, instr(rest, char(10)) + 1) FROM each WHERE rest <> '')" \
  " SELECT n.sequence, n.name, 'waiting', 0, e.received FROM each n" \
  " JOIN event e ON e.sequence = n.sequence WHERE n.name IS NOT NULL" \
  " AND substr(n.name, 1, 1) <> char(9) AND (?4 IS NULL OR n.name = ?4)" \
  " AND NOT EXISTS (SELECT 1 FROM run r WHERE r.sequence = n.sequence AND r.rule = n.name)" \
  " AND " AE_SQL_EVENT_PASSES " ORDER BY n.sequence, n.name"

/* The picked runs of a slice that are as they were, and the act's time. The parameters
** of all statements: ?1 and ?2 the slice, ?3 time, ?4 the run's reason, ?5 who, ?6 what,
** ?7 the act's reason, ?8 due, ?9 step. */
#define IN_SLICE "p.number > ?1 AND p.number <= ?2 AND p.acted > 0"
#define RUNS_OF(condition) \
  "(sequence, rule) IN (SELECT p.sequence, p.rule FROM temp.picked p WHERE " IN_SLICE condition ")"
#define SAME_RUN "FROM run r WHERE r.sequence = picked.sequence AND r.rule = picked.rule"

static const char MARK[] =
  "UPDATE temp.picked SET acted = ?3 WHERE number > ?1 AND number <= ?2"
  " AND CASE state WHEN 'waiting' THEN NOT EXISTS (SELECT 1 " SAME_RUN ")"
  " AND EXISTS (SELECT 1 FROM waiting w WHERE w.sequence = picked.sequence)"
  " ELSE EXISTS (SELECT 1 " SAME_RUN
  " AND r.state = picked.state AND r.cause IS picked.cause) END";
static const char ACT[] =
  "INSERT INTO act(sequence, rule, time, who, what, reason, state)"
  " SELECT p.sequence, p.rule, ?3, ?5, ?6, ?7, p.state FROM temp.picked p"
  " WHERE " IN_SLICE " ORDER BY p.number";
static const char FORGET[] =
  "DELETE FROM step WHERE " RUNS_OF("")
  " AND place >= (SELECT o.place FROM step o WHERE o.sequence = step.sequence"
  " AND o.rule = step.rule AND o.name = ?9)";
static const char MAKE_DUE[] =
  "UPDATE run SET due = ?3, changed = ?3 WHERE " RUNS_OF(" AND p." AE_SQL_IS_OPEN);
static const char BEGIN_ANEW[] =
  "UPDATE run SET state = 'retry', attempt = 0, due = ?3, reason = ?4, changed = ?3,"
  " since = 0, line = NULL, tries = 0, cause = NULL"
  " WHERE " RUNS_OF(" AND p." AE_SQL_IS_RETURNABLE);
static const char WAIT_AGAIN[] =
  "INSERT INTO waiting(sequence, runs, rules)"
  " SELECT p.sequence, 1, p.rule FROM temp.picked p WHERE " IN_SLICE
  " AND p." AE_SQL_IS_RETURNABLE
  " ON CONFLICT(sequence) DO UPDATE SET runs = runs + 1, rules = CASE"
  " WHEN " AE_SQL_LISTED("rules", "excluded.rules") " THEN rules"
  " ELSE rules || char(10) || excluded.rules END";
static const char DISCARD[] =
  "INSERT INTO run(sequence, rule, state, attempt, due, reason, changed)"
  " SELECT p.sequence, p.rule, 'discarded', 0, 0, ?4, ?3 FROM temp.picked p WHERE " IN_SLICE
  " ON CONFLICT(sequence, rule)"
  " DO UPDATE SET state = 'discarded', due = 0, reason = ?4, changed = ?3";
#define WAITED " AND p.state NOT IN ('dead', 'abandoned')"
static const char WAIT_LESS[] =
  "UPDATE waiting SET runs = max(0, runs - (SELECT count(*) FROM temp.picked p"
  " WHERE " IN_SLICE WAITED " AND p.sequence = waiting.sequence))"
  " WHERE sequence IN (SELECT p.sequence FROM temp.picked p WHERE " IN_SLICE WAITED ")";
static const char WAIT_NO_MORE[] =
  "DELETE FROM waiting WHERE sequence IN"
  " (SELECT p.sequence FROM temp.picked p WHERE " IN_SLICE WAITED ")"
  " AND runs = 0 AND rules IS NOT NULL";
static const char MOVE[] =
  "UPDATE run SET due = ?8, changed = ?3 WHERE " RUNS_OF("");

static const char *const RETRY[] = {MARK, ACT, FORGET, MAKE_DUE, BEGIN_ANEW, WAIT_AGAIN, NULL};
static const char *const GIVE_UP[] = {MARK, ACT, DISCARD, WAIT_LESS, WAIT_NO_MORE, NULL};
static const char *const LATER[] = {MARK, ACT, MOVE, NULL};

// clang-format on

/* An act: its name in `act`, the beginning of the run's reason, and its statements. */
static const struct {
  const char *name, *reason;
  const char *const *statements;
} acts[] = {
  [AE_HAND_RETRY] = {"retry", "put back by hand", RETRY},
  [AE_HAND_DISCARD] = {"discard", "discarded by hand", GIVE_UP},
  [AE_HAND_LATER] = {"later", "", LATER},
};

/* Picking. */

/* A run that was put back and not tried yet: a second act leaves it alone. */
#define PUT_BACK "(r.state = 'retry' AND r.attempt = 0)"

static const char *states_of (ae_ask_hand hand, const ae_ask_filter *filter) {
  switch (hand) {
    case AE_HAND_LATER: return "r." AE_SQL_IS_OPEN;
    case AE_HAND_DISCARD: return AE_SQL_R_HAS_CAUSE;
    default: break;
  }
  if (filter->sequence != 0) return "(r." AE_SQL_IS_OPEN " OR r." AE_SQL_IS_RETURNABLE ")";
  if (ae_run_state_of(filter->state) == AE_RUN_DISCARDED) return "r." AE_SQL_IS_RETURNABLE;
  return filter->state.data == NULL ? AE_SQL_R_HAS_CAUSE
           " AND r.state <> 'later' AND NOT " PUT_BACK
                                    : AE_SQL_R_HAS_CAUSE " AND NOT " PUT_BACK;
}

static ae_code run_put (ae_ask *ask, const char *sql, const ae_ask_filter *filter,
                        ae_error *error) {
  ae_code code = ae_ask_put(ask, sql, error);
  if (code == AE_OK) {
    ae_ask_bind(ask, filter);
    if (!ae_sql_run(ask->rows)) code = ae_ask_why(ask, error);
  }
  ae_ask_end(ask);
  return code;
}

ae_code ae_ask_pick (ae_ask *ask, ae_ask_hand hand, const ae_ask_filter *filter,
                     ae_error *error) {
  char passes[AE_ASK_SQL], sql[AE_ASK_SQL + 1000];
  ae_code code;
  int length;
  ask->hand = hand;
  ask->done = 0;
  ae_ask_run_passes(passes, filter, states_of(hand, filter));
  length = snprintf(sql, sizeof sql, PICK "%s ORDER BY r.sequence, r.rule", passes);
  ae_ask_composed(length, sizeof sql);
  ae_ask_end(ask);
  if (!ae_ask_execute(ask, TABLE)) return ae_ask_why(ask, error);
  code = run_put(ask, sql, filter, error);
  if (code != AE_OK || hand != AE_HAND_DISCARD || filter->cause.data != NULL) return code;
  if (filter->state.data != NULL && ae_run_state_of(filter->state) != AE_RUN_NONE) return code;
  return run_put(ask, PICK_WAITING, filter, error);
}

/* The plan: see ae_ask_plan in store_filter.c. */

ae_code ae_ask_plan_effects (ae_ask *ask, ae_error *error) {
  return ae_ask_put(
    ask,
    "SELECT f.state AS name, count(*) AS count FROM temp.picked p JOIN effect f"
    " ON f.sequence = p.sequence AND f.rule = p.rule GROUP BY f.state",
    error);
}

ae_code ae_ask_plan_steps (ae_ask *ask, ae_error *error) {
  return ae_ask_put(ask,
                    "SELECT s.name, count(*) AS count FROM temp.picked p JOIN step s"
                    " ON s.sequence = p.sequence AND s.rule = p.rule GROUP BY s.name"
                    " ORDER BY min(s.place), s.name",
                    error);
}

/* Carrying out. */

/* The slice and the texts that the statements take, and how many runs it reaches. */
typedef struct deed {
  const ae_ask_deed *deed;
  const char *what;
  char reason[400]; /* for the run's row */
  int64_t from, to, reached;
} deed;

static bool step (ae_ask *ask, const char *sql, deed *d) {
  sqlite3_stmt *s = NULL;
  bool fine = sqlite3_prepare_v2(ask->db, sql, -1, &s, NULL) == SQLITE_OK;
  if (fine) {
    sqlite3_bind_int64(s, 1, d->from);
    sqlite3_bind_int64(s, 2, d->to);
    sqlite3_bind_int64(s, 3, d->deed->time);
    ae_sql_text(s, 4, (ae_slice){d->reason, strlen(d->reason)});
    ae_sql_text(s, 5, d->deed->who);
    ae_sql_text(s, 6, (ae_slice){d->what, strlen(d->what)});
    ae_sql_text(s, 7, d->deed->reason);
    sqlite3_bind_int64(s, 8, d->deed->due);
    ae_sql_text(s, 9, d->deed->step);
    fine = ae_sql_run(s);
    if (sql == MARK) d->reached = sqlite3_changes(ask->db);
  }
  sqlite3_finalize(s);
  return fine;
}

static ae_code transact (ae_ask *ask, deed *d, ae_error *error) {
  const char *const *sql = acts[ask->hand].statements;
  ae_code code = AE_OK;
  bool fine = ae_ask_execute(ask, "BEGIN IMMEDIATE");
  for (; fine && *sql != NULL; sql++) fine = step(ask, *sql, d);
  if (!fine || !ae_ask_execute(ask, "COMMIT")) code = ae_ask_why(ask, error);
  if (!sqlite3_get_autocommit(ask->db)) (void)ae_ask_execute(ask, "ROLLBACK");
  return code;
}

static void explain (const ae_ask *ask, deed *d) {
  const char *what = acts[ask->hand].reason;
  ae_slice why = d->deed->reason;
  if (why.length == 0) snprintf(d->reason, sizeof d->reason, "%s", what);
  else
    snprintf(d->reason, sizeof d->reason, "%s: %.*s", what,
             (int)(why.length < 360 ? why.length : 360), why.data);
}

static bool last_picked (ae_ask *ask, int64_t *last, ae_error *error) {
  bool fine = ae_ask_put(ask, "SELECT coalesce(max(number), 0) FROM temp.picked", error) ==
                AE_OK &&
              ae_sql_step(ask->rows) == 1;
  *last = fine ? sqlite3_column_int64(ask->rows, 0) : 0;
  ae_ask_end(ask);
  return fine;
}

ae_code ae_ask_do (ae_ask *ask, const ae_ask_deed *given, int64_t most, int64_t *reached,
                   bool *more, ae_error *error) {
  const struct timespec turn = {0, TURN_MS * 1000000L};
  deed d = {.deed = given, .what = acts[ask->hand].name, .from = ask->done};
  int64_t last;
  ae_code code;
  *more = false;
  if (!last_picked(ask, &last, error)) return ae_ask_why(ask, error);
  d.to = last - d.from > most ? d.from + most : last;
  explain(ask, &d);
  code = transact(ask, &d, error);
  if (code != AE_OK) return code;
  ask->done = d.to;
  *reached = d.reached;
  *more = d.to < last;
  if (*more) (void)nanosleep(&turn, NULL);
  return AE_OK;
}

ae_code ae_ask_picked (ae_ask *ask, bool acted, int64_t *runs, int64_t *events,
                       ae_error *error) {
  ae_code code = ae_ask_put(ask,
                            "SELECT count(*), count(DISTINCT sequence) FROM temp.picked"
                            " WHERE acted > 0 OR NOT ?1",
                            error);
  if (code != AE_OK) return code;
  sqlite3_bind_int(ask->rows, 1, acted);
  if (ae_sql_step(ask->rows) != 1) return ae_ask_why(ask, error);
  *runs = sqlite3_column_int64(ask->rows, 0);
  *events = sqlite3_column_int64(ask->rows, 1);
  ae_ask_end(ask);
  return AE_OK;
}

ae_code ae_ask_before (ae_ask *ask, ae_error *error) {
  return ae_ask_put(
    ask,
    "SELECT state AS name, count(*) AS count FROM temp.picked WHERE acted > 0 GROUP BY state",
    error);
}

ae_code ae_ask_after (ae_ask *ask, ae_error *error) {
  return ae_ask_put(
    ask,
    "SELECT CASE WHEN r." AE_SQL_IS_OPEN " AND r.changed = p.acted THEN ''"
    " ELSE r.state END AS name, count(*) AS count FROM temp.picked p JOIN run r"
    " ON r.sequence = p.sequence AND r.rule = p.rule WHERE p.acted > 0"
    " GROUP BY 1",
    error);
}
