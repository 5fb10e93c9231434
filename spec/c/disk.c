/*
** disk.c: SQLite with its write-ahead log on the simulated disk: what was committed
** survives every cut of the power, whatever survives of the rest, and what was not
** flushed does not survive.
**
**     disk ROUNDS SEED SYNCHRONOUS     prints name=value: see main
*/
#include "inbox/store_disk.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH AE_DISK_PREFIX "disk"

static uint64_t seed;

static uint64_t draw (void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

static sqlite3 *connect (const char *synchronous) {
  char text[80];
  sqlite3 *db = NULL;
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  assert(sqlite3_open_v2(PATH, &db, flags, ae_disk_vfs(PATH)) == SQLITE_OK);
  (void)snprintf(text, sizeof text, "PRAGMA journal_mode = WAL; PRAGMA synchronous = %s",
                 synchronous);
  assert(sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK);
  return db;
}

static int run (sqlite3 *db, const char *text) {
  return sqlite3_exec(db, text, NULL, NULL, NULL);
}

static long number (sqlite3 *db, const char *text) {
  sqlite3_stmt *s = NULL;
  long value = -1;
  if (sqlite3_prepare_v2(db, text, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
    value = (long)sqlite3_column_int64(s, 0);
  sqlite3_finalize(s);
  return value;
}

static int insert (sqlite3 *db, long value) {
  char text[120];
  (void)snprintf(text, sizeof text, "INSERT INTO t VALUES (%ld, hex(randomblob(%d)))", value,
                 (int)(draw() % 9000));
  return run(db, text);
}

/* Refuses the flush whose turn it is. */
static bool on_flush (void *context, const char *name) {
  long *left = context;
  assert(strncmp(name, PATH, sizeof PATH - 1) == 0);
  return *left == 0 || --*left > 0;
}

typedef struct tally {
  long committed, lost, invented, damaged, refused;
} tally;

/* One power-up: commits until the power is cut, at a flush or between two of them, in or
** outside of a transaction. */
static void power_up (tally *facts, const char *synchronous) {
  sqlite3 *db = connect(synchronous), *reader = NULL;
  long left = 1 + (long)(draw() % 20), turns = (long)(draw() % 60), there;
  const bool is_watched = draw() % 2 == 0;
  char check[16] = "";
  sqlite3_stmt *s = NULL;
  if (run(db, "CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, x)") != SQLITE_OK) exit(3);
  if (sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &s, NULL) != SQLITE_OK ||
      sqlite3_step(s) != SQLITE_ROW)
    facts->damaged++;
  else (void)snprintf(check, sizeof check, "%s", (const char *)sqlite3_column_text(s, 0));
  sqlite3_finalize(s);
  if (strcmp(check, "ok") != 0) facts->damaged++;
  there = number(db, "SELECT count(*) FROM t");
  if (there < facts->committed) facts->lost += facts->committed - there;
  if (there > facts->committed + 1) facts->invented++;
  facts->committed = there;
  reader = connect(synchronous);
  assert(number(reader, "SELECT count(*) FROM t") == there);
  assert(ae_disk_watch(PATH, is_watched ? on_flush : NULL, &left));
  for (long i = 0; i < turns; i++) {
    if (insert(db, facts->committed) != SQLITE_OK) break;
    facts->committed++;
    if (draw() % 9 == 0) (void)run(db, "PRAGMA wal_checkpoint(RESTART)");
  }
  if (is_watched && left == 0) facts->refused++;
  if (run(db, "BEGIN") == SQLITE_OK) (void)insert(db, 1000000);
  ae_disk_cut(PATH, draw() % 3 == 0 ? 0 : draw());
  assert(insert(db, 1000001) != SQLITE_OK || run(db, "COMMIT") != SQLITE_OK);
  assert(ae_disk_watch(PATH, NULL, NULL));
  sqlite3_close(reader);
  sqlite3_close(db);
}

int main (int count, char **words) {
  tally facts = {0};
  long rounds = count > 1 ? atol(words[1]) : 100;
  seed = count > 2 ? strtoull(words[2], NULL, 10) : 1;
  assert(ae_disk_holds(PATH) && !ae_disk_holds("inbox.db") && ae_disk_vfs("inbox.db") == NULL);
  for (long i = 0; i < rounds; i++) power_up(&facts, count > 3 ? words[3] : "FULL");
  ae_disk_remove(PATH);
  ae_disk_remove(AE_DISK_PREFIX); /* SQLite's files without a name */
  printf("committed=%ld lost=%ld invented=%ld damaged=%ld refused=%ld\n", facts.committed,
         facts.lost, facts.invented, facts.damaged, facts.refused);
  return 0;
}
