/*
** store_private.h: what the files of the SQLite store share: store_sqlite.c
** (opening, transactions), store_schema.c (tables), store_runs.c (events,
** runs and effects), store_memory.c (steps, memory, timers), store_meanings.c
** (meanings of events), store_check.c (takes hold of the file before SQLite),
** store_files.c (the database, its log and their names).
*/
#ifndef ALTINN_EVENTS_STORE_PRIVATE_H
#define ALTINN_EVENTS_STORE_PRIVATE_H

#include "inbox/libraries.h"

/* Declared by <sqlite3.h>, which only the store's .c files include. */
typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;

#include "inbox/store.h"
#include "inbox/store_files.h"
#include "inbox/store_checkpoint.h"

#define AE_STORE_APPLICATION 0x41454256 /* "AEBV" */

/* SQL: whether `rule` is one of the lines of `rules`. */
#define AE_SQL_LISTED(rules, rule) \
  "instr(char(10) || " rules " || char(10), char(10) || " rule " || char(10)) > 0"

/* The statements: X(name, SQL). The name gives the index AE_SQL_name. */
// clang-format off
#define AE_STORE_STATEMENTS(X) \
  X(BEGIN, "BEGIN IMMEDIATE") \
  X(COMMIT, "COMMIT") \
  X(ROLLBACK, "ROLLBACK") \
  X(APPEND, "INSERT INTO event(sequence, received, subscription, body)" \
            " VALUES(?1, ?2, ?3, ?4)") \
  X(WAIT, "INSERT INTO waiting(sequence, runs, rules) VALUES(?1, ?2, ?3)") \
  X(REWAIT, "UPDATE waiting SET runs = ?2, rules = ?3 WHERE sequence = ?1") \
  X(FINISH, "DELETE FROM waiting WHERE sequence = ?1") \
  X(FINISH_LAST, "DELETE FROM waiting WHERE sequence = ?1 AND runs <= 1") \
  X(FINISH_ONE, "UPDATE waiting SET runs = runs - 1 WHERE sequence = ?1") \
  X(REMEMBER, "INSERT INTO remembered(fingerprints) VALUES(?1)") \
  X(STARTED, "INSERT INTO started(time) VALUES(?1)") \
  X(TOUCH, "REPLACE INTO remembered(number, fingerprints) VALUES(0, x'')") \
  X(SETTLE_FIRST, "INSERT OR IGNORE INTO run(sequence, rule, state, attempt, due, reason," \
                  " changed, since, line, tries, version, cause, would, entry, timer)" \
                  " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)") \
  X(SETTLE_AGAIN, "UPDATE run SET state = ?3, attempt = ?4, due = ?5, reason = ?6," \
                  " changed = ?7, since = ?8, line = ?9, tries = ?10, version = ?11," \
                  " cause = ?12, would = ?13, timer = coalesce(?15, timer)," \
                  " entry = CASE WHEN ?14 IS NULL AND ?15 IS NULL THEN entry ELSE ?14 END" \
                  " WHERE sequence = ?1 AND rule = ?2 AND " AE_SQL_IS_OPEN) \
  X(ABANDON, "INSERT INTO run(sequence, rule, state, attempt, due, reason, changed)" \
             " VALUES(?1, ?2, 'abandoned', 0, 0, ?3, ?4)" \
             " ON CONFLICT(sequence, rule) DO UPDATE SET state = 'abandoned'," \
             " due = 0, reason = ?3, changed = ?4, line = NULL" \
             " WHERE " AE_SQL_IS_OPEN) \
  X(REDUE, "UPDATE run SET due = ?3, changed = ?4, line = ?5" \
           " WHERE sequence = ?1 AND rule = ?2") \
  X(RECORD, "INSERT OR IGNORE INTO effect(key, sequence, rule, target," \
            " request, state, attempt, recorded, changed, version, place)" \
            " VALUES(?1, ?2, ?3, ?4, ?5, 'recorded', 0, ?6, ?6, ?7, ?8)") \
  X(EFFECT, "SELECT e.state, e.sequence, e.request," \
            " (e.sequence <> ?2 OR e.rule <> ?3) AND EXISTS (SELECT 1 FROM waiting w" \
            " WHERE w.sequence = e.sequence AND (EXISTS (SELECT 1 FROM run r" \
            " WHERE r.sequence = e.sequence AND r.rule = e.rule AND r." AE_SQL_IS_OPEN ")" \
            " OR (NOT EXISTS (SELECT 1 FROM run r WHERE r.sequence = e.sequence" \
            " AND r.rule = e.rule) AND (w.rules IS NULL OR " \
            AE_SQL_LISTED("w.rules", "e.rule") "))))" \
            " FROM effect e WHERE key = ?1") \
  X(ADOPT, "UPDATE effect SET sequence = ?2, rule = ?3 WHERE key = ?1") \
  X(RECORD_ANEW, "UPDATE effect SET sequence = ?2, rule = ?3, target = ?4," \
                 " request = ?5, state = 'recorded', status = NULL, reason = NULL," \
                 " answer = NULL, recorded = ?6, changed = ?6, version = ?7, place = ?8" \
                 " WHERE key = ?1") \
  X(OUTCOME, "UPDATE effect SET state = ?2, status = ?3, attempt = ?4," \
             " reason = ?5, changed = ?6, answer = ?7" \
             " WHERE key = ?1 AND state <> 'sent'") /* a late outcome changes nothing */ \
  X(RUN, "SELECT rule, state, attempt, due, changed, since, line, tries," \
         " timer IS NOT NULL FROM run" \
         " WHERE sequence = ?1 AND rule = ?2") \
  X(RUNS, "SELECT rule, state, attempt, due, changed, since, line, tries," \
          " timer IS NOT NULL FROM run WHERE sequence = ?1") \
  X(ENTRY, "SELECT entry, timer, cause FROM run WHERE sequence = ?1 AND rule = ?2") \
  X(KEEP, "INSERT INTO memory(rule, thing, name, value, expires, changed, shadow)" \
          " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(rule, thing, name, shadow)" \
          " DO UPDATE SET value = ?4, expires = ?5, changed = ?6") \
  X(FORGET, "DELETE FROM memory WHERE rule = ?1 AND thing = ?2 AND name = ?3") \
  X(EXPIRE, "DELETE FROM memory WHERE rule = ?1 AND thing = ?2" \
            " AND (expires > 0 AND expires <= ?3 OR shadow > ?4)") \
  X(STEP, "INSERT OR IGNORE INTO step(sequence, rule, name, place, result, version, time)" \
          " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)") \
  X(STEPS, "SELECT name, result FROM step WHERE sequence = ?1 AND rule = ?2" \
           " ORDER BY place, name") \
  X(MEMORY, "SELECT name, value FROM memory WHERE rule = ?1 AND thing = ?2" \
            " AND (expires = 0 OR expires > ?3) AND shadow <= ?4 ORDER BY shadow") \
  X(READING, "INSERT INTO reading(sequence, rule, attempt, place, at, thing, call, status," \
             " code, body, cut) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)") \
  X(UNFINISHED, "SELECT key, target, request, state FROM effect WHERE sequence = ?1" \
                " AND rule = ?2 AND state IN ('recorded', 'unknown')" \
                " AND request IS NOT NULL ORDER BY recorded, place, key") \
  X(TIMER, "SELECT sequence FROM timer WHERE thing = ?1 AND rule = ?2 AND key = ?3") \
  X(TIMER_GONE, "DELETE FROM timer WHERE sequence = ?1 AND rule = ?2") \
  X(TIMER_SET, "REPLACE INTO timer(thing, rule, key, sequence, cancel)" \
               " VALUES(?1, ?2, ?3, ?4, ?5)") \
  X(TIMER_END, "UPDATE run SET state = 'skipped', due = 0, reason = ?3, changed = ?4," \
               " line = NULL WHERE sequence = ?1 AND rule = ?2 AND " AE_SQL_IS_OPEN) \
  X(TIMERS, "SELECT rule, sequence FROM timer WHERE thing = ?1 AND " \
            AE_SQL_LISTED("cancel", "?2")) \
  X(ANY_TIMER, "SELECT EXISTS (SELECT 1 FROM timer)") \
  X(CANCELS, "SELECT DISTINCT cancel FROM timer WHERE cancel <> ''") \
  X(VERSION, "INSERT INTO version(version, rule, file, text, first, last)" \
             " VALUES(?1, ?2, ?3, ?4, ?5, ?5) ON CONFLICT(version, rule)" \
             " DO UPDATE SET last = ?5" \
             " WHERE last < (SELECT max(o.last) FROM version o WHERE o.rule = ?2)") \
  X(REMEMBERS, "SELECT min(rule) FROM memory WHERE rule > ?1") \
  X(DUE, "SELECT sequence, rule, due, line FROM run INDEXED BY run_due WHERE " AE_SQL_HAS_TIME \
         " AND due <= ?1 AND (due, sequence, rule) > (?2, ?3, ?4)" \
         " ORDER BY due, sequence, rule LIMIT ?5") \
  X(NEXT_DUE, "SELECT min(due) FROM run INDEXED BY run_due WHERE " AE_SQL_HAS_TIME " AND due > ?1") \
  X(FIND, "SELECT sequence, received, subscription, body FROM event" \
          " WHERE sequence = ?1") \
  X(REMEMBERED, "SELECT fingerprints FROM remembered") \
  X(KEY, "SELECT value FROM secret WHERE name = 'pseudonym'") \
  X(MEAN, "INSERT INTO meant(fingerprints) VALUES(?1)") \
  X(MEANT, "SELECT fingerprints FROM meant") \
  X(REPEATED, "INSERT INTO repeated(meaning, sequence, earlier) VALUES(?1, ?2," \
              " 1 + coalesce((SELECT earlier FROM repeated WHERE meaning = ?1" \
              " ORDER BY sequence DESC LIMIT 1), 0)) RETURNING earlier") \
  X(REPEATS, "SELECT coalesce((SELECT earlier FROM repeated WHERE sequence = ?1), 0)") \
  X(HAS_REPEATED, "SELECT EXISTS (SELECT 1 FROM repeated)") \
  X(WAITING, "SELECT sequence FROM waiting WHERE sequence > ?1 ORDER BY sequence LIMIT ?2") \
  X(WAITS, "SELECT e.sequence, e.received, e.subscription, e.body, w.runs, w.rules" \
           " FROM waiting w JOIN event e ON e.sequence = w.sequence" \
           " WHERE w.sequence = ?1") \
  X(ACTS, "SELECT number, time, what, sequence, rule FROM act WHERE number > ?1" \
          " ORDER BY number LIMIT ?2") \
  X(COUNT_WAITING, "SELECT count(*) FROM waiting") \
  X(COUNT_DEAD, "SELECT count(*) FROM run WHERE state = 'dead'") \
  X(OLDEST, "SELECT w.sequence, CASE WHEN w.rules IS NOT NULL AND w.runs <=" \
            " (SELECT count(*) FROM run r WHERE r.sequence = w.sequence" \
            " AND r.state = 'later' AND r.due > ?2) THEN NULL" \
            " ELSE (SELECT received FROM event e WHERE e.sequence = w.sequence) END" \
            " FROM waiting w WHERE w.sequence > ?1 ORDER BY w.sequence LIMIT ?3") \
  X(LAST_ACT, "SELECT coalesce(max(number), 0) FROM act") \
  X(DATA_VERSION, "PRAGMA data_version")
// clang-format on

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
  bool refused;     /* the last transaction did not begin */
  int failure;      /* SQLite's first result that was not explained yet, or SQLITE_OK */
  ae_checkpoint checkpoint;
  sqlite3_stmt *statements[AE_STORE_STATEMENT_COUNT];
};

/* store_sqlite.c */

/* SQLite's result in words: the cause, and the remedy. */
const char *ae_store_advice (int result);
/* Runs SQL that gives no rows. */
bool ae_store_execute (ae_store *store, const char *sql);
/* Runs SQL that gives one number. */
bool ae_store_number_of (ae_store *store, const char *sql, int64_t *out);
sqlite3_stmt *ae_store_use (ae_store *store, int which);
/* Runs a statement that gives no rows. */
bool ae_sql_run (sqlite3_stmt *statement);
/* Binds a text; its bytes live until the statement has run. */
void ae_sql_text (sqlite3_stmt *statement, int at, ae_slice value);
/* Binds the version of a rule; 0 becomes NULL. */
void ae_sql_version (sqlite3_stmt *statement, int at, int64_t version);
/* A column's bytes; they live until the next step. */
ae_slice ae_sql_column (sqlite3_stmt *statement, int at);
/* One step of a walk: 1 = a row, 0 = the end, -1 = failed. */
int ae_sql_step (sqlite3_stmt *statement);

/* store_schema.c: makes the tables of an empty file; brings those of an earlier
** version up to date, whole or not at all. */
bool ae_store_create (ae_store *store);
bool ae_store_migrate (ae_store *store, int64_t version);

/* store_check.c: opens or creates the file, resolves store->path, and locks the
** file. AE_STORAGE with a sentence when no host may open it. ae_store_close undoes
** all of it. */
ae_code ae_store_check (ae_store *store, ae_error *error);

#endif
