/*
** inbox_plain.c: what one writes without thinking further: a table of
** SQLite with UNIQUE (source, id), WAL, synchronous=FULL.
*/
#include "inbox_sides.h"

#include <sqlite3.h>

struct plain {
  sqlite3 *db;
  sqlite3_stmt *insert;
  bench_source source;
};

static const char schema[] =
  "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
  "CREATE TABLE event (sequence INTEGER PRIMARY KEY, received INTEGER NOT NULL,"
  " source TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL, UNIQUE (source, id))";

static const char insert[] =
  "INSERT INTO event (received, source, id, body) VALUES (?1, ?2, ?3, ?4)"
  " ON CONFLICT DO NOTHING";

static void run (plain *side, const char *sql) {
  if (sqlite3_exec(side->db, sql, NULL, NULL, NULL) != SQLITE_OK)
    bench_fail(sqlite3_errmsg(side->db));
}

plain *plain_open (const char *path, const bench_source *source) {
  plain *side = bench_room(sizeof *side);
  if (sqlite3_open(path, &side->db) != SQLITE_OK) bench_fail(sqlite3_errmsg(side->db));
  run(side, schema);
  if (sqlite3_prepare_v3(side->db, insert, -1, SQLITE_PREPARE_PERSISTENT, &side->insert,
                         NULL) != SQLITE_OK)
    bench_fail(sqlite3_errmsg(side->db));
  side->source = *source;
  return side;
}

static void add (plain *side, bench_event *event) {
  sqlite3_stmt *s = side->insert;
  bench_next(&side->source, event);
  sqlite3_bind_int64(s, 1, 1700000000000);
  sqlite3_bind_text(s, 2, event->source.data, (int)event->source.length, SQLITE_STATIC);
  sqlite3_bind_text(s, 3, event->id.data, (int)event->id.length, SQLITE_STATIC);
  sqlite3_bind_blob(s, 4, event->body.data, (int)event->body.length, SQLITE_STATIC);
  if (sqlite3_step(s) != SQLITE_DONE) bench_fail(sqlite3_errmsg(side->db));
  sqlite3_reset(s);
}

double plain_append (plain *side, size_t count, size_t group) {
  bench_event *event = bench_room(sizeof *event);
  double start = bench_now();
  for (size_t stored = 0; stored < count; ) {
    run(side, "BEGIN");
    for (size_t i = 0; i < group && stored < count; i++, stored++) add(side, event);
    run(side, "COMMIT");
  }
  free(event);
  return bench_now() - start;
}

void plain_close (plain *side) {
  sqlite3_finalize(side->insert);
  sqlite3_close(side->db);
  free(side);
}
