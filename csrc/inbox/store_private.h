/*
** store_private.h: what the files of the SQLite store share: store_sqlite.c
** (opening, transactions), store_schema.c (tables), store_runs.c (events,
** runs and effects), store_check.c (takes hold of the file before SQLite),
** store_files.c (the database, its log and their names).
*/
#ifndef ALTINN_EVENTS_STORE_PRIVATE_H
#define ALTINN_EVENTS_STORE_PRIVATE_H

#include "inbox/libraries.h"

#include <sqlite3.h>

#include "inbox/store.h"
#include "inbox/store_files.h"

#define AE_STORE_APPLICATION 0x41454256 /* "AEBV" */

/* Index and text of each statement. */
#define AE_STORE_STATEMENTS(X) \
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

#define AE_STORE_INDEX(name, text) AE_SQL_##name,
enum { AE_STORE_STATEMENTS(AE_STORE_INDEX) AE_STORE_STATEMENT_COUNT };
#undef AE_STORE_INDEX

struct ae_store {
  char *path; /* without symbolic links, once it is open */
  int file;   /* descriptor of the database: the lock, -1 = none */
  int lock;   /* descriptor of NAME.lock, -1 = none */
  sqlite3 *db;
  ae_file files[2]; /* the database and its log; inode 0 = not seen yet */
  bool moved;       /* one of them is no longer under its name */
  sqlite3_stmt *statements[AE_STORE_STATEMENT_COUNT];
};

/* store_sqlite.c */

/* Runs SQL that gives no rows. */
bool ae_store_execute (ae_store *store, const char *sql);
/* The number that SQL gives. */
bool ae_store_number_of (ae_store *store, const char *sql, int64_t *out);
sqlite3_stmt *ae_store_use (ae_store *store, int which);
/* Runs a statement that gives no rows. */
bool ae_sql_run (sqlite3_stmt *statement);
/* Binds a text; its bytes live until the statement has run. */
void ae_sql_text (sqlite3_stmt *statement, int at, ae_slice value);
/* A column's bytes; they live until the next step. */
ae_slice ae_sql_column (sqlite3_stmt *statement, int at);
/* One step of a walk: 1 = a row, 0 = the end, -1 = failed. */
int ae_sql_step (sqlite3_stmt *statement);

/* store_schema.c: makes the tables of an empty file. */
bool ae_store_create (ae_store *store);

/* store_check.c: opens or creates the file, whose name becomes the real one,
** and takes the lock; AE_STORAGE and a sentence when it is no file for a
** host. ae_store_close ends it. */
ae_code ae_store_check (ae_store *store, ae_error *error);

#endif
