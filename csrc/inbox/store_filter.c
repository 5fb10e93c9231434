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

/* The columns of ae_asked_group but for the version. */
#define GROUP_COLUMNS \
  " r.rule, r.state, " AE_SQL_CAUSE " AS why, " AE_SQL_GROUP ", count(*), min(r.changed)," \
  " max(r.changed), min(r.due), max(r.due), max(r.sequence)"

ae_code ae_ask_groups (ae_ask *ask, const ae_ask_filter *filter, ae_error *error) {
  char passes[AE_ASK_SQL], sql[AE_ASK_SQL + 1000];
  ae_code code;
  int length;
  ae_ask_run_passes(passes, filter, AE_SQL_R_HAS_CAUSE);
  length = snprintf(sql, sizeof sql,
                    "SELECT" GROUP_COLUMNS
                    ", NULL FROM run r WHERE %s GROUP BY r.state, r.rule, why"
                    " ORDER BY count(*) DESC, r.state, r.rule, why",
                    passes);
  ae_ask_composed(length, sizeof sql);
  code = ae_ask_put(ask, sql, error);
  if (code == AE_OK) ae_ask_bind(ask, filter);
  return code;
}

ae_code ae_ask_plan (ae_ask *ask, ae_error *error) {
  return ae_ask_put(ask,
                    "SELECT" GROUP_COLUMNS ", r.version FROM picked r"
                    " GROUP BY r.state, r.rule, why, r.version"
                    " ORDER BY count(*) DESC, r.state, r.rule, why, r.version",
                    error);
}

int ae_ask_next_group (ae_ask *ask, ae_asked_group *group) {
  sqlite3_stmt *s = ask->rows;
  int more = ae_sql_step(s);
  if (more != 1) return more;
  group->rule = ae_sql_column(s, 0);
  group->state = ae_sql_column(s, 1);
  group->cause = ae_sql_column(s, 2);
  group->id = ae_sql_column(s, 3);
  group->count = sqlite3_column_int64(s, 4);
  group->oldest = sqlite3_column_int64(s, 5);
  group->newest = sqlite3_column_int64(s, 6);
  group->first_due = sqlite3_column_int64(s, 7);
  group->last_due = sqlite3_column_int64(s, 8);
  group->example = sqlite3_column_int64(s, 9);
  group->version = ae_ask_version(s, 10);
  return 1;
}

ae_code ae_ask_references (ae_ask *ask, ae_error *error) {
  return ae_ask_put(ask,
                    "SELECT r.rule, coalesce(r.entry, 'run') AS body, r.version,"
                    " count(CASE WHEN r.state = 'later' THEN r.timer END),"
                    " count(CASE WHEN r.state <> 'later' OR r.timer IS NULL THEN 1 END),"
                    " min(r.due)"
                    " FROM run r WHERE r." AE_SQL_IS_OPEN " GROUP BY r.rule, r.version, body"
                    " ORDER BY r.rule, r.version, body",
                    error);
}

int ae_ask_next_reference (ae_ask *ask, ae_asked_reference *reference) {
  sqlite3_stmt *s = ask->rows;
  int more = ae_sql_step(s);
  if (more != 1) return more;
  reference->rule = ae_sql_column(s, 0);
  reference->entry = ae_sql_column(s, 1);
  reference->version = ae_ask_version(s, 2);
  reference->timers = sqlite3_column_int64(s, 3);
  reference->paused = sqlite3_column_int64(s, 4);
  reference->first_due = sqlite3_column_int64(s, 5);
  return 1;
}

int ae_ask_next_count (ae_ask *ask, ae_asked_count *count) {
  int more = ae_sql_step(ask->rows);
  if (more != 1) return more;
  count->name = ae_sql_column(ask->rows, 0);
  count->count = sqlite3_column_int64(ask->rows, 1);
  return 1;
}
