/*
** store_line.c: the runs of a line, for the question why a run has not begun; see ask.h.
*/
#include "inbox/ask_private.h"
#include "inbox/hash.h"

#include "core/sha256.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

// clang-format off

/* The parameters: ?1 rule, ?2 the line's number, ?3 the path of the attribute that orders
** the rule's runs, NULL: one line for all, ?4 the order key, ?5 now, ?6 limit. */
#define TEXT_OF(body) "CAST(" body " AS TEXT)"
/* Whether an event with this body is in the line: as key_of of the host's routes. */
#define IN_LINE(body) \
  "(?3 IS NULL OR (may_hold(" body ", ?4) AND CASE json_type(" TEXT_OF(body) ", ?3)" \
  " WHEN 'text' THEN json_extract(" TEXT_OF(body) ", ?3)" \
  " ELSE json_extract(" TEXT_OF(body) ", '$.id') END = ?4))"
#define COLUMNS(state, due, changed, reason, cause, attempt, timer, line) \
  " " state " AS state, " due " AS due, " changed " AS changed, " reason " AS reason," \
  " " cause " AS cause, " attempt " AS attempt, " timer " AS timer, " line " AS in_line"
#define OF_RUN(line) \
  COLUMNS("r.state", "r.due", "r.changed", "r.reason", "r.cause", "r.tries", "r.timer", line)

/* Runs that wait for a time and keep their place at the head of the line. */
#define AT_THE_HEAD \
  "SELECT r.sequence AS sequence," OF_RUN("1") " FROM run r WHERE r.line = ?2 AND r.line <> 0" \
  " AND r.rule = ?1 AND r." AE_SQL_IS_OPEN
/* Runs that were put back, and timers and runs held aside that are due. */
#define COME_BACK \
  "SELECT r.sequence," OF_RUN("0") " FROM run r INDEXED BY run_due JOIN event e" \
  " ON e.sequence = r.sequence WHERE " AE_SQL_R_HAS_TIME " AND r.due <= ?5" \
  " AND r.rule = ?1 AND (r.line IS NULL OR (r.line = 0 AND ?3 IS NULL)) AND " IN_LINE("e.body")
/* Runs that were never tried. */
#define NEVER_TRIED \
  "SELECT w.sequence," COLUMNS("'waiting'", "0", "e.received", "NULL", "NULL", "0", "NULL", "0") \
  " FROM waiting w JOIN event e ON e.sequence = w.sequence" \
  " WHERE w.rules IS NOT NULL AND " AE_SQL_LISTED("w.rules", "?1") \
  " AND NOT EXISTS (SELECT 1 FROM run r WHERE r.sequence = w.sequence AND r.rule = ?1)" \
  " AND " IN_LINE("e.body")

// clang-format on

ae_code ae_ask_line (ae_ask *ask, const ae_ask_place *place, ae_error *error) {
  static const char sql[] = AT_THE_HEAD " UNION ALL " COME_BACK " UNION ALL " NEVER_TRIED
                                        " ORDER BY 1 LIMIT ?6";
  ae_code code = ae_ask_put(ask, sql, error);
  if (code != AE_OK) return code;
  ae_sql_text(ask->rows, 1, place->rule);
  sqlite3_bind_int64(ask->rows, 2, (int64_t)ae_hash_line(place->rule, place->key));
  ae_sql_text(ask->rows, 3, place->path);
  ae_sql_text(ask->rows, 4, place->key);
  sqlite3_bind_int64(ask->rows, 5, place->now);
  sqlite3_bind_int64(ask->rows, 6, place->limit > 0 ? place->limit : -1);
  return AE_OK;
}

ae_code ae_ask_starts (ae_ask *ask, int64_t since, ae_error *error) {
  ae_code code = ae_ask_put(ask, "SELECT time FROM started WHERE time >= ?1 ORDER BY time",
                            error);
  if (code == AE_OK) sqlite3_bind_int64(ask->rows, 1, since);
  return code;
}

void ae_inbox_identity_of (const unsigned char *key, size_t length,
                           char identity[AE_IDENTITY_SIZE]) {
  unsigned char digest[AE_SHA256_BYTES];
  ae_sha256 sum;
  ae_sha256_begin(&sum);
  ae_sha256_add(&sum, key, length);
  ae_sha256_end(&sum, digest);
  for (size_t i = 0; i < AE_IDENTITY_SIZE / 2; i++)
    snprintf(identity + 2 * i, 3, "%02x", digest[i]);
}

ae_code ae_ask_identity (ae_ask *ask, char identity[AE_IDENTITY_SIZE], ae_error *error) {
  ae_code code = ae_ask_put(ask, "SELECT value FROM secret WHERE name = 'pseudonym'", error);
  ae_slice key = {"", 0};
  if (code == AE_OK && ae_sql_step(ask->rows) == 1) key = ae_sql_column(ask->rows, 0);
  ae_inbox_identity_of((const unsigned char *)key.data, key.length, identity);
  ae_ask_end(ask);
  return code;
}

/* may_hold(body, text): whether a JSON text may have a string with this value: the bytes
** are in it, or it has an escape. Much faster than to parse each body. */
static void may_hold (sqlite3_context *context, int count, sqlite3_value **values) {
  const char *body = sqlite3_value_blob(values[0]), *text = sqlite3_value_blob(values[1]);
  size_t size = (size_t)sqlite3_value_bytes(values[0]);
  size_t length = (size_t)sqlite3_value_bytes(values[1]);
  bool may = false;
  (void)count;
  if (body != NULL && text != NULL)
    may = memmem(body, size, text, length) != NULL || memchr(body, '\\', size) != NULL;
  sqlite3_result_int(context, may);
}

bool ae_ask_line_functions (ae_ask *ask) {
  return sqlite3_create_function_v2(ask->db, "may_hold", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                                    NULL, may_hold, NULL, NULL, NULL) == SQLITE_OK;
}
