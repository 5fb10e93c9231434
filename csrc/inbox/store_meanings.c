/*
** store_meanings.c: the tables `meant`, `repeated` and `secret`; see meanings.h.
*/
#include "inbox/store_private.h"

#include <sqlite3.h>

bool ae_store_key (ae_store *store, uint8_t key[AE_STORE_KEY_BYTES]) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_KEY);
  bool found = ae_sql_step(s) == 1 && sqlite3_column_bytes(s, 0) == AE_STORE_KEY_BYTES;
  if (found) memcpy(key, sqlite3_column_blob(s, 0), AE_STORE_KEY_BYTES);
  sqlite3_reset(s);
  if (!found && store->failure == SQLITE_OK) store->failure = SQLITE_CORRUPT;
  return found;
}

bool ae_store_mean (ae_store *store, const void *bytes, size_t size) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_MEAN);
  sqlite3_bind_blob64(s, 1, bytes, size, SQLITE_STATIC);
  return ae_sql_run(s);
}

int ae_store_meant_next (ae_store *store, ae_slice *bytes) {
  int more = ae_sql_step(ae_store_use(store, AE_SQL_MEANT));
  if (more == 1) *bytes = ae_sql_column(ae_store_use(store, AE_SQL_MEANT), 0);
  else sqlite3_db_release_memory(store->db); /* cached pages that are not read again */
  return more;
}

/* Runs a statement that gives one number. */
static bool number_of (sqlite3_stmt *s, int64_t *out) {
  bool found = ae_sql_step(s) == 1;
  if (found) *out = sqlite3_column_int64(s, 0);
  sqlite3_reset(s);
  return found;
}

bool ae_store_repeated (ae_store *store, int64_t meaning, int64_t sequence, int64_t *repeats) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_REPEATED);
  sqlite3_bind_int64(s, 1, meaning);
  sqlite3_bind_int64(s, 2, sequence);
  return number_of(s, repeats);
}

bool ae_store_repeats (ae_store *store, int64_t sequence, int64_t *repeats) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_REPEATS);
  sqlite3_bind_int64(s, 1, sequence);
  return number_of(s, repeats);
}

bool ae_store_has_repeated (ae_store *store, bool *any) {
  int64_t number = 0;
  bool read = number_of(ae_store_use(store, AE_SQL_HAS_REPEATED), &number);
  *any = number != 0;
  return read;
}
