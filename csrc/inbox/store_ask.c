/*
** store_ask.c: see ask.h; on SQLite.
*/
#include "inbox/ask_private.h"
#include "inbox/store_disk.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_MS 10000

// clang-format off

/* Whether a run of the event waits: a rule is listed and has no row. */
#define WAITS_SQL \
  "EXISTS (SELECT 1 FROM waiting w WHERE w.sequence = e.sequence AND (w.rules IS NULL" \
  " OR w.runs > (SELECT count(*) FROM run r WHERE r.sequence = e.sequence" \
  " AND r." AE_SQL_IS_OPEN ")))"
#define HAS_SQL(state) \
  "EXISTS (SELECT 1 FROM run r WHERE r.sequence = e.sequence AND r.state = " state ")"
#define LISTED_SQL \
  "EXISTS (SELECT 1 FROM waiting w WHERE w.sequence = e.sequence" \
  " AND " AE_SQL_LISTED("w.rules", "?4") ")"
#define OF_RULE_SQL "EXISTS (SELECT 1 FROM run r WHERE r.sequence = e.sequence AND r.rule = ?4"

/* The state of an event: the state of the run that needs an operator most. */
#define STATE_SQL \
  "CASE WHEN " HAS_SQL("'dead'") " THEN 'dead'" \
  " WHEN " HAS_SQL("'abandoned'") " THEN 'abandoned'" \
  " WHEN " HAS_SQL("'retry'") " THEN 'retry'" \
  " WHEN " HAS_SQL("'held'") " THEN 'held'" \
  " WHEN " WAITS_SQL " THEN 'waiting'" \
  " WHEN " HAS_SQL("'later'") " THEN 'later'" \
  " WHEN " HAS_SQL("'done'") " THEN 'done'" \
  " WHEN " HAS_SQL("'discarded'") " THEN 'discarded'" \
  " WHEN " HAS_SQL("'shadowed'") " THEN 'shadowed'" \
  " WHEN EXISTS (SELECT 1 FROM run r WHERE r.sequence = e.sequence) THEN 'skipped'" \
  " ELSE 'unmatched' END"

/* The parameters: see ae_ask_bind. An event is listed under the state of each run that
** is not over or needs an operator (see has_cause). It is listed under a state that is
** over and needs nobody only when that is the state of the event. */
#define FILTER_SQL \
  " FROM event e WHERE " AE_SQL_EVENT_PASSES \
  " AND CASE" \
  " WHEN ?1 IS NULL THEN ?4 IS NULL OR " OF_RULE_SQL ") OR " LISTED_SQL \
  " WHEN ?4 IS NOT NULL AND ?1 = 'waiting' THEN " LISTED_SQL " AND NOT " OF_RULE_SQL ")" \
  " WHEN ?4 IS NOT NULL THEN " OF_RULE_SQL " AND r.state = ?1)" \
  " WHEN ?1 = 'waiting' THEN " WAITS_SQL \
  " ELSE ?1 = " STATE_SQL " END"

#define EVENT_SQL \
  "SELECT e.sequence, e.received, e.subscription, e.body, " STATE_SQL " AS state"

#define STREAM_SQL \
  "SELECT e.sequence, e.received, e.subscription, e.body FROM event e" \
  " WHERE e.sequence > ?7 AND " AE_SQL_EVENT_PASSES

/* waiting.rules is one text with a rule's name a line. A name behind a tab is that
** of a rule that came too late for the event (scan.c). */
#define RUNS_SQL \
  "SELECT r.rule, r.state, max(r.tries, r.attempt) AS attempt, r.due, r.reason," \
  " r.changed, r.version, r.cause," \
  " " AE_SQL_GROUP " AS id, r.entry, r.timer, r.would FROM run r WHERE r.sequence = ?1" \
  " UNION ALL SELECT * FROM (WITH RECURSIVE each(name, rest) AS" \
  " (SELECT NULL, rules || char(10) FROM waiting WHERE sequence = ?1 AND rules <> ''" \
  " UNION ALL SELECT substr(rest, 1, instr(rest, char(10)) - 1)," \
  " substr(rest, instr(rest, char(10)) + 1) FROM each WHERE rest <> '')" \
  " SELECT name, 'waiting', 0, 0, NULL, (SELECT received FROM event WHERE sequence = ?1)," \
  " NULL, NULL, NULL, NULL, NULL, NULL FROM each WHERE name IS NOT NULL" \
  " AND substr(name, 1, 1) <> char(9)" \
  " AND NOT EXISTS (SELECT 1 FROM run WHERE sequence = ?1 AND rule = name)) ORDER BY 1"

// clang-format on

static ae_code fail (const ae_ask *ask, ae_error *error) {
  return ae_fail(error, AE_STORAGE, 0, "%.160s: %s", ask->path,
                 ask->db == NULL ? "not enough memory" : sqlite3_errmsg(ask->db));
}

ae_code ae_ask_why (ae_ask *ask, ae_error *error) {
  return fail(ask, error);
}

void ae_ask_end (ae_ask *ask) {
  sqlite3_finalize(ask->rows);
  ask->rows = NULL;
}

ae_code ae_ask_put (ae_ask *ask, const char *sql, ae_error *error) {
  ae_ask_end(ask);
  if (sqlite3_prepare_v2(ask->db, sql, -1, &ask->rows, NULL) == SQLITE_OK) return AE_OK;
  return fail(ask, error);
}

bool ae_ask_execute (ae_ask *ask, const char *sql) {
  return sqlite3_exec(ask->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool number (ae_ask *ask, const char *sql, int64_t *out) {
  ae_error ignored;
  bool fine = ae_ask_put(ask, sql, &ignored) == AE_OK && ae_sql_step(ask->rows) == 1;
  *out = fine ? sqlite3_column_int64(ask->rows, 0) : 0;
  ae_ask_end(ask);
  return fine;
}

static ae_code check_access (const char *path, ae_error *error) {
  char folder[4096];
  if (ae_disk_holds(path)) return AE_OK; /* opening it will say */
  if (access(path, F_OK) != 0 && errno != EACCES) {
    if (path[0] == '/' || getcwd(folder, sizeof folder) == NULL)
      return ae_fail(error, AE_NOT_FOUND, 0, "%.160s: there is no such inbox", path);
    return ae_fail(error, AE_NOT_FOUND, 0,
                   "%.80s: there is no such inbox in %.120s; --inbox FILE names another", path,
                   folder);
  }
  if (access(path, R_OK | W_OK) != 0)
    return ae_fail(error, AE_FORBIDDEN, 0,
                   "%.160s: this user may not open the inbox: run the command as the "
                   "user that runs the host (sudo -u USER altinn-events …)",
                   path);
  return AE_OK;
}

static ae_code check_version (ae_ask *ask, ae_error *error) {
  int64_t application, version;
  if (!number(ask, "PRAGMA application_id", &application) ||
      !number(ask, "PRAGMA user_version", &version))
    return fail(ask, error);
  if (application != AE_STORE_APPLICATION)
    return ae_fail(error, AE_STORAGE, 0,
                   "%.120s: this is no inbox of altinn-events, or a copy without its -wal: of "
                   "an inbox in use sqlite3 FILE '.backup COPY' makes a whole copy",
                   ask->path);
  if (version < AE_STORE_VERSION)
    return ae_fail(error, AE_STORAGE, 0,
                   "%.160s: an earlier altinn-events wrote this inbox: start the host once "
                   "(altinn-events run), which brings it up to date",
                   ask->path);
  if (version > AE_STORE_VERSION)
    return ae_fail(error, AE_STORAGE, 0,
                   "%.160s: a newer altinn-events wrote this inbox: update altinn-events",
                   ask->path);
  return AE_OK;
}

/* Until the version is checked, closing does not checkpoint: a file that is no inbox
** or damaged keeps its log. */
/* Whether the file has hard links: then its log shows the next host which name was used last,
** and stays where it is. */
static bool has_other_names (const ae_ask *ask) {
  struct stat info;
  return stat(ask->path, &info) == 0 && info.st_nlink > 1;
}

static ae_code open_database (ae_ask *ask, ae_error *error) {
  ae_code code;
  if (sqlite3_open_v2(ask->path, &ask->db, SQLITE_OPEN_READWRITE, ae_disk_vfs(ask->path)) !=
      SQLITE_OK)
    return fail(ask, error);
  sqlite3_busy_timeout(ask->db, BUSY_MS);
  (void)sqlite3_db_config(ask->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
  (void)sqlite3_exec(ask->db, "PRAGMA trusted_schema = OFF", NULL, NULL, NULL);
  code = check_version(ask, error);
  if (code == AE_OK && !(ae_ask_functions(ask) && ae_ask_line_functions(ask)))
    code = fail(ask, error);
  if (code == AE_OK && !has_other_names(ask))
    (void)sqlite3_db_config(ask->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, (int *)NULL);
  return code;
}

int64_t ae_ask_now (const ae_ask *ask) {
  return ae_clock_wall_ms(ae_clock_of(ask->path));
}

ae_code ae_ask_open (const char *path, ae_ask **out, ae_error *error) {
  ae_code code = check_access(path, error);
  ae_ask *ask = NULL;
  *out = NULL;
  if (code == AE_OK) code = ae_store_check_path(path, error);
  if (code != AE_OK) return code;
  ask = calloc(1, sizeof *ask);
  if (ask != NULL) ask->path = strdup(path);
  code = ask == NULL || ask->path == NULL
           ? ae_fail(error, AE_MEMORY, 0, "not enough memory for the inbox")
           : open_database(ask, error);
  if (code == AE_OK) *out = ask;
  else ae_ask_close(ask);
  return code;
}

/* Who has only read leaves the log as it is: a host looks at the file before its start, and
** writes nothing to the database while it starts. */
static void leave_log (ae_ask *ask) {
  if (ask->db == NULL || sqlite3_total_changes(ask->db) > 0) return;
  (void)sqlite3_db_config(ask->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
}

void ae_ask_close (ae_ask *ask) {
  if (ask == NULL) return;
  leave_log(ask);
  sqlite3_finalize(ask->rows);
  sqlite3_close(ask->db);
  free(ask->path);
  free(ask);
}

/* Whether the filter asks for runs that stand in the index by cause: then it starts at
** the runs, and looks at no other event. */
static bool has_cause (const ae_ask_filter *filter) {
  ae_run_state state = ae_run_state_of(filter->state);
  if (filter->cause.data != NULL) return true;
  return state != AE_RUN_NONE &&
         (!ae_run_state_is_final(state) || state == AE_RUN_DEAD || state == AE_RUN_ABANDONED);
}

/* Starts the query: `columns`, the filter, `end`. */
static ae_code put_filter (ae_ask *ask, const char *columns, const ae_ask_filter *filter,
                           const char *end, ae_error *error) {
  char passes[AE_ASK_SQL] = "", sql[2 * AE_ASK_SQL];
  int length;
  ae_code code;
  if (has_cause(filter)) ae_ask_run_passes(passes, filter, AE_SQL_R_HAS_CAUSE);
  if (has_cause(filter))
    length = snprintf(
      sql, sizeof sql,
      "%s FROM event e WHERE e.sequence IN (SELECT r.sequence FROM run r WHERE %s)%s", columns,
      passes, end);
  else length = snprintf(sql, sizeof sql, "%s" FILTER_SQL "%s", columns, end);
  ae_ask_composed(length, sizeof sql);
  code = ae_ask_put(ask, sql, error);
  if (code == AE_OK) ae_ask_bind(ask, filter);
  return code;
}

ae_code ae_ask_count (ae_ask *ask, const ae_ask_filter *filter, int64_t *count,
                      ae_error *error) {
  ae_code code = put_filter(ask, "SELECT count(*)", filter, "", error);
  if (code != AE_OK) return code;
  if (ae_sql_step(ask->rows) != 1) return fail(ask, error);
  *count = sqlite3_column_int64(ask->rows, 0);
  return AE_OK;
}

ae_code ae_ask_events (ae_ask *ask, const ae_ask_filter *filter, ae_error *error) {
  ae_code code = put_filter(ask, EVENT_SQL, filter, " ORDER BY e.sequence DESC LIMIT ?8",
                            error);
  if (code == AE_OK) sqlite3_bind_int64(ask->rows, 8, filter->limit > 0 ? filter->limit : -1);
  return code;
}

static ae_code put_sequence (ae_ask *ask, const char *sql, int64_t sequence, ae_error *error) {
  ae_code code = ae_ask_put(ask, sql, error);
  if (code == AE_OK) sqlite3_bind_int64(ask->rows, 1, sequence);
  return code;
}

ae_code ae_ask_event (ae_ask *ask, int64_t sequence, ae_error *error) {
  return put_sequence(ask, EVENT_SQL " FROM event e WHERE e.sequence = ?1", sequence, error);
}

ae_code ae_ask_by_id (ae_ask *ask, ae_slice id, ae_error *error) {
  ae_code code = ae_ask_put(
    ask,
    EVENT_SQL " FROM event e WHERE may_hold(e.body, ?1)"
              " AND json_extract(CAST(e.body AS TEXT), '$.id') = ?1 ORDER BY e.sequence",
    error);
  if (code == AE_OK)
    sqlite3_bind_text64(ask->rows, 1, id.data, id.length, SQLITE_TRANSIENT, SQLITE_UTF8);
  return code;
}

ae_code ae_ask_runs (ae_ask *ask, int64_t sequence, ae_error *error) {
  return put_sequence(ask, RUNS_SQL, sequence, error);
}

ae_code ae_ask_attempts (ae_ask *ask, int64_t sequence, ae_error *error) {
  return put_sequence(
    ask,
    "SELECT rule, state, max(coalesce(tries, 0), attempt) AS attempt, due,"
    " reason, changed, version, cause FROM attempt WHERE sequence = ?1 ORDER BY rule, number",
    sequence, error);
}

ae_code ae_ask_acts (ae_ask *ask, int64_t sequence, ae_error *error) {
  return put_sequence(ask,
                      "SELECT time, who, what, reason, rule, state FROM act"
                      " WHERE sequence = ?1 OR sequence IS NULL AND rule IN"
                      " (SELECT r.rule FROM run r WHERE r.sequence = ?1) ORDER BY number",
                      sequence, error);
}

ae_code ae_ask_effects (ae_ask *ask, int64_t sequence, ae_error *error) {
  return put_sequence(
    ask,
    "SELECT rule, key, target, request, state, reason, answer,"
    " coalesce(status, 0) AS status,"
    " attempt, changed, version FROM effect WHERE sequence = ?1 ORDER BY rule, key",
    sequence, error);
}

ae_code ae_ask_effect_attempts (ae_ask *ask, int64_t sequence, ae_error *error) {
  return put_sequence(ask,
                      "SELECT rule, key, target, request, state, reason, answer,"
                      " coalesce(status, 0) AS status,"
                      " attempt, changed, version FROM effect_attempt WHERE sequence = ?1"
                      " ORDER BY rule, key, number",
                      sequence, error);
}

ae_code ae_ask_steps (ae_ask *ask, int64_t sequence, ae_error *error) {
  return put_sequence(ask,
                      "SELECT rule, name, result, place, time, version FROM step"
                      " WHERE sequence = ?1 ORDER BY rule, place, name",
                      sequence, error);
}

ae_code ae_ask_timers (ae_ask *ask, int64_t sequence, ae_error *error) {
  return put_sequence(ask,
                      "SELECT rule, key, cancel FROM timer WHERE sequence = ?1"
                      " ORDER BY rule, key",
                      sequence, error);
}

ae_code ae_ask_memory (ae_ask *ask, ae_slice rule, ae_slice thing, int64_t now,
                       ae_error *error) {
  ae_code code = ae_ask_put(ask,
                            "SELECT rule, thing, name, value, expires, changed, shadow"
                            " FROM memory"
                            " WHERE (?1 IS NULL OR rule = ?1) AND (?2 IS NULL OR thing = ?2)"
                            " AND (expires = 0 OR expires > ?3)"
                            " ORDER BY rule, thing, name, shadow",
                            error);
  if (code != AE_OK) return code;
  sqlite3_bind_text64(ask->rows, 1, rule.data, rule.length, SQLITE_TRANSIENT, SQLITE_UTF8);
  sqlite3_bind_text64(ask->rows, 2, thing.data, thing.length, SQLITE_TRANSIENT, SQLITE_UTF8);
  sqlite3_bind_int64(ask->rows, 3, now);
  return AE_OK;
}

#define READING_SQL \
  "SELECT number, sequence, rule, attempt, place, at, thing, call, status, code, body, cut" \
  " FROM reading WHERE "

ae_code ae_ask_readings (ae_ask *ask, int64_t sequence, ae_error *error) {
  return put_sequence(ask, READING_SQL "sequence = ?1 ORDER BY number", sequence, error);
}

ae_code ae_ask_readings_of (ae_ask *ask, ae_slice thing, int64_t until, ae_error *error) {
  ae_code code = ae_ask_put(
    ask, READING_SQL "thing = ?1 AND (?2 = 0 OR at <= ?2) ORDER BY at, number", error);
  if (code != AE_OK) return code;
  sqlite3_bind_text64(ask->rows, 1, thing.data, thing.length, SQLITE_TRANSIENT, SQLITE_UTF8);
  sqlite3_bind_int64(ask->rows, 2, until);
  return AE_OK;
}

/* Without a type the bodies of events that are passed over are not read. */
ae_code ae_ask_stream (ae_ask *ask, int64_t after, const ae_ask_filter *filter,
                       ae_error *error) {
  ae_code code = ae_ask_put(ask,
                            filter->rule.data == NULL
                              ? STREAM_SQL " ORDER BY e.sequence LIMIT ?8"
                              : STREAM_SQL " AND (" OF_RULE_SQL ") OR " LISTED_SQL ")"
                                           " ORDER BY e.sequence LIMIT ?8",
                            error);
  if (code != AE_OK) return code;
  ae_ask_bind(ask, filter);
  sqlite3_bind_int64(ask->rows, 7, after);
  sqlite3_bind_int64(ask->rows, 8, filter->limit > 0 ? filter->limit : -1);
  return AE_OK;
}

int ae_ask_next (ae_ask *ask) {
  return ae_sql_step(ask->rows);
}

int ae_ask_columns (const ae_ask *ask) {
  return sqlite3_column_count(ask->rows);
}

/* The type that the table declares counts, where the column is one of a table: another
** program may have written a value of another type. */
static bool is_number (sqlite3_stmt *s, int at) {
  const char *declared = sqlite3_column_decltype(s, at);
  if (declared != NULL) return strcmp(declared, "INTEGER") == 0;
  return sqlite3_column_type(s, at) == SQLITE_INTEGER;
}

ae_asked ae_ask_column (const ae_ask *ask, int at) {
  sqlite3_stmt *s = ask->rows;
  ae_asked column = {sqlite3_column_name(s, at), AE_ASKED_NOTHING, 0, {NULL, 0}};
  if (sqlite3_column_type(s, at) == SQLITE_NULL) return column;
  if (is_number(s, at)) {
    column.kind = AE_ASKED_NUMBER;
    column.number = sqlite3_column_int64(s, at);
  } else {
    column.kind = AE_ASKED_TEXT;
    column.text = ae_sql_column(s, at);
  }
  return column;
}
