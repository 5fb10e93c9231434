/*
** store_filter.c: which runs an operator means, and their groups by cause; see ask.h.
*/
#include "inbox/ask_private.h"

#include <sqlite3.h>
#include <stdio.h>

void ae_ask_bind (ae_ask *ask, const ae_ask_filter *filter) {
  sqlite3_stmt *s = ask->rows;
  ae_sql_text(s, 1, filter->state);
  if (filter->since != 0) sqlite3_bind_int64(s, 2, filter->since);
  ae_sql_text(s, 3, filter->type);
  ae_sql_text(s, 4, filter->rule);
  ae_sql_text(s, 5, filter->cause);
  if (filter->until != 0) sqlite3_bind_int64(s, 6, filter->until);
  if (filter->sequence != 0) sqlite3_bind_int64(s, 7, filter->sequence);
}

void ae_ask_run_passes (char *sql, const ae_ask_filter *filter, const char *states) {
  const bool of_event = filter->since != 0 || filter->until != 0 || filter->type.data != NULL;
  int length = snprintf(sql, AE_ASK_SQL, "%s%s%s%s%s%s", states,
                        filter->state.data == NULL ? "" : " AND r.state = ?1",
                        filter->rule.data == NULL ? "" : " AND r.rule = ?4",
                        filter->sequence == 0 ? "" : " AND r.sequence = ?7",
                        filter->cause.data == NULL
                          ? ""
                          : " AND (" AE_SQL_GROUP " = ?5 OR instr(" AE_SQL_CAUSE ", ?5) > 0)",
                        !of_event
                          ? ""
                          : " AND EXISTS (SELECT 1 FROM event e WHERE e.sequence = r.sequence"
                            " AND " AE_SQL_EVENT_PASSES ")");
  ae_ask_composed(length, AE_ASK_SQL);
}

/* The id of a group: FNV-1a of the rule, a zero byte, and the cause; 32 bits. */
static uint32_t mix (uint32_t hash, const unsigned char *bytes, int length) {
  for (int i = 0; i < length; i++) hash = (hash ^ bytes[i]) * 16777619u;
  return hash;
}

static void group_id (sqlite3_context *context, int count, sqlite3_value **values) {
  const unsigned char zero = 0;
  uint32_t hash = 2166136261u;
  char text[9];
  (void)count;
  for (int i = 0; i < 2; i++) {
    const unsigned char *bytes = sqlite3_value_text(values[i]);
    hash = mix(hash, bytes, bytes == NULL ? 0 : sqlite3_value_bytes(values[i]));
    if (i == 0) hash = mix(hash, &zero, 1);
  }
  snprintf(text, sizeof text, "%08x", hash);
  sqlite3_result_text(context, text, 8, SQLITE_TRANSIENT);
}

bool ae_ask_functions (ae_ask *ask) {
  return sqlite3_create_function_v2(ask->db, "group_id", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
                                    NULL, group_id, NULL, NULL, NULL) == SQLITE_OK;
}

/* The columns of a group; `example`: an event. */
#define GROUP_COLUMNS \
  " r.rule AS rule, r.state AS state, " AE_SQL_CAUSE " AS cause, " AE_SQL_GROUP " AS id," \
  " count(*) AS count, min(r.changed) AS oldest, max(r.changed) AS newest," \
  " min(r.due) AS first_due, max(r.due) AS last_due, max(r.sequence) AS example"

ae_code ae_ask_groups (ae_ask *ask, const ae_ask_filter *filter, ae_error *error) {
  char passes[AE_ASK_SQL], sql[AE_ASK_SQL + 1000];
  ae_code code;
  int length;
  ae_ask_run_passes(passes, filter, AE_SQL_R_HAS_CAUSE);
  length = snprintf(sql, sizeof sql,
                    "SELECT" GROUP_COLUMNS
                    " FROM run r WHERE %s GROUP BY 2, 1, 3 ORDER BY count(*) DESC, 2, 1, 3",
                    passes);
  ae_ask_composed(length, sizeof sql);
  code = ae_ask_put(ask, sql, error);
  if (code == AE_OK) ae_ask_bind(ask, filter);
  return code;
}

ae_code ae_ask_plan (ae_ask *ask, ae_error *error) {
  return ae_ask_put(ask,
                    "SELECT" GROUP_COLUMNS
                    ", r.version AS version FROM picked r GROUP BY 2, 1, 3, 11"
                    " ORDER BY count(*) DESC, 2, 1, 3, 11",
                    error);
}

ae_code ae_ask_references (ae_ask *ask, ae_error *error) {
  return ae_ask_put(ask,
                    "SELECT r.rule, coalesce(r.entry, 'run') AS entry, r.version,"
                    " count(CASE WHEN r.state = 'later' THEN r.timer END) AS timers,"
                    " count(CASE WHEN r.state <> 'later' OR r.timer IS NULL THEN 1 END)"
                    " AS paused, min(r.due) AS first_due"
                    " FROM run r WHERE r." AE_SQL_IS_OPEN " GROUP BY 1, 3, 2 ORDER BY 1, 3, 2",
                    error);
}
