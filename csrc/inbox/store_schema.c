/*
** store_schema.c: the tables of an inbox's file, and the migration of a file of an
** earlier version.
*/
#include "inbox/store_private.h"

/*
** event       the events; `sequence` is the event's number
** remembered  fingerprints of (source, id), a row for each group; the row with
**             `number` 0 has none (a trial write)
** waiting     events with a run that is not over: `runs` is the number of these
**             runs, `rules` the names of the rules that want the event, one a
**             line (see scan.c); NULL: not known
** run         the state of a run; a run that waits or runs for the first time has
**             no row. `due`, `changed` and `since` (the first failed attempt;
**             0: none) are ms since 1970; `line`: see lines.h, 0: no order,
**             NULL: not known; `attempt` counts failures, `tries` all attempts
** attempt     earlier states of runs, kept by the trigger `run_kept`
** act         acts by hand, with the state that the run had before
** effect      requests to targets, whole, by key; `answer` is the beginning of the
**             target's answer
** effect_attempt  earlier states of effects, kept by the trigger `effect_kept`;
**             `request` only where it changed
*/
#define TABLE_EVENT \
  "CREATE TABLE event(sequence INTEGER PRIMARY KEY," \
  " received INTEGER NOT NULL, subscription TEXT, body BLOB NOT NULL);"
#define TABLE_REMEMBERED \
  "CREATE TABLE remembered(number INTEGER PRIMARY KEY," \
  " fingerprints BLOB NOT NULL);"
#define TABLE_WAITING \
  "CREATE TABLE waiting(sequence INTEGER PRIMARY KEY," \
  " runs INTEGER NOT NULL DEFAULT 0, rules TEXT);"
#define TABLE_RUN \
  "CREATE TABLE run(sequence INTEGER, rule TEXT, state TEXT," \
  " attempt INTEGER, due INTEGER, reason TEXT, changed INTEGER," \
  " since INTEGER NOT NULL DEFAULT 0, line INTEGER, tries INTEGER NOT NULL DEFAULT 0," \
  " PRIMARY KEY(sequence, rule)) WITHOUT ROWID;" \
  "CREATE INDEX run_dead ON run(sequence) WHERE state = 'dead';"
#define TABLE_EFFECT \
  "CREATE TABLE effect(key TEXT PRIMARY KEY, sequence INTEGER," \
  " rule TEXT, target TEXT, request TEXT, state TEXT, status INTEGER," \
  " attempt INTEGER, reason TEXT, recorded INTEGER, changed INTEGER, answer TEXT)" \
  " WITHOUT ROWID;"

/* The tables that are new in version 2. The trigger does not keep the state of a run
** that was put back by hand and not tried yet: that is no attempt. */
#define SINCE_2 \
  "CREATE INDEX run_due ON run(due) WHERE " AE_SQL_IS_OPEN ";" \
  "CREATE TABLE attempt(number INTEGER PRIMARY KEY, sequence INTEGER NOT NULL," \
  " rule TEXT NOT NULL, state TEXT, attempt INTEGER, due INTEGER, reason TEXT," \
  " changed INTEGER);" \
  "CREATE INDEX attempt_run ON attempt(sequence, rule);" \
  "CREATE TABLE act(number INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL," \
  " who TEXT NOT NULL, what TEXT NOT NULL, reason TEXT, sequence INTEGER, rule TEXT," \
  " state TEXT);" \
  "CREATE INDEX act_event ON act(sequence);" \
  "CREATE INDEX effect_event ON effect(sequence);" \
  "CREATE TABLE effect_attempt(number INTEGER PRIMARY KEY, key TEXT NOT NULL," \
  " sequence INTEGER, rule TEXT, target TEXT, request TEXT, state TEXT, status INTEGER," \
  " attempt INTEGER, reason TEXT, changed INTEGER, answer TEXT);" \
  "CREATE INDEX effect_attempt_event ON effect_attempt(sequence);" \
  "CREATE TRIGGER run_kept BEFORE UPDATE OF state, attempt, reason ON run" \
  " WHEN NOT (OLD.state = 'retry' AND OLD.attempt = 0) BEGIN" \
  " INSERT INTO attempt(sequence, rule, state, attempt, due, reason, changed)" \
  " VALUES(OLD.sequence, OLD.rule, OLD.state, OLD.attempt, OLD.due, OLD.reason," \
  " OLD.changed); END;" \
  "CREATE TRIGGER effect_kept BEFORE UPDATE OF state ON effect" \
  " WHEN OLD.state <> 'recorded'" \
  " AND (OLD.state IS NOT NEW.state OR OLD.attempt IS NOT NEW.attempt) BEGIN" \
  " INSERT INTO effect_attempt(key, sequence, rule, target, request, state, status," \
  " attempt, reason, changed, answer) VALUES(OLD.key, OLD.sequence, OLD.rule," \
  " OLD.target, nullif(OLD.request, NEW.request), OLD.state, OLD.status, OLD.attempt," \
  " OLD.reason, OLD.changed, OLD.answer); END;" \
  "PRAGMA user_version = 2;"

static const char schema[] = "BEGIN IMMEDIATE;" TABLE_EVENT TABLE_REMEMBERED TABLE_WAITING
  TABLE_RUN TABLE_EFFECT SINCE_2 "PRAGMA application_id = 0x41454256;"
                             "COMMIT;";

/* In version 1 a discarded run was `skipped`, and a refused effect was `failed`. The
** file did not say when a run was first tried, or which rules an event waits for:
** the next scan finds these. An effect's request was an excerpt for people and
** cannot be sent again: it goes to effect_attempt, and the next attempt records
** the effect anew. */
static const char from_1[] =
  "BEGIN IMMEDIATE;"
  "ALTER TABLE waiting ADD COLUMN runs INTEGER NOT NULL DEFAULT 0;"
  "ALTER TABLE waiting ADD COLUMN rules TEXT;"
  "ALTER TABLE run ADD COLUMN since INTEGER NOT NULL DEFAULT 0;"
  "ALTER TABLE run ADD COLUMN line INTEGER;"
  "ALTER TABLE run ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;"
  "ALTER TABLE effect ADD COLUMN answer TEXT;"
  "CREATE INDEX IF NOT EXISTS run_dead ON run(sequence) WHERE state = 'dead';"
  "UPDATE run SET tries = attempt, since = coalesce((SELECT received FROM event e"
  " WHERE e.sequence = run.sequence), changed) WHERE state = 'retry' AND attempt > 0;"
  "UPDATE run SET state = 'discarded' WHERE state = 'skipped' AND reason = 'discarded by hand';"
  "UPDATE effect SET state = 'refused' WHERE state = 'failed';" SINCE_2
  "INSERT INTO effect_attempt(key, sequence, rule, target, request, state, status, attempt,"
  " reason, changed) SELECT key, sequence, rule, target, request, state, status, attempt,"
  " reason, changed FROM effect WHERE state IN ('recorded', 'unknown');"
  "UPDATE effect SET request = NULL WHERE state IN ('recorded', 'unknown');"
  "COMMIT;";

bool ae_store_create (ae_store *store) {
  return ae_store_execute(store, schema);
}

bool ae_store_migrate (ae_store *store) {
  return ae_store_execute(store, from_1);
}
