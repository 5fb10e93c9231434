/*
** inbox_store.c: the inbox's file: schema, statements, migration.
*/
#include "inbox/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BUSY_MS 10000

/* Index and text of each statement; AE_STORE_STATEMENTS counts them. */
#define STATEMENTS(X) \
  X(BEGIN, "BEGIN IMMEDIATE") \
  X(COMMIT, "COMMIT") \
  X(ROLLBACK, "ROLLBACK") \
  X(APPEND, "INSERT INTO event(sequence, received, subscription, body)" \
            " VALUES(?1, ?2, ?3, ?4)") \
  X(WAIT, "INSERT INTO waiting(sequence) VALUES(?1)") \
  X(UNWAIT, "DELETE FROM waiting WHERE sequence = ?1 AND NOT EXISTS" \
            " (SELECT 1 FROM run WHERE sequence = ?1 AND state = 'retry')") \
  X(FINISH, "DELETE FROM waiting WHERE sequence = ?1") \
  X(ABANDON, "UPDATE run SET state = 'skipped', reason = 'no rule of this" \
             " name wants the event any more'" \
             " WHERE sequence = ?1 AND state = 'retry'") \
  X(REMEMBER, "INSERT INTO remembered(fingerprints) VALUES(?1)") \
  X(TOUCH, "REPLACE INTO remembered(number, fingerprints) VALUES(0, x'')") \
  X(SETTLE, "INSERT INTO run(sequence, rule, state, attempt, due, reason," \
            " changed) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)" \
            " ON CONFLICT(sequence, rule) DO UPDATE SET state = ?3," \
            " attempt = ?4, due = ?5, reason = ?6, changed = ?7" \
            " WHERE attempt <= ?4 AND state = 'retry'") /* a verdict may come late */ \
  X(RECORD, "INSERT OR IGNORE INTO effect(key, sequence, rule, target," \
            " request, state, attempt, recorded, changed)" \
            " VALUES(?1, ?2, ?3, ?4, ?5, 'recorded', 0, ?6, ?6)") \
  X(EFFECT, "SELECT CASE WHEN e.state <> 'sent'" \
            " AND (e.sequence <> ?2 OR e.rule <> ?3)" \
            " AND EXISTS (SELECT 1 FROM waiting w WHERE w.sequence = e.sequence)" \
            " AND NOT EXISTS (SELECT 1 FROM run r WHERE r.sequence = e.sequence" \
            " AND r.rule = e.rule AND r.state <> 'retry')" \
            " THEN 'held' ELSE e.state END FROM effect e WHERE key = ?1") \
  X(ADOPT, "UPDATE effect SET sequence = ?2, rule = ?3 WHERE key = ?1") \
  X(OUTCOME, "UPDATE effect SET state = ?2, status = ?3, attempt = ?4," \
             " reason = ?5, changed = ?6" \
             " WHERE key = ?1 AND state <> 'sent'") /* nor a late outcome */ \
  X(RUN, "SELECT state, attempt, due FROM run" \
         " WHERE sequence = ?1 AND rule = ?2") \
  X(DUE, "SELECT EXISTS (SELECT 1 FROM run WHERE sequence = ?1" \
         " AND state = 'retry' AND due <= ?2)") \
  X(FIND, "SELECT sequence, received, subscription, body FROM event" \
          " WHERE sequence = ?1") \
  X(REMEMBERED, "SELECT fingerprints FROM remembered") \
  X(WAITING, "SELECT w.sequence, e.received, e.subscription, e.body" \
             " FROM waiting w JOIN event e ON e.sequence = w.sequence" \
             " WHERE w.sequence > ?1 ORDER BY w.sequence LIMIT ?2") \
  X(COUNT_WAITING, "SELECT count(*) FROM waiting") \
  X(COUNT_DEAD, "SELECT count(*) FROM run WHERE state = 'dead'") \
  X(DATA_VERSION, "PRAGMA data_version")

#define INDEX(name, text) name,
enum { STATEMENTS(INDEX) STATEMENT_COUNT };
#undef INDEX
_Static_assert(STATEMENT_COUNT == AE_STORE_STATEMENTS, "inbox_store.h");

#define TEXT(name, text) text,
static const char *const texts[] = {STATEMENTS(TEXT)};
#undef TEXT

/* `waiting`: events with a rule that has not given its final verdict.
** `remembered`: per group the fingerprints of (source, id) that came with
** it; `number` 0 is a row without any. */
static const char schema[] =
  "BEGIN IMMEDIATE;"
  "CREATE TABLE IF NOT EXISTS event(sequence INTEGER PRIMARY KEY,"
  " received INTEGER NOT NULL, subscription TEXT, body BLOB NOT NULL);"
  "CREATE TABLE IF NOT EXISTS remembered(number INTEGER PRIMARY KEY,"
  " fingerprints BLOB NOT NULL);"
  "CREATE TABLE IF NOT EXISTS waiting(sequence INTEGER PRIMARY KEY);"
  "CREATE TABLE IF NOT EXISTS run(sequence INTEGER, rule TEXT, state TEXT,"
  " attempt INTEGER, due INTEGER, reason TEXT, changed INTEGER,"
  " PRIMARY KEY(sequence, rule)) WITHOUT ROWID;"
  "CREATE INDEX IF NOT EXISTS run_dead ON run(sequence) WHERE state = 'dead';"
  "CREATE TABLE IF NOT EXISTS effect(key TEXT PRIMARY KEY, sequence INTEGER,"
  " rule TEXT, target TEXT, request TEXT, state TEXT, status INTEGER,"
  " attempt INTEGER, reason TEXT, recorded INTEGER, changed INTEGER)"
  " WITHOUT ROWID;"
  "PRAGMA application_id = 0x41454256;"
  "PRAGMA user_version = 1;"
  "COMMIT;";

/* With the write-ahead log, and FULL: a commit is on stable storage when it
** returns. */
static const char settings[] = "PRAGMA synchronous = FULL;"
                               "PRAGMA wal_autocheckpoint = 4000;"
                               "PRAGMA journal_size_limit = 67108864;"
                               "PRAGMA trusted_schema = OFF;";

bool ae_store_damaged (int result) {
  return (result & 0xFF) == SQLITE_CORRUPT || (result & 0xFF) == SQLITE_NOTADB;
}

static const char *advice (int result) {
  switch (result & 0xFF) {
    case SQLITE_FULL: return "the disk is full: free some space";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return "it cannot be written: give this user write access to the file "
             "and its folder";
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return "another program keeps it locked: end that program";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return "it is damaged: put it aside, or mend it with sqlite3 .recover";
    case SQLITE_IOERR: return "the disk fails: see the system's log";
    default: return "SQLite refuses";
  }
}

ae_code ae_store_explain (const ae_store *store, ae_error *error) {
  int result = sqlite3_extended_errcode(store->db);
  bool fine = result == SQLITE_OK || result == SQLITE_ROW || result == SQLITE_DONE;
  if (store->moved)
    return ae_fail(error, AE_STORAGE, 0,
                   "the inbox %.100s was removed or "
                   "replaced: put it back, or start the host again",
                   store->path);
  if (fine || (result & 0xFF) == SQLITE_NOMEM) /* not SQLite's: then memory */
    return ae_fail(error, AE_MEMORY, 0, "not enough memory for the inbox %.100s", store->path);
  return ae_fail(error, AE_STORAGE, 0, "cannot use the inbox %.100s: %s (%s)", store->path,
                 advice(result), sqlite3_errstr(result));
}

static bool number_of (ae_store *store, const char *sql, int64_t *out) {
  sqlite3_stmt *statement = NULL;
  bool fine = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK &&
              sqlite3_step(statement) == SQLITE_ROW;
  if (fine) *out = sqlite3_column_int64(statement, 0);
  return sqlite3_finalize(statement) == SQLITE_OK && fine;
}

/* Whose file it is, and of which version. */
static ae_code identify (ae_store *store, bool *fresh, ae_error *error) {
  int64_t application, version, tables;
  if (!number_of(store, "PRAGMA application_id", &application) ||
      !number_of(store, "PRAGMA user_version", &version) ||
      !number_of(store, "SELECT count(*) FROM sqlite_master", &tables))
    return ae_store_explain(store, error);
  *fresh = application == 0 && version == 0 && tables == 0;
  if (*fresh) return AE_OK;
  if (application != AE_STORE_APPLICATION)
    return ae_fail(error, AE_STORAGE, 0,
                   "%.120s is the database of another "
                   "program: name another file for the inbox",
                   store->path);
  if (version > AE_STORE_VERSION)
    return ae_fail(error, AE_STORAGE, 0,
                   "the inbox %.100s was written by a "
                   "newer altinn-events (schema %lld, this one knows %d): "
                   "update altinn-events",
                   store->path, (long long)version, AE_STORE_VERSION);
  return AE_OK;
}

static bool execute (ae_store *store, const char *sql) {
  return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* SQLite may refuse without an error: it answers with the mode that is. */
static ae_code use_log (ae_store *store, ae_error *error) {
  sqlite3_stmt *s = NULL;
  char mode[16] = "";
  if (sqlite3_prepare_v2(store->db, "PRAGMA journal_mode = WAL", -1, &s, NULL) == SQLITE_OK &&
      sqlite3_step(s) == SQLITE_ROW) {
    const char *answer = (const char *)sqlite3_column_text(s, 0);
    snprintf(mode, sizeof mode, "%s", answer == NULL ? "" : answer);
  }
  if (sqlite3_finalize(s) != SQLITE_OK || mode[0] == '\0')
    return ae_store_explain(store, error);
  if (strcmp(mode, "wal") == 0) return AE_OK;
  return ae_fail(error, AE_STORAGE, 0,
                 "the inbox %.100s cannot have a write-ahead "
                 "log (SQLite's journal mode stays '%s'): put it on a local disk",
                 store->path, mode);
}

static ae_code prepare (ae_store *store, ae_error *error) {
  for (int i = 0; i < STATEMENT_COUNT; i++) {
    int result = sqlite3_prepare_v3(store->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &store->statements[i], NULL);
    if (result == SQLITE_ERROR)
      return ae_fail(error, AE_STORAGE, 0,
                     "the inbox %.100s is damaged (%.80s): "
                     "put it aside, or mend it with sqlite3 .recover",
                     store->path, sqlite3_errmsg(store->db));
    if (result != SQLITE_OK) return ae_store_explain(store, error);
  }
  return AE_OK;
}

static ae_code open_database (ae_store *store, ae_error *error) {
  bool fresh = false;
  ae_code code;
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(store->path, &store->db, flags, NULL) != SQLITE_OK)
    return ae_store_explain(store, error);
  sqlite3_extended_result_codes(store->db, 1);
  sqlite3_busy_timeout(store->db, BUSY_MS);
  code = identify(store, &fresh, error);
  if (code == AE_OK) code = use_log(store, error);
  if (code != AE_OK) return code;
  if (!execute(store, settings) || (fresh && !execute(store, schema)))
    return ae_store_explain(store, error);
  return prepare(store, error);
}

ae_code ae_store_open (ae_store *store, const char *path, ae_error *error) {
  ae_code code;
  memset(store, 0, sizeof *store);
  store->lock = -1;
  store->path = strdup(path);
  if (store->path == NULL)
    return ae_fail(error, AE_MEMORY, 0, "not enough memory for the inbox");
  code = ae_store_check(store, error);
  if (code == AE_OK) code = open_database(store, error);
  if (code != AE_OK) ae_store_close(store);
  return code;
}

/* The lock goes last: whoever gets it finds the file closed. */
void ae_store_close (ae_store *store) {
  for (int i = 0; i < STATEMENT_COUNT; i++) sqlite3_finalize(store->statements[i]);
  sqlite3_close(store->db);
  if (store->lock >= 0) close(store->lock);
  free(store->path);
  memset(store, 0, sizeof *store);
  store->lock = -1;
}

static sqlite3_stmt *use (ae_store *store, int which) {
  return store->statements[which];
}

/* Runs a statement that gives no rows. */
static bool run (sqlite3_stmt *statement) {
  int result = sqlite3_step(statement);
  return sqlite3_reset(statement) == SQLITE_OK && result == SQLITE_DONE;
}

/* The bytes live until the statement has run. */
static void text (sqlite3_stmt *statement, int at, ae_slice value) {
  if (value.data == NULL) sqlite3_bind_null(statement, at);
  else
    sqlite3_bind_text64(statement, at, value.data, value.length, SQLITE_STATIC, SQLITE_UTF8);
}

bool ae_store_begin (ae_store *store) {
  return !ae_store_moved(store) && run(use(store, BEGIN));
}

bool ae_store_commit (ae_store *store) {
  return run(use(store, COMMIT));
}

/* SQLite may have rolled back by itself. */
void ae_store_rollback (ae_store *store) {
  if (!sqlite3_get_autocommit(store->db)) (void)run(use(store, ROLLBACK));
}

bool ae_store_append (ae_store *store, const ae_work *work) {
  sqlite3_stmt *s = use(store, APPEND);
  sqlite3_bind_int64(s, 1, work->sequence);
  sqlite3_bind_int64(s, 2, work->time);
  text(s, 3, work->subscription);
  text(s, 4, work->body);
  return run(s);
}

bool ae_store_wait (ae_store *store, int64_t sequence) {
  sqlite3_bind_int64(use(store, WAIT), 1, sequence);
  return run(use(store, WAIT));
}

bool ae_store_unwait (ae_store *store, int64_t sequence, bool *changed) {
  sqlite3_bind_int64(use(store, UNWAIT), 1, sequence);
  if (!run(use(store, UNWAIT))) return false;
  *changed = sqlite3_changes(store->db) > 0;
  return true;
}

bool ae_store_finish (ae_store *store, int64_t sequence) {
  sqlite3_bind_int64(use(store, FINISH), 1, sequence);
  sqlite3_bind_int64(use(store, ABANDON), 1, sequence);
  return run(use(store, FINISH)) && run(use(store, ABANDON));
}

bool ae_store_remember (ae_store *store, const void *bytes, size_t size) {
  sqlite3_bind_blob64(use(store, REMEMBER), 1, bytes, size, SQLITE_STATIC);
  return run(use(store, REMEMBER));
}

bool ae_store_touch (ae_store *store) {
  return run(use(store, TOUCH));
}

bool ae_store_settle (ae_store *store, const ae_work *work, bool *changed) {
  sqlite3_stmt *s = use(store, SETTLE);
  sqlite3_bind_int64(s, 1, work->sequence);
  text(s, 2, work->rule);
  text(s, 3, work->state);
  sqlite3_bind_int64(s, 4, work->attempt);
  sqlite3_bind_int64(s, 5, work->due);
  text(s, 6, work->reason);
  sqlite3_bind_int64(s, 7, work->time);
  if (!run(s)) return false;
  *changed = sqlite3_changes(store->db) > 0;
  return true;
}

static sqlite3_stmt *use_for (ae_store *store, int which, const ae_work *work) {
  sqlite3_stmt *s = use(store, which);
  text(s, 1, work->key);
  sqlite3_bind_int64(s, 2, work->sequence);
  text(s, 3, work->rule);
  return s;
}

/* The state of an effect that is there already; "held" when it is another
** run's, which is not over: that one sends it. */
static bool earlier (ae_store *store, ae_work *work) {
  sqlite3_stmt *s = use_for(store, EFFECT, work);
  bool found = sqlite3_step(s) == SQLITE_ROW;
  if (found) {
    const char *state = (const char *)sqlite3_column_text(s, 0);
    snprintf(work->text, sizeof work->text, "%s", state == NULL ? "" : state);
    work->result = AE_WORK_DUPLICATE;
  }
  return sqlite3_reset(s) == SQLITE_OK && found;
}

/* An effect that was not sent is now that of the run which tries next. */
static bool record (ae_store *store, ae_work *work) {
  sqlite3_stmt *s = use_for(store, RECORD, work);
  text(s, 4, work->target);
  text(s, 5, work->request);
  sqlite3_bind_int64(s, 6, work->time);
  if (!run(s)) return false;
  if (sqlite3_changes(store->db) > 0) return true;
  if (!earlier(store, work)) return false;
  return strcmp(work->text, "sent") == 0 || strcmp(work->text, "held") == 0 ||
         run(use_for(store, ADOPT, work));
}

bool ae_store_record (ae_store *store, ae_work *work) {
  ae_store_run known;
  if (!ae_store_run_find(store, work->sequence, work->rule, &known)) return false;
  if (!known.settled) return record(store, work);
  snprintf(work->text, sizeof work->text, "over");
  work->result = AE_WORK_DUPLICATE;
  return true;
}

bool ae_store_outcome (ae_store *store, const ae_work *work) {
  sqlite3_stmt *s = use(store, OUTCOME);
  text(s, 1, work->key);
  text(s, 2, work->state);
  if (work->status == 0) sqlite3_bind_null(s, 3);
  else sqlite3_bind_int64(s, 3, work->status);
  sqlite3_bind_int64(s, 4, work->attempt);
  text(s, 5, work->reason);
  sqlite3_bind_int64(s, 6, work->time);
  return run(s);
}

/* The runs and those who wait count too: no number is given twice, even
** when events were deleted by hand. */
#define LAST_SQL \
  "SELECT max(coalesce((SELECT max(sequence) FROM event), 0)," \
  " coalesce((SELECT max(sequence) FROM waiting), 0)," \
  " coalesce((SELECT max(sequence) FROM run), 0))"

bool ae_store_number_read (ae_store *store, ae_store_number which, int64_t *out) {
  sqlite3_stmt *s;
  bool found;
  if (which == AE_NUMBER_LAST) return number_of(store, LAST_SQL, out);
  s = use(store, which == AE_NUMBER_WAITING ? COUNT_WAITING
                 : which == AE_NUMBER_DEAD  ? COUNT_DEAD
                                            : DATA_VERSION);
  found = sqlite3_step(s) == SQLITE_ROW;
  if (found) *out = sqlite3_column_int64(s, 0);
  return sqlite3_reset(s) == SQLITE_OK && found;
}

bool ae_store_run_find (ae_store *store, int64_t sequence, ae_slice rule,
                        ae_store_run *found) {
  sqlite3_stmt *s = use(store, RUN);
  memset(found, 0, sizeof *found);
  sqlite3_bind_int64(s, 1, sequence);
  text(s, 2, rule);
  if (sqlite3_step(s) == SQLITE_ROW) {
    const char *state = (const char *)sqlite3_column_text(s, 0);
    found->known = true;
    found->settled = state == NULL || strcmp(state, "retry") != 0;
    found->attempt = sqlite3_column_int64(s, 1);
    found->due = sqlite3_column_int64(s, 2);
  }
  return sqlite3_reset(s) == SQLITE_OK;
}

bool ae_store_any_due (ae_store *store, int64_t sequence, int64_t now, bool *any) {
  sqlite3_stmt *s = use(store, DUE);
  sqlite3_bind_int64(s, 1, sequence);
  sqlite3_bind_int64(s, 2, now);
  *any = sqlite3_step(s) == SQLITE_ROW && sqlite3_column_int(s, 0) != 0;
  return sqlite3_reset(s) == SQLITE_OK;
}

static ae_slice column (sqlite3_stmt *s, int at) {
  ae_slice value = {sqlite3_column_blob(s, at), 0};
  value.length = (size_t)sqlite3_column_bytes(s, at);
  if (value.data == NULL && sqlite3_column_type(s, at) != SQLITE_NULL) value.data = "";
  return value;
}

/* One step of a walk: 1 = a row, 0 = the end, -1 = failed. */
static int step (sqlite3_stmt *s) {
  int result = sqlite3_step(s);
  if (result == SQLITE_ROW) return 1;
  return sqlite3_reset(s) == SQLITE_OK && result == SQLITE_DONE ? 0 : -1;
}

int ae_store_remembered_next (ae_store *store, ae_slice *bytes) {
  int more = step(use(store, REMEMBERED));
  if (more == 1) *bytes = column(use(store, REMEMBERED), 0);
  else sqlite3_db_release_memory(store->db); /* pages that nobody asks for again */
  return more;
}

void ae_store_waiting_from (ae_store *store, int64_t sequence, int limit) {
  sqlite3_stmt *s = use(store, WAITING);
  sqlite3_reset(s);
  sqlite3_bind_int64(s, 1, sequence);
  sqlite3_bind_int(s, 2, limit);
}

static int event_step (sqlite3_stmt *s, ae_store_event *event) {
  int more = step(s);
  if (more != 1) return more;
  event->sequence = sqlite3_column_int64(s, 0);
  event->received = sqlite3_column_int64(s, 1);
  event->subscription = column(s, 2);
  event->body = column(s, 3);
  return 1;
}

int ae_store_waiting_next (ae_store *store, ae_store_event *event) {
  return event_step(use(store, WAITING), event);
}

int ae_store_event_find (ae_store *store, int64_t sequence, ae_store_event *event) {
  sqlite3_bind_int64(use(store, FIND), 1, sequence);
  return event_step(use(store, FIND), event);
}

void ae_store_event_end (ae_store *store) {
  sqlite3_reset(use(store, FIND));
}

void ae_store_waiting_end (ae_store *store) {
  sqlite3_reset(use(store, WAITING));
}
