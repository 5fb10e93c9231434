/*
** store_follow.c: see follow.h; on SQLite.
*/
#include "inbox/follow.h"

#include "inbox/ask_private.h"

#include <sqlite3.h>

// clang-format off

/* ?1 = after, ?2 = most, ?3 = list. */
static const char *const queries[] = {
  [AE_FOLLOW_VERSION] = "PRAGMA data_version",
  [AE_FOLLOW_MARKS] =
    "SELECT coalesce((SELECT max(sequence) FROM event), 0) AS event,"
    " coalesce((SELECT max(number) FROM attempt), 0) AS attempt,"
    " coalesce((SELECT max(number) FROM act), 0) AS act",
  [AE_FOLLOW_EVENTS] =
    "SELECT sequence, received, subscription, body FROM event"
    " WHERE sequence > ?1 ORDER BY sequence LIMIT ?2",
  [AE_FOLLOW_ATTEMPTS] =
    "SELECT number, sequence, rule FROM attempt WHERE number > ?1 ORDER BY number LIMIT ?2",
  [AE_FOLLOW_ACTS] =
    "SELECT number, sequence, time, who, what, reason, rule, state FROM act"
    " WHERE number > ?1 ORDER BY number LIMIT ?2",
  [AE_FOLLOW_UNTRIED] =
    "SELECT w.sequence FROM waiting w WHERE w.rules IS NULL OR w.runs >"
    " (SELECT count(*) FROM run r WHERE r.sequence = w.sequence AND r." AE_SQL_IS_OPEN ")",
  [AE_FOLLOW_STANDS] =
    "SELECT j.value AS sequence,"
    " coalesce((SELECT max(r.changed) FROM run r WHERE r.sequence = j.value), 0) AS changed,"
    " (SELECT count(*) || ' ' || total(r.tries) || ' ' || total(r.changed) || ' ' || total(r.due)"
    " FROM run r WHERE r.sequence = j.value) || ' ' ||"
    " (SELECT count(*) || ' ' || total(f.attempt) || ' ' || total(f.changed) || ' ' ||"
    " total(length(f.state)) FROM effect f WHERE f.sequence = j.value) AS stand"
    " FROM json_each(?3) j",
};

// clang-format on

ae_code ae_follow (ae_ask *ask, ae_follow_what what, int64_t after, int64_t most,
                   ae_slice list, ae_error *error) {
  ae_code code = ae_ask_put(ask, queries[what], error);
  if (code != AE_OK) return code;
  /* A parameter that the query does not have is out of range: no fault. */
  (void)sqlite3_bind_int64(ask->rows, 1, after);
  (void)sqlite3_bind_int64(ask->rows, 2, most);
  if (list.data == NULL) return AE_OK;
  if (sqlite3_bind_text64(ask->rows, 3, list.data, list.length, SQLITE_TRANSIENT,
                          SQLITE_UTF8) == SQLITE_NOMEM)
    return ae_ask_why(ask, error);
  return AE_OK;
}
