/*
** store_schema.c: the tables of an inbox's file, and the migration of a file of an
** earlier version.
*/
#include "inbox/store_private.h"

#include <stdio.h>
#include <unistd.h>

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
**             NULL: not known; `attempt` counts failures, `tries` all attempts;
**             `version`: of the rule, NULL: not known; `entry`: name of the body
**             that runs next, NULL: "run"; `timer`: JSON, of the timer that starts
**             that body; `cause`: a failure without ids, for grouping; `would`:
**             JSON, the effects of a shadowed run
** attempt     earlier states of runs, kept by the trigger `run_kept`; `tries`: as of the
**             run then, NULL: not known
** act         acts by hand, with the state that the run had before
** effect      requests to targets, whole, by key; `answer` is the beginning of the
**             target's answer; `place`: among effects recorded at the same time
** effect_attempt  earlier states of effects, kept by the trigger `effect_kept`;
**             `request` only where it changed
** step        results of a run's steps, JSON; `place`: the order
** memory      JSON that a rule remembers of a thing; `expires`: ms since 1970,
**             0: never; `shadow`: 1: what the rule in the shadow remembers instead,
**             null: it forgot
** timer       timers that wait: the thing, rule and key of each, its run, and
**             `cancel`: types of events that end it, one a line. The trigger
**             `timer_over` removes the row when the run is over
** version     versions of rules that were in force; `text`: JSON, path -> text;
**             `first`, `last`: ms since 1970 when it came into force; the version with
**             the highest `last` is the one that a host ran last
** force       rules that were put in force, or into the shadow, by hand: `state` is
**             "real" or "shadow" as long as the rule has this version
** reading     what Altinn answered to each read of a run, in order of time; `attempt`
**             counts all attempts from 1, `place` the reads of the attempt; `at`: ms
**             since 1970; `call`: see AE_CALLS; `status`: HTTP, NULL: no answer;
**             `code`: of a failure; `cut`: 1: `body` is not whole
** replay      events that were given to rules again by hand: what was asked for, as
**             `asked`, over the events up to `last`; `place`: the last event that was
**             looked at; `ended`: ms since 1970, 0: not yet
** meant       fingerprints of the events' meanings, a row for each group
** repeated    events that mean the same as an earlier one; `meaning`: the fingerprint
**             as a number; `earlier`: how many events before meant the same
** secret      keys made with the file: `pseudonym`
** started     when hosts started that then wrote; ms since 1970
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

/* The tables that are new in version 2. */
#define SINCE_2 \
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
  "CREATE INDEX effect_attempt_event ON effect_attempt(sequence);"

/* The tables, columns and triggers that are new in version 3. */
#define COLUMNS_3 \
  "ALTER TABLE run ADD COLUMN version INTEGER;" \
  "ALTER TABLE run ADD COLUMN entry TEXT;" \
  "ALTER TABLE run ADD COLUMN timer TEXT;" \
  "ALTER TABLE run ADD COLUMN cause TEXT;" \
  "ALTER TABLE run ADD COLUMN would TEXT;" \
  "ALTER TABLE attempt ADD COLUMN version INTEGER;" \
  "ALTER TABLE attempt ADD COLUMN cause TEXT;" \
  "ALTER TABLE effect ADD COLUMN version INTEGER;" \
  "ALTER TABLE effect ADD COLUMN place INTEGER;" \
  "ALTER TABLE effect_attempt ADD COLUMN version INTEGER;" \
  "CREATE INDEX run_cause ON run(state, rule, cause, entry, due, changed)" \
  " WHERE " AE_SQL_HAS_CAUSE ";" \
  "DROP INDEX IF EXISTS run_due;" \
  "CREATE INDEX run_due ON run(due) WHERE " AE_SQL_HAS_TIME ";"
#define TABLES_3 \
  "CREATE TABLE step(sequence INTEGER, rule TEXT, name TEXT, place INTEGER NOT NULL," \
  " result TEXT, version INTEGER, time INTEGER NOT NULL," \
  " PRIMARY KEY(sequence, rule, name)) WITHOUT ROWID;" \
  "CREATE TABLE memory(rule TEXT, thing TEXT, name TEXT, value TEXT NOT NULL," \
  " expires INTEGER NOT NULL DEFAULT 0, changed INTEGER NOT NULL," \
  " PRIMARY KEY(rule, thing, name)) WITHOUT ROWID;" \
  "CREATE TABLE timer(thing TEXT, rule TEXT, key TEXT, sequence INTEGER NOT NULL," \
  " cancel TEXT, PRIMARY KEY(thing, rule, key)) WITHOUT ROWID;" \
  "CREATE INDEX timer_run ON timer(sequence, rule);" \
  "CREATE TABLE version(version INTEGER, rule TEXT, file TEXT, text TEXT," \
  " first INTEGER NOT NULL, PRIMARY KEY(version, rule)) WITHOUT ROWID;" \
  "CREATE TABLE meant(number INTEGER PRIMARY KEY, fingerprints BLOB NOT NULL);" \
  "CREATE TABLE repeated(meaning INTEGER, sequence INTEGER," \
  " earlier INTEGER NOT NULL, PRIMARY KEY(meaning, sequence)) WITHOUT ROWID;" \
  "CREATE INDEX repeated_event ON repeated(sequence);" \
  "CREATE TABLE secret(name TEXT PRIMARY KEY, value BLOB NOT NULL);"
#define TRIGGERS_3 \
  "DROP TRIGGER IF EXISTS run_kept;" \
  "DROP TRIGGER IF EXISTS effect_kept;" \
  "CREATE TRIGGER effect_kept BEFORE UPDATE OF state ON effect" \
  " WHEN OLD.state <> 'recorded'" \
  " AND (OLD.state IS NOT NEW.state OR OLD.attempt IS NOT NEW.attempt) BEGIN" \
  " INSERT INTO effect_attempt(key, sequence, rule, target, request, state, status," \
  " attempt, reason, changed, answer, version) VALUES(OLD.key, OLD.sequence, OLD.rule," \
  " OLD.target, nullif(OLD.request, NEW.request), OLD.state, OLD.status, OLD.attempt," \
  " OLD.reason, OLD.changed, OLD.answer, OLD.version); END;" \
  "CREATE TRIGGER timer_over AFTER UPDATE OF state ON run" \
  " WHEN OLD.timer IS NOT NULL AND NEW." AE_SQL_IS_FINAL " BEGIN" \
  " DELETE FROM timer WHERE sequence = OLD.sequence AND rule = OLD.rule; END;"

static const char since_3[] = COLUMNS_3 TABLES_3 TRIGGERS_3;

/* What is new in version 4. */

/* The trigger `run_kept` does not keep the state of a run that was put back by hand and
** not tried yet: that is no attempt. `run_line` holds the runs that stand in a line while
** they wait: few, and none that is over. */
#define RUNS_4 \
  "ALTER TABLE attempt ADD COLUMN tries INTEGER;" \
  "CREATE INDEX run_line ON run(line) WHERE line IS NOT NULL AND line <> 0;" \
  "CREATE TABLE started(time INTEGER NOT NULL);" \
  "DROP TRIGGER IF EXISTS run_kept;" \
  "CREATE TRIGGER run_kept BEFORE UPDATE OF state, attempt, reason ON run" \
  " WHEN NOT (OLD.state = 'retry' AND OLD.tries = 0) BEGIN" \
  " INSERT INTO attempt(sequence, rule, state, attempt, due, reason, changed, version," \
  " cause, tries) VALUES(OLD.sequence, OLD.rule, OLD.state, OLD.attempt, OLD.due, OLD.reason," \
  " OLD.changed, OLD.version, OLD.cause, OLD.tries); END;"
#define MEMORY_4 \
  "CREATE TABLE memory_4(rule TEXT, thing TEXT, name TEXT, shadow INTEGER NOT NULL," \
  " value TEXT NOT NULL, expires INTEGER NOT NULL DEFAULT 0, changed INTEGER NOT NULL," \
  " PRIMARY KEY(rule, thing, name, shadow)) WITHOUT ROWID;" \
  "INSERT INTO memory_4 SELECT rule, thing, name, 0, value, expires, changed FROM memory;" \
  "DROP TABLE memory;" \
  "ALTER TABLE memory_4 RENAME TO memory;"
#define COLUMNS_4 \
  "ALTER TABLE version ADD COLUMN last INTEGER NOT NULL DEFAULT 0;" \
  "UPDATE version SET last = first;" \
  "CREATE INDEX version_rule ON version(rule, last);"
#define TABLES_4 \
  "CREATE TABLE force(rule TEXT PRIMARY KEY, version INTEGER NOT NULL," \
  " state TEXT NOT NULL, time INTEGER NOT NULL, who TEXT NOT NULL, reason TEXT)" \
  " WITHOUT ROWID;" \
  "CREATE TABLE reading(number INTEGER PRIMARY KEY, sequence INTEGER NOT NULL," \
  " rule TEXT NOT NULL, attempt INTEGER NOT NULL, place INTEGER NOT NULL," \
  " at INTEGER NOT NULL, thing TEXT NOT NULL, call TEXT NOT NULL, status INTEGER," \
  " code TEXT, body TEXT, cut INTEGER NOT NULL);" \
  "CREATE INDEX reading_run ON reading(sequence, rule);" \
  "CREATE INDEX reading_thing ON reading(thing);" \
  "CREATE TABLE replay(number INTEGER PRIMARY KEY AUTOINCREMENT, asked TEXT NOT NULL," \
  " who TEXT NOT NULL, reason TEXT, begun INTEGER NOT NULL, ended INTEGER NOT NULL," \
  " place INTEGER NOT NULL, last INTEGER NOT NULL, events INTEGER NOT NULL," \
  " runs INTEGER NOT NULL);"

static const char since_4[] = RUNS_4 MEMORY_4 COLUMNS_4 TABLES_4 "PRAGMA user_version = 4;";

static const char schema[] = "BEGIN IMMEDIATE;" TABLE_EVENT TABLE_REMEMBERED TABLE_WAITING
  TABLE_RUN TABLE_EFFECT SINCE_2 "PRAGMA application_id = 0x41454256;";

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
  "UPDATE effect SET request = NULL WHERE state IN ('recorded', 'unknown');";

/* Makes the keys of a file. False: the system has no random bytes, or the store
** fails. */
static bool make_secrets (ae_store *store) {
  unsigned char bytes[32];
  char sql[160];
  int length;
  if (getentropy(bytes, sizeof bytes) != 0) return false;
  length = snprintf(sql, sizeof sql, "INSERT INTO secret VALUES('pseudonym', x'");
  for (size_t i = 0; i < sizeof bytes; i++)
    length += snprintf(sql + length, sizeof sql - (size_t)length, "%02x", bytes[i]);
  snprintf(sql + length, sizeof sql - (size_t)length, "')");
  return ae_store_execute(store, sql);
}

static bool bring_to_3 (ae_store *store) {
  return ae_store_execute(store, since_3) && make_secrets(store);
}

/* One transaction: `sql` begins it. When it fails, the caller closes the file, which
** rolls back. `version`: what the file has after `sql`. */
static bool bring_up (ae_store *store, const char *sql, int64_t version) {
  return ae_store_execute(store, sql) && (version >= 3 || bring_to_3(store)) &&
         ae_store_execute(store, since_4) && ae_store_execute(store, "COMMIT");
}

bool ae_store_create (ae_store *store) {
  return bring_up(store, schema, 2);
}

bool ae_store_migrate (ae_store *store, int64_t version) {
  return bring_up(store, version == 1 ? from_1 : "BEGIN IMMEDIATE",
                  version == 1 ? 2 : version);
}
