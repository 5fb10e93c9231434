/*
** store_runs.c: events, runs and effects in the inbox's file.
*/
#include "inbox/store_private.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

bool ae_store_append (ae_store *store, const ae_work *work) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_APPEND);
  sqlite3_bind_int64(s, 1, work->sequence);
  sqlite3_bind_int64(s, 2, work->time);
  ae_sql_text(s, 3, work->subscription);
  ae_sql_text(s, 4, work->body);
  return ae_sql_run(s);
}

static bool wait (ae_store *store, int which, int64_t sequence, int64_t runs, ae_slice rules) {
  sqlite3_stmt *s = ae_store_use(store, which);
  sqlite3_bind_int64(s, 1, sequence);
  sqlite3_bind_int64(s, 2, runs);
  ae_sql_text(s, 3, rules);
  return ae_sql_run(s);
}

bool ae_store_wait (ae_store *store, int64_t sequence, int64_t runs, ae_slice rules) {
  return wait(store, AE_SQL_WAIT, sequence, runs, rules);
}

bool ae_store_rewait (ae_store *store, int64_t sequence, int64_t runs, ae_slice rules) {
  return wait(store, AE_SQL_REWAIT, sequence, runs, rules);
}

/* Runs a statement whose only parameter is the sequence. */
static bool run_for (ae_store *store, int which, int64_t sequence, bool *changed) {
  sqlite3_bind_int64(ae_store_use(store, which), 1, sequence);
  if (!ae_sql_run(ae_store_use(store, which))) return false;
  *changed = sqlite3_changes(store->db) > 0;
  return true;
}

bool ae_store_run_over (ae_store *store, int64_t sequence, bool *finished) {
  bool any;
  if (!run_for(store, AE_SQL_FINISH_LAST, sequence, finished)) return false;
  return *finished || run_for(store, AE_SQL_FINISH_ONE, sequence, &any);
}

bool ae_store_finish (ae_store *store, int64_t sequence) {
  bool any;
  return run_for(store, AE_SQL_FINISH, sequence, &any);
}

bool ae_store_remember (ae_store *store, const void *bytes, size_t size) {
  sqlite3_bind_blob64(ae_store_use(store, AE_SQL_REMEMBER), 1, bytes, size, SQLITE_STATIC);
  return ae_sql_run(ae_store_use(store, AE_SQL_REMEMBER));
}

bool ae_store_started (ae_store *store, int64_t time) {
  sqlite3_bind_int64(ae_store_use(store, AE_SQL_STARTED), 1, time);
  return ae_sql_run(ae_store_use(store, AE_SQL_STARTED));
}

bool ae_store_touch (ae_store *store) {
  return ae_sql_run(ae_store_use(store, AE_SQL_TOUCH));
}

static void bind_name (sqlite3_stmt *s, int at, const char *name) {
  ae_sql_text(s, at, (ae_slice){name, strlen(name)});
}

static bool settle (ae_store *store, int which, const ae_work *work, bool *changed) {
  sqlite3_stmt *s = ae_store_use(store, which);
  sqlite3_bind_int64(s, 1, work->sequence);
  ae_sql_text(s, 2, work->rule);
  bind_name(s, 3, ae_run_state_name(work->run_state));
  sqlite3_bind_int64(s, 4, work->attempt);
  sqlite3_bind_int64(s, 5, work->due);
  ae_sql_text(s, 6, work->reason);
  sqlite3_bind_int64(s, 7, work->time);
  sqlite3_bind_int64(s, 8, work->since);
  if (ae_run_state_is_final(work->run_state) || ae_work_is_aside(work))
    sqlite3_bind_null(s, 9);
  else sqlite3_bind_int64(s, 9, (int64_t)work->line);
  sqlite3_bind_int64(s, 10, work->tries);
  ae_sql_version(s, 11, work->version);
  ae_sql_text(s, 12, work->cause);
  ae_sql_text(s, 13, work->would);
  ae_sql_text(s, 14, work->entry);
  ae_sql_text(s, 15, work->timer);
  if (!ae_sql_run(s)) return false;
  *changed = sqlite3_changes(store->db) > 0;
  return true;
}

/* An INSERT, then an UPDATE. A single UPSERT could fire the trigger `run_kept`, so
** SQLite would allocate a statement journal of 64 KiB for each. Most runs are
** settled once: the INSERT is enough. */
bool ae_store_settle (ae_store *store, const ae_work *work, bool *changed) {
  return settle(store, AE_SQL_SETTLE_FIRST, work, changed) &&
         (*changed || settle(store, AE_SQL_SETTLE_AGAIN, work, changed));
}

bool ae_store_abandon (ae_store *store, int64_t sequence, ae_slice rule, ae_slice reason,
                       int64_t time, bool *changed) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_ABANDON);
  sqlite3_bind_int64(s, 1, sequence);
  ae_sql_text(s, 2, rule);
  ae_sql_text(s, 3, reason);
  sqlite3_bind_int64(s, 4, time);
  if (!ae_sql_run(s)) return false;
  *changed = sqlite3_changes(store->db) > 0;
  return true;
}

bool ae_store_redue (ae_store *store, int64_t sequence, ae_slice rule, int64_t due,
                     int64_t changed, uint64_t line) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_REDUE);
  sqlite3_bind_int64(s, 1, sequence);
  ae_sql_text(s, 2, rule);
  sqlite3_bind_int64(s, 3, due);
  sqlite3_bind_int64(s, 4, changed);
  sqlite3_bind_int64(s, 5, (int64_t)line);
  return ae_sql_run(s);
}

static sqlite3_stmt *use_for (ae_store *store, int which, const ae_work *work) {
  sqlite3_stmt *s = ae_store_use(store, which);
  ae_sql_text(s, 1, work->key);
  sqlite3_bind_int64(s, 2, work->sequence);
  ae_sql_text(s, 3, work->rule);
  return s;
}

static bool keep_request (ae_work *work, ae_slice request) {
  work->earlier = malloc(request.length + 1);
  if (work->earlier == NULL) return false;
  if (request.length > 0) memcpy(work->earlier, request.data, request.length);
  work->earlier_length = request.length;
  return true;
}

/* Sets work->prior for an effect whose key is recorded already. False: no memory. */
static bool judge_effect (ae_work *work, sqlite3_stmt *s, ae_effect_state state) {
  work->prior_event = sqlite3_column_int64(s, 1);
  if (state == AE_EFFECT_SENT) work->prior = AE_PRIOR_SENT;
  else if (sqlite3_column_int(s, 3) != 0) work->prior = AE_PRIOR_HELD;
  else if (state == AE_EFFECT_NOT_SENT || state == AE_EFFECT_REFUSED ||
           sqlite3_column_type(s, 2) == SQLITE_NULL) /* migrated from version 1 */
    work->prior = AE_PRIOR_NONE;
  else {
    work->prior = AE_PRIOR_UNKNOWN;
    return keep_request(work, ae_sql_column(s, 2));
  }
  return true;
}

/* Reads the effect that is recorded under the key, and sets work->prior. */
static bool look_up (ae_store *store, ae_work *work) {
  sqlite3_stmt *s = use_for(store, AE_SQL_EFFECT, work);
  bool fine = sqlite3_step(s) == SQLITE_ROW &&
              judge_effect(work, s, ae_effect_state_of(ae_sql_column(s, 0)));
  return sqlite3_reset(s) == SQLITE_OK && fine;
}

/* Binds the fields of a new effect. */
static sqlite3_stmt *use_record (ae_store *store, int which, const ae_work *work) {
  sqlite3_stmt *s = use_for(store, which, work);
  ae_sql_text(s, 4, work->target);
  ae_sql_text(s, 5, work->request);
  sqlite3_bind_int64(s, 6, work->time);
  ae_sql_version(s, 7, work->version);
  sqlite3_bind_int64(s, 8, work->place);
  return s;
}

/* Records an effect. An effect of that key which was not sent passes to this run:
** with the new request when the old one certainly did not take effect, else with
** the old request. */
static bool record (ae_store *store, ae_work *work) {
  if (!ae_sql_run(use_record(store, AE_SQL_RECORD, work))) return false;
  if (sqlite3_changes(store->db) > 0) return true;
  if (!look_up(store, work)) return false;
  switch (work->prior) {
    case AE_PRIOR_NONE: return ae_sql_run(use_record(store, AE_SQL_RECORD_ANEW, work));
    case AE_PRIOR_UNKNOWN: return ae_sql_run(use_for(store, AE_SQL_ADOPT, work));
    default: return true;
  }
}

bool ae_store_record (ae_store *store, ae_work *work) {
  ae_store_run run;
  work->prior = AE_PRIOR_NONE;
  if (!ae_store_run_find(store, work->sequence, work->rule, &run)) return false;
  if (!ae_run_state_is_final(run.state)) return record(store, work);
  work->prior = AE_PRIOR_OVER;
  return true;
}

bool ae_store_outcome (ae_store *store, const ae_work *work) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_OUTCOME);
  ae_sql_text(s, 1, work->key);
  bind_name(s, 2, ae_effect_state_name(work->effect_state));
  if (work->status == 0) sqlite3_bind_null(s, 3);
  else sqlite3_bind_int64(s, 3, work->status);
  sqlite3_bind_int64(s, 4, work->attempt);
  ae_sql_text(s, 5, work->reason);
  sqlite3_bind_int64(s, 6, work->time);
  ae_sql_text(s, 7, work->answer);
  return ae_sql_run(s);
}

/* The highest number of an event, also in `run` and `waiting`: no number is given
** twice, even when somebody deleted events by hand. */
#define LAST_SQL \
  "SELECT max(coalesce((SELECT max(sequence) FROM event), 0)," \
  " coalesce((SELECT max(sequence) FROM waiting), 0)," \
  " coalesce((SELECT max(sequence) FROM run), 0))"

bool ae_store_number_read (ae_store *store, ae_store_number which, int64_t *out) {
  sqlite3_stmt *s;
  bool found;
  if (which == AE_NUMBER_LAST) return ae_store_number_of(store, LAST_SQL, out);
  s = ae_store_use(store, which == AE_NUMBER_WAITING  ? AE_SQL_COUNT_WAITING
                          : which == AE_NUMBER_DEAD   ? AE_SQL_COUNT_DEAD
                          : which == AE_NUMBER_TIMERS ? AE_SQL_ANY_TIMER
                          : which == AE_NUMBER_ACT    ? AE_SQL_LAST_ACT
                                                      : AE_SQL_DATA_VERSION);
  found = sqlite3_step(s) == SQLITE_ROW;
  if (found) *out = sqlite3_column_int64(s, 0);
  return sqlite3_reset(s) == SQLITE_OK && found;
}

int ae_store_oldest (ae_store *store, int64_t *from, int64_t now, int64_t most, int64_t *out) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_OLDEST);
  int64_t seen = 0;
  bool found = false;
  sqlite3_bind_int64(s, 1, *from);
  sqlite3_bind_int64(s, 2, now);
  sqlite3_bind_int64(s, 3, most);
  while (!found && sqlite3_step(s) == SQLITE_ROW) {
    seen++;
    *from = sqlite3_column_int64(s, 0);
    found = sqlite3_column_type(s, 1) != SQLITE_NULL;
    if (found) *out = sqlite3_column_int64(s, 1);
  }
  if (sqlite3_reset(s) != SQLITE_OK) return -1;
  if (found || seen < most) *from = 0;
  return found;
}

/* A row of `run`. */
static void read_run (sqlite3_stmt *s, ae_store_run *run) {
  run->state = ae_run_state_of(ae_sql_column(s, 1));
  run->attempt = sqlite3_column_int64(s, 2);
  run->due = sqlite3_column_int64(s, 3);
  run->changed = sqlite3_column_int64(s, 4);
  run->since = sqlite3_column_int64(s, 5);
  run->has_line = sqlite3_column_type(s, 6) != SQLITE_NULL;
  run->line = (uint64_t)sqlite3_column_int64(s, 6);
  run->tries = sqlite3_column_int64(s, 7);
  run->free = !run->has_line && (run->state == AE_RUN_HELD || (run->state == AE_RUN_LATER &&
                                                               sqlite3_column_int(s, 8) != 0));
  /* A state that is not in the list is another program's: treat the run as over. */
  if (run->state == AE_RUN_NONE) run->state = AE_RUN_DISCARDED;
}

bool ae_store_run_find (ae_store *store, int64_t sequence, ae_slice rule,
                        ae_store_run *found) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_RUN);
  memset(found, 0, sizeof *found);
  sqlite3_bind_int64(s, 1, sequence);
  ae_sql_text(s, 2, rule);
  if (sqlite3_step(s) == SQLITE_ROW) read_run(s, found);
  return sqlite3_reset(s) == SQLITE_OK;
}

void ae_store_runs_from (ae_store *store, int64_t sequence) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_RUNS);
  sqlite3_reset(s);
  sqlite3_bind_int64(s, 1, sequence);
}

int ae_store_runs_next (ae_store *store, ae_slice *rule, ae_store_run *run) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_RUNS);
  int more = ae_sql_step(s);
  if (more != 1) return more;
  *rule = ae_sql_column(s, 0);
  read_run(s, run);
  return 1;
}

void ae_store_runs_end (ae_store *store) {
  sqlite3_reset(ae_store_use(store, AE_SQL_RUNS));
}

void ae_store_due_from (ae_store *store, int64_t now, const ae_store_due *after, int limit) {
  const ae_slice rule = after->rule.data == NULL ? AE_LITERAL("") : after->rule;
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_DUE);
  sqlite3_reset(s);
  sqlite3_bind_int64(s, 1, now);
  sqlite3_bind_int64(s, 2, after->due);
  sqlite3_bind_int64(s, 3, after->sequence);
  /* An absent rule is "", which sorts before all others. The text is copied: the
  ** caller changes its own during the walk. */
  sqlite3_bind_text64(s, 4, rule.data, rule.length, SQLITE_TRANSIENT, SQLITE_UTF8);
  sqlite3_bind_int(s, 5, limit);
}

int ae_store_due_next (ae_store *store, ae_store_due *due) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_DUE);
  int more = ae_sql_step(s);
  if (more != 1) return more;
  due->sequence = sqlite3_column_int64(s, 0);
  due->rule = ae_sql_column(s, 1);
  due->due = sqlite3_column_int64(s, 2);
  due->has_line = sqlite3_column_type(s, 3) != SQLITE_NULL;
  due->line = (uint64_t)sqlite3_column_int64(s, 3);
  return 1;
}

void ae_store_due_end (ae_store *store) {
  sqlite3_reset(ae_store_use(store, AE_SQL_DUE));
}

bool ae_store_next_due (ae_store *store, int64_t after, int64_t *due) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_NEXT_DUE);
  bool fine;
  sqlite3_bind_int64(s, 1, after);
  fine = sqlite3_step(s) == SQLITE_ROW;
  *due = fine && sqlite3_column_type(s, 0) != SQLITE_NULL ? sqlite3_column_int64(s, 0)
                                                          : INT64_MAX;
  return sqlite3_reset(s) == SQLITE_OK && fine;
}

void ae_store_acts_from (ae_store *store, int64_t number, int limit) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_ACTS);
  sqlite3_reset(s);
  sqlite3_bind_int64(s, 1, number);
  sqlite3_bind_int(s, 2, limit);
}

int ae_store_acts_next (ae_store *store, ae_store_act *act) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_ACTS);
  int more = ae_sql_step(s);
  if (more != 1) return more;
  act->number = sqlite3_column_int64(s, 0);
  act->time = sqlite3_column_int64(s, 1);
  act->what = ae_sql_column(s, 2);
  act->sequence = sqlite3_column_int64(s, 3);
  act->rule = ae_sql_column(s, 4);
  return 1;
}

void ae_store_acts_end (ae_store *store) {
  sqlite3_reset(ae_store_use(store, AE_SQL_ACTS));
}

int ae_store_remembered_next (ae_store *store, ae_slice *bytes) {
  int more = ae_sql_step(ae_store_use(store, AE_SQL_REMEMBERED));
  if (more == 1) *bytes = ae_sql_column(ae_store_use(store, AE_SQL_REMEMBERED), 0);
  else sqlite3_db_release_memory(store->db); /* cached pages that are not read again */
  return more;
}

int ae_store_waiting_list (ae_store *store, int64_t sequence, int64_t *list, int limit) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_WAITING);
  int count = 0, more;
  sqlite3_bind_int64(s, 1, sequence);
  sqlite3_bind_int(s, 2, limit);
  while ((more = ae_sql_step(s)) == 1 && count < limit)
    list[count++] = sqlite3_column_int64(s, 0);
  sqlite3_reset(s);
  return more < 0 ? -1 : count;
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

int ae_store_waiting_find (ae_store *store, int64_t sequence, ae_store_waiting *waiting) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_WAITS);
  int found;
  sqlite3_reset(s);
  sqlite3_bind_int64(s, 1, sequence);
  found = event_step(s, &waiting->event);
  if (found != 1) return found;
  waiting->runs = sqlite3_column_int64(s, 4);
  waiting->rules = ae_sql_column(s, 5);
  return 1;
}

int ae_store_event_find (ae_store *store, int64_t sequence, ae_store_event *event) {
  sqlite3_reset(ae_store_use(store, AE_SQL_FIND));
  sqlite3_bind_int64(ae_store_use(store, AE_SQL_FIND), 1, sequence);
  return event_step(ae_store_use(store, AE_SQL_FIND), event);
}

void ae_store_event_end (ae_store *store) {
  sqlite3_reset(ae_store_use(store, AE_SQL_FIND));
}

void ae_store_waiting_end (ae_store *store) {
  sqlite3_reset(ae_store_use(store, AE_SQL_WAITS));
}
