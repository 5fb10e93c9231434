/*
** store_schema.c: the tables of an inbox's file.
*/
#include "inbox/store_private.h"

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

bool ae_store_create (ae_store *store) {
  return ae_store_execute(store, schema);
}
