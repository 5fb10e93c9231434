/*
** store_sqlite.c: opening the inbox's file, transactions, and what went wrong.
*/
#include "inbox/store_disk.h"
#include "inbox/store_private.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How long to wait for the lock of another writer: at first, and after one failure,
** so that not every group waits the full time. */
#define BUSY_MS 3000
#define STILL_BUSY_MS 100

#define TEXT(name, text) text,
static const char *const texts[] = {AE_STORE_STATEMENTS(TEXT)};
#undef TEXT

/* With the write-ahead log, and FULL: a commit is on stable storage when it
** returns. */
static const char settings[] = "PRAGMA synchronous = FULL;"
                               "PRAGMA journal_size_limit = 67108864;"
                               "PRAGMA trusted_schema = OFF;";

bool ae_store_damaged (int result) {
  return (result & 0xFF) == SQLITE_CORRUPT || (result & 0xFF) == SQLITE_NOTADB;
}

/* The log holds pages that are not in the database yet: both stay together. */
#define DAMAGED \
  "it is no inbox, or damaged: mend it with sqlite3 .recover, or move it aside together with" \
  " its -wal, never one without the other"

const char *ae_store_advice (int result) {
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
    case SQLITE_NOTADB: return DAMAGED;
    case SQLITE_IOERR: return "the disk fails: see the system's log";
    case SQLITE_CONSTRAINT: return "another program has written to it: start the host again";
    default: return "SQLite refuses";
  }
}

static bool is_failure (int result) {
  return result != SQLITE_OK && result != SQLITE_ROW && result != SQLITE_DONE;
}

static int last_errno (sqlite3_file *file) {
  int number = 0;
  if (file == NULL || file->pMethods == NULL) return 0;
  return file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &number) == SQLITE_OK
           ? number
           : 0;
}

/* Whether the disk, not the content, is at fault. SQLite takes EIO and ENXIO for a
** damaged file system, and reports the file as damaged. */
static bool is_unreadable (const ae_store *store) {
  sqlite3_file *files[2] = {NULL, NULL};
  (void)sqlite3_file_control(store->db, "main", SQLITE_FCNTL_FILE_POINTER, &files[0]);
  (void)sqlite3_file_control(store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &files[1]);
  for (int i = 0; i < 2; i++) {
    int number = last_errno(files[i]);
    if (number == EIO || number == ENXIO) return true;
  }
  return false;
}

/* Keeps the first failure: SQLite forgets its error code at the next call. */
static void note_failure (ae_store *store) {
  int result = sqlite3_extended_errcode(store->db);
  if (store->failure != SQLITE_OK || !is_failure(result)) return;
  store->failure = ae_store_damaged(result) && is_unreadable(store) ? SQLITE_IOERR_READ
                                                                    : result;
}

/* When SQLite reports no failure, the inbox's own code failed: only lack of memory
** makes it fail. */
ae_code ae_store_explain (ae_store *store, ae_error *error) {
  int result;
  note_failure(store);
  result = store->failure;
  store->failure = SQLITE_OK;
  if (store->moved)
    return ae_fail(error, AE_STORAGE, 0,
                   "the inbox %.100s was removed or "
                   "replaced: put it back, or start the host again",
                   store->path);
  if (result == SQLITE_OK || (result & 0xFF) == SQLITE_NOMEM)
    return ae_fail(error, AE_MEMORY, 0, "not enough memory for the inbox %.100s", store->path);
  return ae_fail(error, AE_STORAGE, 0, "cannot use the inbox %.100s (%s): %s", store->path,
                 sqlite3_errstr(result), ae_store_advice(result));
}

bool ae_store_number_of (ae_store *store, const char *sql, int64_t *out) {
  sqlite3_stmt *statement = NULL;
  bool fine = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK &&
              sqlite3_step(statement) == SQLITE_ROW;
  if (fine) *out = sqlite3_column_int64(statement, 0);
  return sqlite3_finalize(statement) == SQLITE_OK && fine;
}

/* Refuses a file of another program or a newer version. *found: the version, 0: the
** file is empty. */
static ae_code identify (ae_store *store, int64_t *found, ae_error *error) {
  int64_t application, version, tables;
  if (!ae_store_number_of(store, "PRAGMA application_id", &application) ||
      !ae_store_number_of(store, "PRAGMA user_version", &version) ||
      !ae_store_number_of(store, "SELECT count(*) FROM sqlite_master", &tables))
    return ae_store_explain(store, error);
  *found = version;
  if (application == 0 && version == 0 && tables == 0) return AE_OK;
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

bool ae_store_execute (ae_store *store, const char *sql) {
  return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* Sets WAL mode. SQLite may refuse without an error: it answers with the mode that
** stays in force. */
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
  for (int i = 0; i < AE_STORE_STATEMENT_COUNT; i++) {
    int result = sqlite3_prepare_v3(store->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &store->statements[i], NULL);
    if (result == SQLITE_ERROR)
      return ae_fail(error, AE_STORAGE, 0, "cannot use the inbox %.100s (%.40s): " DAMAGED,
                     store->path, sqlite3_errmsg(store->db));
    if (result != SQLITE_OK) return ae_store_explain(store, error);
  }
  return AE_OK;
}

/* Replaces the random key of a new file. */
static bool set_key (ae_store *store, const unsigned char *key) {
  char sql[160];
  int length;
  if (key == NULL) return true;
  length = snprintf(sql, sizeof sql, "UPDATE secret SET value = x'");
  for (size_t i = 0; i < AE_STORE_KEY_BYTES; i++)
    length += snprintf(sql + length, sizeof sql - (size_t)length, "%02x", key[i]);
  snprintf(sql + length, sizeof sql - (size_t)length, "' WHERE name = 'pseudonym'");
  return ae_store_execute(store, sql);
}

static ae_code open_database (ae_store *store, const unsigned char *key, ae_error *error) {
  int64_t version = 0;
  ae_code code;
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
  if (ae_disk_holds(store->path)) flags |= SQLITE_OPEN_CREATE;
  if (sqlite3_open_v2(store->path, &store->db, flags, ae_disk_vfs(store->path)) != SQLITE_OK)
    return ae_store_explain(store, error);
  sqlite3_extended_result_codes(store->db, 1);
  sqlite3_busy_timeout(store->db, BUSY_MS);
  ae_checkpoint_begin(store);
  code = identify(store, &version, error);
  if (code == AE_OK) code = use_log(store, error);
  if (code != AE_OK) return code;
  if (!ae_store_execute(store, settings) ||
      (version == 0 && !(ae_store_create(store) && set_key(store, key))) ||
      (version > 0 && version < AE_STORE_VERSION && !ae_store_migrate(store, version)))
    return ae_store_explain(store, error);
  return prepare(store, error);
}

ae_code ae_store_open (const ae_store_options *options, ae_store **out, ae_error *error) {
  ae_store *store = calloc(1, sizeof *store);
  ae_code code;
  *out = NULL;
  if (store == NULL) return ae_fail(error, AE_MEMORY, 0, "not enough memory for the inbox");
  store->file = store->lock = -1;
  store->path = strdup(options->path);
  store->checkpoint.alone = options->alone;
  code = store->path == NULL ? ae_fail(error, AE_MEMORY, 0, "not enough memory for the inbox")
                             : ae_store_check(store, error);
  if (code == AE_OK) code = open_database(store, options->key, error);
  if (code == AE_OK) *out = store;
  else ae_store_close(store);
  return code;
}

/* The locks are released last: the next host that gets them finds a closed file. */
void ae_store_close (ae_store *store) {
  if (store == NULL) return;
  ae_checkpoint_end(store);
  for (int i = 0; i < AE_STORE_STATEMENT_COUNT; i++) sqlite3_finalize(store->statements[i]);
  sqlite3_close(store->db);
  if (store->file >= 0) close(store->file);
  if (store->lock >= 0) close(store->lock);
  free(store->path);
  free(store);
}

sqlite3_stmt *ae_store_use (ae_store *store, int which) {
  note_failure(store);
  return store->statements[which];
}

bool ae_sql_run (sqlite3_stmt *statement) {
  int result = sqlite3_step(statement);
  return sqlite3_reset(statement) == SQLITE_OK && result == SQLITE_DONE;
}

void ae_sql_text (sqlite3_stmt *statement, int at, ae_slice value) {
  if (value.data == NULL) sqlite3_bind_null(statement, at);
  else
    sqlite3_bind_text64(statement, at, value.data, value.length, SQLITE_STATIC, SQLITE_UTF8);
}

void ae_sql_version (sqlite3_stmt *statement, int at, int64_t version) {
  if (version == 0) sqlite3_bind_null(statement, at);
  else sqlite3_bind_int64(statement, at, version);
}

ae_slice ae_sql_column (sqlite3_stmt *s, int at) {
  ae_slice value = {sqlite3_column_blob(s, at), 0};
  value.length = (size_t)sqlite3_column_bytes(s, at);
  if (value.data == NULL && sqlite3_column_type(s, at) != SQLITE_NULL) value.data = "";
  return value;
}

int ae_sql_step (sqlite3_stmt *s) {
  int result = sqlite3_step(s);
  if (result == SQLITE_ROW) return 1;
  return sqlite3_reset(s) == SQLITE_OK && result == SQLITE_DONE ? 0 : -1;
}

bool ae_store_begin (ae_store *store) {
  bool fine;
  sqlite3_stmt *statement = ae_store_use(store, AE_SQL_BEGIN);
  store->failure = SQLITE_OK; /* an earlier failure was told, or did not matter */
  if (ae_store_moved(store)) return false;
  fine = ae_sql_run(statement);
  if (fine == store->refused) /* the outcome has changed */
    sqlite3_busy_timeout(store->db, fine ? BUSY_MS : STILL_BUSY_MS);
  store->refused = !fine;
  return fine;
}

bool ae_store_commit (ae_store *store) {
  return ae_sql_run(ae_store_use(store, AE_SQL_COMMIT));
}

/* SQLite may have rolled back by itself. */
void ae_store_rollback (ae_store *store) {
  if (!sqlite3_get_autocommit(store->db))
    (void)ae_sql_run(ae_store_use(store, AE_SQL_ROLLBACK));
}
