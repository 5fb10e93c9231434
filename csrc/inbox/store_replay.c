/*
** store_replay.c: see replay.h; on SQLite. The pairs stand in a table of the connection's
** own. A slice writes a row of `act` for each run, as other acts by hand do, and a running
** host follows these in order.
*/
#include "inbox/replay.h"

#include <sqlite3.h>
#include <stdio.h>

#include "inbox/ask_private.h"

// clang-format off

static const char TABLE[] =
  "PRAGMA temp_store = MEMORY;"
  "CREATE TEMP TABLE IF NOT EXISTS pairs(number INTEGER PRIMARY KEY, sequence INTEGER,"
  " rule TEXT, shadow INTEGER, state TEXT, again INTEGER);"
  "DELETE FROM temp.pairs;";
static const char PAIR[] =
  "INSERT INTO temp.pairs(sequence, rule, shadow) VALUES(?1, ?2, ?3)";

#define THE_RUN "FROM run r WHERE r.sequence = pairs.sequence AND r.rule = pairs.rule"

/* ?1: all. */
static const char JUDGE[] =
  "UPDATE temp.pairs SET state = coalesce((SELECT r.state " THE_RUN "), CASE WHEN EXISTS"
  " (SELECT 1 FROM waiting w WHERE w.sequence = pairs.sequence AND (w.rules IS NULL OR "
  AE_SQL_LISTED("w.rules", "pairs.rule") ")) THEN 'waiting' ELSE 'none' END)";
static const char CHOOSE[] =
  "UPDATE temp.pairs SET again = CASE WHEN state IN ('none', 'dead', 'abandoned') THEN 1"
  " WHEN state = 'shadowed' THEN ?1 OR NOT shadow"
  " WHEN state IN ('done', 'skipped') THEN ?1 ELSE 0 END";

#define EFFECTS(condition) \
  "(SELECT count(*) FROM effect f WHERE f.sequence = p.sequence AND f.rule = p.rule" condition ")"

static const char PLAN[] =
  "SELECT rule, state, again, count(*) AS runs, sum(effects = 0 AND would = 0) AS unknown,"
  " sum(sent) AS sent, sum(effects - sent) AS open, sum(would) AS would FROM"
  " (SELECT p.rule, p.state, p.again, " EFFECTS("") " AS effects,"
  " " EFFECTS(" AND f.state = 'sent'") " AS sent, CASE WHEN p.state = 'shadowed' THEN"
  " coalesce((SELECT json_array_length(r.would) FROM run r WHERE r.sequence = p.sequence"
  " AND r.rule = p.rule AND json_valid(r.would)), 0) ELSE 0 END AS would FROM temp.pairs p)"
  " GROUP BY 1, 2, 3 ORDER BY 1, 3 DESC, 2";

/* The statements of a slice take the same parameters: ?1 time, ?2 who, ?3 the act's
** reason, ?4 the run's reason, ?5 the replay, ?6 its place, ?7 events, ?8 ended. */
static const char ACT[] =
  "INSERT INTO act(sequence, rule, time, who, what, reason, state)"
  " SELECT p.sequence, p.rule, ?1, ?2, 'replay', ?3, CASE p.state WHEN 'none' THEN 'no run'"
  " ELSE p.state END FROM temp.pairs p WHERE p.again ORDER BY p.number";
/* A run that is over begins anew; one that failed goes on with the body that failed. */
static const char BEGIN_ANEW[] =
  "INSERT INTO run(sequence, rule, state, attempt, due, reason, changed, tries)"
  " SELECT p.sequence, p.rule, 'retry', 0, ?1, ?4, ?1, 0 FROM temp.pairs p WHERE p.again"
  " ORDER BY p.number ON CONFLICT(sequence, rule) DO UPDATE SET state = 'retry', attempt = 0,"
  " due = ?1, reason = ?4, changed = ?1, since = 0, line = NULL, tries = 0, cause = NULL,"
  " would = NULL, timer = CASE WHEN state IN ('dead', 'abandoned') THEN timer END,"
  " entry = CASE WHEN state IN ('dead', 'abandoned') THEN entry END";
static const char WAIT_AGAIN[] =
  "INSERT INTO waiting(sequence, runs, rules) SELECT p.sequence, 1, p.rule"
  " FROM temp.pairs p WHERE p.again ORDER BY p.number"
  " ON CONFLICT(sequence) DO UPDATE SET runs = runs + 1, rules = CASE"
  " WHEN " AE_SQL_LISTED("rules", "excluded.rules") " THEN rules"
  " ELSE rules || char(10) || excluded.rules END";
static const char MOVE_ON[] =
  "UPDATE replay SET place = ?6, events = events + ?7, ended = CASE WHEN ?8 THEN ?1 ELSE 0 END,"
  " runs = runs + (SELECT count(*) FROM temp.pairs WHERE again) WHERE number = ?5";

// clang-format on

ae_code ae_ask_replays (ae_ask *ask, ae_slice asked, int64_t limit, ae_error *error) {
  ae_code code = ae_ask_put(ask,
                            "SELECT number, asked, who, reason, begun, ended, place, last,"
                            " events, runs FROM replay WHERE ?1 IS NULL OR asked = ?1"
                            " AND ended = 0 ORDER BY number DESC LIMIT ?2",
                            error);
  if (code != AE_OK) return code;
  sqlite3_bind_text64(ask->rows, 1, asked.data, asked.length, SQLITE_TRANSIENT, SQLITE_UTF8);
  sqlite3_bind_int64(ask->rows, 2, limit);
  return AE_OK;
}

ae_code ae_ask_replay_begin (ae_ask *ask, ae_replay *replay, ae_error *error) {
  ae_code code = ae_ask_put(ask,
                            "INSERT INTO replay(asked, who, reason, begun, ended, place, last,"
                            " events, runs) VALUES(?1, ?2, ?3, ?4, 0, 0, ?5, 0, 0)",
                            error);
  if (code != AE_OK) return code;
  ae_sql_text(ask->rows, 1, replay->asked);
  ae_sql_text(ask->rows, 2, replay->who);
  ae_sql_text(ask->rows, 3, replay->reason);
  sqlite3_bind_int64(ask->rows, 4, replay->time);
  sqlite3_bind_int64(ask->rows, 5, replay->last);
  if (!ae_sql_run(ask->rows)) code = ae_ask_why(ask, error);
  replay->number = sqlite3_last_insert_rowid(ask->db);
  ae_ask_end(ask);
  return code;
}

/* The statement of ae_ask_pair stays prepared as the query of the connection. */
ae_code ae_ask_pairs_clear (ae_ask *ask, ae_error *error) {
  ae_ask_end(ask);
  if (!ae_ask_execute(ask, TABLE)) return ae_ask_why(ask, error);
  return ae_ask_put(ask, PAIR, error);
}

ae_code ae_ask_pair (ae_ask *ask, int64_t sequence, ae_slice rule, bool shadow,
                     ae_error *error) {
  sqlite3_bind_int64(ask->rows, 1, sequence);
  ae_sql_text(ask->rows, 2, rule);
  sqlite3_bind_int(ask->rows, 3, shadow);
  return ae_sql_run(ask->rows) ? AE_OK : ae_ask_why(ask, error);
}

static bool judge (ae_ask *ask, bool all) {
  sqlite3_stmt *s = NULL;
  bool fine = ae_ask_execute(ask, JUDGE) &&
              sqlite3_prepare_v2(ask->db, CHOOSE, -1, &s, NULL) == SQLITE_OK;
  if (fine) {
    sqlite3_bind_int(s, 1, all);
    fine = ae_sql_run(s);
  }
  return sqlite3_finalize(s) == SQLITE_OK && fine;
}

ae_code ae_ask_pairs_plan (ae_ask *ask, bool all, ae_error *error) {
  ae_ask_end(ask);
  if (!judge(ask, all)) return ae_ask_why(ask, error);
  return ae_ask_put(ask, PLAN, error);
}

static bool step (ae_ask *ask, const char *sql, const ae_replay *replay, ae_slice reason) {
  sqlite3_stmt *s = NULL;
  bool fine = sqlite3_prepare_v2(ask->db, sql, -1, &s, NULL) == SQLITE_OK;
  if (fine) {
    sqlite3_bind_int64(s, 1, replay->time);
    ae_sql_text(s, 2, replay->who);
    ae_sql_text(s, 3, replay->reason);
    ae_sql_text(s, 4, reason);
    sqlite3_bind_int64(s, 5, replay->number);
    sqlite3_bind_int64(s, 6, replay->place);
    sqlite3_bind_int64(s, 7, replay->events);
    sqlite3_bind_int(s, 8, replay->ended);
    fine = ae_sql_run(s);
  }
  return sqlite3_finalize(s) == SQLITE_OK && fine;
}

ae_code ae_ask_pairs_go (ae_ask *ask, const ae_replay *replay, bool all, int64_t *runs,
                         ae_error *error) {
  char reason[400];
  int length = snprintf(reason, sizeof reason, "replayed by hand: %.*s",
                        (int)(replay->reason.length < 360 ? replay->reason.length : 360),
                        replay->reason.data == NULL ? "" : replay->reason.data);
  ae_slice why = {reason, length < 0 ? 0 : (size_t)length};
  ae_code code = AE_OK;
  ae_ask_end(ask);
  if (!ae_ask_execute(ask, "BEGIN IMMEDIATE") || !judge(ask, all) ||
      !step(ask, ACT, replay, why) || !step(ask, BEGIN_ANEW, replay, why))
    code = ae_ask_why(ask, error);
  *runs = sqlite3_changes(ask->db);
  if (code == AE_OK && (!step(ask, WAIT_AGAIN, replay, why) ||
                        !step(ask, MOVE_ON, replay, why) || !ae_ask_execute(ask, "COMMIT")))
    code = ae_ask_why(ask, error);
  if (!sqlite3_get_autocommit(ask->db)) (void)ae_ask_execute(ask, "ROLLBACK");
  return code;
}

ae_code ae_ask_pairs_left (ae_ask *ask, int64_t *runs, ae_error *error) {
  ae_code code = ae_ask_put(ask,
                            "SELECT count(*) FROM temp.pairs p JOIN run r"
                            " ON r.sequence = p.sequence AND r.rule = p.rule"
                            " WHERE p.again AND r.state = 'retry' AND r.tries = 0",
                            error);
  if (code == AE_OK && ae_sql_step(ask->rows) != 1) code = ae_ask_why(ask, error);
  if (code == AE_OK) *runs = sqlite3_column_int64(ask->rows, 0);
  ae_ask_end(ask);
  return code;
}

ae_code ae_ask_pairs_again (ae_ask *ask, ae_error *error) {
  return ae_ask_put(ask, "SELECT sequence, rule FROM temp.pairs WHERE again ORDER BY number",
                    error);
}

ae_code ae_ask_is_sent (ae_ask *ask, ae_slice key, bool *sent, ae_error *error) {
  int found = -1;
  ae_code code = ae_ask_put(ask, "SELECT 1 FROM effect WHERE key = ?1 AND state = 'sent'",
                            error);
  if (code != AE_OK) return code;
  ae_sql_text(ask->rows, 1, key);
  found = ae_sql_step(ask->rows);
  if (found < 0) code = ae_ask_why(ask, error);
  *sent = found == 1;
  ae_ask_end(ask);
  return code;
}
