/*
** store_runs.c: events, runs and effects in the inbox's file.
*/
#include "inbox/store_private.h"

#include <stdio.h>

bool ae_store_append (ae_store *store, const ae_work *work) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_APPEND);
  sqlite3_bind_int64(s, 1, work->sequence);
  sqlite3_bind_int64(s, 2, work->time);
  ae_sql_text(s, 3, work->subscription);
  ae_sql_text(s, 4, work->body);
  return ae_sql_run(s);
}

bool ae_store_wait (ae_store *store, int64_t sequence) {
  sqlite3_bind_int64(ae_store_use(store, AE_SQL_WAIT), 1, sequence);
  return ae_sql_run(ae_store_use(store, AE_SQL_WAIT));
}

bool ae_store_unwait (ae_store *store, int64_t sequence, bool *changed) {
  sqlite3_bind_int64(ae_store_use(store, AE_SQL_UNWAIT), 1, sequence);
  if (!ae_sql_run(ae_store_use(store, AE_SQL_UNWAIT))) return false;
  *changed = sqlite3_changes(store->db) > 0;
  return true;
}

bool ae_store_finish (ae_store *store, int64_t sequence) {
  sqlite3_bind_int64(ae_store_use(store, AE_SQL_FINISH), 1, sequence);
  sqlite3_bind_int64(ae_store_use(store, AE_SQL_ABANDON), 1, sequence);
  return ae_sql_run(ae_store_use(store, AE_SQL_FINISH)) &&
         ae_sql_run(ae_store_use(store, AE_SQL_ABANDON));
}

bool ae_store_remember (ae_store *store, const void *bytes, size_t size) {
  sqlite3_bind_blob64(ae_store_use(store, AE_SQL_REMEMBER), 1, bytes, size, SQLITE_STATIC);
  return ae_sql_run(ae_store_use(store, AE_SQL_REMEMBER));
}

bool ae_store_touch (ae_store *store) {
  return ae_sql_run(ae_store_use(store, AE_SQL_TOUCH));
}

bool ae_store_settle (ae_store *store, const ae_work *work, bool *changed) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_SETTLE);
  sqlite3_bind_int64(s, 1, work->sequence);
  ae_sql_text(s, 2, work->rule);
  ae_sql_text(s, 3, work->state);
  sqlite3_bind_int64(s, 4, work->attempt);
  sqlite3_bind_int64(s, 5, work->due);
  ae_sql_text(s, 6, work->reason);
  sqlite3_bind_int64(s, 7, work->time);
  if (!ae_sql_run(s)) return false;
  *changed = sqlite3_changes(store->db) > 0;
  return true;
}

static sqlite3_stmt *use_for (ae_store *store, int which, const ae_work *work) {
  sqlite3_stmt *s = ae_store_use(store, which);
  ae_sql_text(s, 1, work->key);
  sqlite3_bind_int64(s, 2, work->sequence);
  ae_sql_text(s, 3, work->rule);
  return s;
}

/* The state of an effect that is there already; "held" when it is another
** run's, which is not over: that one sends it. */
static bool earlier (ae_store *store, ae_work *work) {
  sqlite3_stmt *s = use_for(store, AE_SQL_EFFECT, work);
  bool found = sqlite3_step(s) == SQLITE_ROW;
  if (found) {
    const char *state = (const char *)sqlite3_column_text(s, 0);
    snprintf(work->text, sizeof work->text, "%s", state == NULL ? "" : state);
    work->result = AE_WORK_DUPLICATE;
  }
  return sqlite3_reset(s) == SQLITE_OK && found;
}

/* An effect that was not sent is now that of the run which tries next. */
static bool record (ae_store *store, ae_work *work) {
  sqlite3_stmt *s = use_for(store, AE_SQL_RECORD, work);
  ae_sql_text(s, 4, work->target);
  ae_sql_text(s, 5, work->request);
  sqlite3_bind_int64(s, 6, work->time);
  if (!ae_sql_run(s)) return false;
  if (sqlite3_changes(store->db) > 0) return true;
  if (!earlier(store, work)) return false;
  return strcmp(work->text, "sent") == 0 || strcmp(work->text, "held") == 0 ||
         ae_sql_run(use_for(store, AE_SQL_ADOPT, work));
}

bool ae_store_record (ae_store *store, ae_work *work) {
  ae_store_run known;
  if (!ae_store_run_find(store, work->sequence, work->rule, &known)) return false;
  if (!known.settled) return record(store, work);
  snprintf(work->text, sizeof work->text, "over");
  work->result = AE_WORK_DUPLICATE;
  return true;
}

bool ae_store_outcome (ae_store *store, const ae_work *work) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_OUTCOME);
  ae_sql_text(s, 1, work->key);
  ae_sql_text(s, 2, work->state);
  if (work->status == 0) sqlite3_bind_null(s, 3);
  else sqlite3_bind_int64(s, 3, work->status);
  sqlite3_bind_int64(s, 4, work->attempt);
  ae_sql_text(s, 5, work->reason);
  sqlite3_bind_int64(s, 6, work->time);
  return ae_sql_run(s);
}

/* The runs and those who wait count too: no number is given twice, even
** when events were deleted by hand. */
#define LAST_SQL \
  "SELECT max(coalesce((SELECT max(sequence) FROM event), 0)," \
  " coalesce((SELECT max(sequence) FROM waiting), 0)," \
  " coalesce((SELECT max(sequence) FROM run), 0))"

bool ae_store_number_read (ae_store *store, ae_store_number which, int64_t *out) {
  sqlite3_stmt *s;
  bool found;
  if (which == AE_NUMBER_LAST) return ae_store_number_of(store, LAST_SQL, out);
  s = ae_store_use(store, which == AE_NUMBER_WAITING ? AE_SQL_COUNT_WAITING
                          : which == AE_NUMBER_DEAD  ? AE_SQL_COUNT_DEAD
                                                     : AE_SQL_DATA_VERSION);
  found = sqlite3_step(s) == SQLITE_ROW;
  if (found) *out = sqlite3_column_int64(s, 0);
  return sqlite3_reset(s) == SQLITE_OK && found;
}

bool ae_store_run_find (ae_store *store, int64_t sequence, ae_slice rule,
                        ae_store_run *found) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_RUN);
  memset(found, 0, sizeof *found);
  sqlite3_bind_int64(s, 1, sequence);
  ae_sql_text(s, 2, rule);
  if (sqlite3_step(s) == SQLITE_ROW) {
    const char *state = (const char *)sqlite3_column_text(s, 0);
    found->known = true;
    found->settled = state == NULL || strcmp(state, "retry") != 0;
    found->attempt = sqlite3_column_int64(s, 1);
    found->due = sqlite3_column_int64(s, 2);
  }
  return sqlite3_reset(s) == SQLITE_OK;
}

bool ae_store_any_due (ae_store *store, int64_t sequence, int64_t now, bool *any) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_DUE);
  sqlite3_bind_int64(s, 1, sequence);
  sqlite3_bind_int64(s, 2, now);
  *any = sqlite3_step(s) == SQLITE_ROW && sqlite3_column_int(s, 0) != 0;
  return sqlite3_reset(s) == SQLITE_OK;
}

int ae_store_remembered_next (ae_store *store, ae_slice *bytes) {
  int more = ae_sql_step(ae_store_use(store, AE_SQL_REMEMBERED));
  if (more == 1) *bytes = ae_sql_column(ae_store_use(store, AE_SQL_REMEMBERED), 0);
  else sqlite3_db_release_memory(store->db); /* pages that nobody asks for again */
  return more;
}

void ae_store_waiting_from (ae_store *store, int64_t sequence, int limit) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_WAITING);
  sqlite3_reset(s);
  sqlite3_bind_int64(s, 1, sequence);
  sqlite3_bind_int(s, 2, limit);
}

static int event_step (sqlite3_stmt *s, ae_store_event *event) {
  int more = ae_sql_step(s);
  if (more != 1) return more;
  event->sequence = sqlite3_column_int64(s, 0);
  event->received = sqlite3_column_int64(s, 1);
  event->subscription = ae_sql_column(s, 2);
  event->body = ae_sql_column(s, 3);
  return 1;
}

int ae_store_waiting_next (ae_store *store, ae_store_event *event) {
  return event_step(ae_store_use(store, AE_SQL_WAITING), event);
}

int ae_store_event_find (ae_store *store, int64_t sequence, ae_store_event *event) {
  sqlite3_bind_int64(ae_store_use(store, AE_SQL_FIND), 1, sequence);
  return event_step(ae_store_use(store, AE_SQL_FIND), event);
}

void ae_store_event_end (ae_store *store) {
  sqlite3_reset(ae_store_use(store, AE_SQL_FIND));
}

void ae_store_waiting_end (ae_store *store) {
  sqlite3_reset(ae_store_use(store, AE_SQL_WAITING));
}
