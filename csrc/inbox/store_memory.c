/*
** store_memory.c: what the inbox's file holds of a run beside its state: the results
** of its steps, the memory of its rule, its unfinished effects, its timer;
** and versions of rules.
*/
#include "inbox/store_private.h"

#include <sqlite3.h>
#include <stdlib.h>

/* Binds the parameters that most keys begin with. */
static sqlite3_stmt *use_run (ae_store *store, int which, int64_t sequence, ae_slice rule) {
  sqlite3_stmt *s = ae_store_use(store, which);
  sqlite3_bind_int64(s, 1, sequence);
  ae_sql_text(s, 2, rule);
  return s;
}

static sqlite3_stmt *use_thing (ae_store *store, int which, const ae_work *work) {
  sqlite3_stmt *s = ae_store_use(store, which);
  ae_sql_text(s, 1, work->rule);
  ae_sql_text(s, 2, work->thing);
  return s;
}

/* Memory of the thing that has expired is deleted with the next change, and with one of a
** rule in force what the rule in the shadow remembered. */
static bool expire (ae_store *store, const ae_work *work) {
  sqlite3_stmt *s = use_thing(store, AE_SQL_EXPIRE, work);
  sqlite3_bind_int64(s, 3, work->time);
  sqlite3_bind_int64(s, 4, work->shadow);
  return ae_sql_run(s);
}

/* A rule in the shadow leaves what it remembered in force alone: it forgets by `null`. */
bool ae_store_keep (ae_store *store, const ae_work *work) {
  const bool none = work->value.data == NULL, forget = none && work->shadow == 0;
  sqlite3_stmt *s = use_thing(store, forget ? AE_SQL_FORGET : AE_SQL_KEEP, work);
  ae_sql_text(s, 3, work->name);
  if (!forget) {
    ae_sql_text(s, 4, none ? AE_LITERAL("null") : work->value);
    sqlite3_bind_int64(s, 5, work->expires);
    sqlite3_bind_int64(s, 6, work->time);
    sqlite3_bind_int64(s, 7, work->shadow);
  }
  return ae_sql_run(s) && expire(store, work);
}

bool ae_store_step (ae_store *store, const ae_work *work) {
  sqlite3_stmt *s = use_run(store, AE_SQL_STEP, work->sequence, work->rule);
  ae_sql_text(s, 3, work->name);
  sqlite3_bind_int64(s, 4, work->place);
  ae_sql_text(s, 5, work->value);
  ae_sql_version(s, 6, work->version);
  sqlite3_bind_int64(s, 7, work->time);
  return ae_sql_run(s);
}

bool ae_store_reading (ae_store *store, const ae_work *work) {
  sqlite3_stmt *s = use_run(store, AE_SQL_READING, work->sequence, work->rule);
  sqlite3_bind_int64(s, 3, work->attempt);
  sqlite3_bind_int64(s, 4, work->place);
  sqlite3_bind_int64(s, 5, work->time);
  ae_sql_text(s, 6, work->thing);
  ae_sql_text(s, 7, work->name);
  if (work->status == 0) sqlite3_bind_null(s, 8);
  else sqlite3_bind_int64(s, 8, work->status);
  ae_sql_text(s, 9, work->cause);
  ae_sql_text(s, 10, work->value);
  sqlite3_bind_int64(s, 11, work->cut);
  return ae_sql_run(s);
}

/* Copies the columns of a row. NULL: no memory. */
static ae_recalled *copy_row (sqlite3_stmt *s, ae_recalled_kind kind) {
  const int columns = sqlite3_column_count(s);
  ae_recalled *row;
  size_t size = 1;
  char *at;
  for (int i = 0; i < columns; i++) size += ae_sql_column(s, i).length;
  row = calloc(1, sizeof *row + size);
  if (row == NULL) return NULL;
  row->kind = kind;
  at = row->bytes;
  for (int i = 0; i < columns && i < 4; i++) {
    ae_slice text = ae_sql_column(s, i);
    if (text.length > 0) memcpy(at, text.data, text.length);
    row->texts[i] = (ae_slice){at, text.length};
    at += text.length;
  }
  return row;
}

void ae_recalled_free (ae_recalled *list) {
  while (list != NULL) {
    ae_recalled *next = list->next;
    free(list);
    list = next;
  }
}

/* Appends the rows of a query at *end, which moves on. */
static bool collect (sqlite3_stmt *s, ae_recalled_kind kind, ae_recalled ***end) {
  int more;
  while ((more = ae_sql_step(s)) == 1) {
    **end = copy_row(s, kind);
    if (**end == NULL) break;
    *end = &(**end)->next;
  }
  sqlite3_reset(s);
  return more == 0;
}

bool ae_store_recall (ae_store *store, ae_work *work) {
  ae_recalled **end = &work->recalled;
  sqlite3_stmt *memory = use_thing(store, AE_SQL_MEMORY, work);
  sqlite3_bind_int64(memory, 3, work->time);
  sqlite3_bind_int64(memory, 4, work->shadow);
  return collect(use_run(store, AE_SQL_STEPS, work->sequence, work->rule), AE_RECALLED_STEP,
                 &end) &&
         collect(memory, AE_RECALLED_MEMORY, &end) &&
         collect(use_run(store, AE_SQL_UNFINISHED, work->sequence, work->rule),
                 AE_RECALLED_EFFECT, &end);
}

int ae_store_entry_find (ae_store *store, int64_t sequence, ae_slice rule,
                         ae_store_entry *entry) {
  sqlite3_stmt *s = use_run(store, AE_SQL_ENTRY, sequence, rule);
  int found = ae_sql_step(s);
  memset(entry, 0, sizeof *entry);
  if (found != 1) return found;
  entry->entry = ae_sql_column(s, 0);
  entry->timer = ae_sql_column(s, 1);
  entry->cause = ae_sql_column(s, 2);
  return 1;
}

void ae_store_entry_end (ae_store *store) {
  sqlite3_reset(ae_store_use(store, AE_SQL_ENTRY));
}

int ae_store_remembers_next (ae_store *store, ae_slice after, ae_slice *rule) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_REMEMBERS);
  int found;
  sqlite3_reset(s);
  sqlite3_bind_text64(s, 1, after.data, after.length, SQLITE_TRANSIENT, SQLITE_UTF8);
  found = ae_sql_step(s);
  if (found != 1) return found;
  *rule = ae_sql_column(s, 0);
  if (rule->data != NULL) return 1;
  return sqlite3_reset(s) == SQLITE_OK ? 0 : -1;
}

static sqlite3_stmt *use_timer (ae_store *store, int which, const ae_work *work) {
  sqlite3_stmt *s = ae_store_use(store, which);
  ae_sql_text(s, 1, work->thing);
  ae_sql_text(s, 2, work->rule);
  ae_sql_text(s, 3, work->timer_key.data == NULL ? AE_LITERAL("") : work->timer_key);
  return s;
}

int ae_store_timer_find (ae_store *store, const ae_work *work, int64_t *sequence) {
  sqlite3_stmt *s = use_timer(store, AE_SQL_TIMER, work);
  int found = ae_sql_step(s);
  if (found != 1) return found;
  *sequence = sqlite3_column_int64(s, 0);
  return sqlite3_reset(s) == SQLITE_OK ? 1 : -1;
}

bool ae_store_timer_set (ae_store *store, const ae_work *work) {
  sqlite3_stmt *s = use_timer(store, AE_SQL_TIMER_SET, work);
  sqlite3_bind_int64(s, 4, work->sequence);
  ae_sql_text(s, 5, work->cancel);
  return ae_sql_run(use_run(store, AE_SQL_TIMER_GONE, work->sequence, work->rule)) &&
         ae_sql_run(s);
}

bool ae_store_end_timer (ae_store *store, int64_t sequence, ae_slice rule, ae_slice reason,
                         int64_t time, bool *changed) {
  sqlite3_stmt *s = use_run(store, AE_SQL_TIMER_END, sequence, rule);
  ae_sql_text(s, 3, reason);
  sqlite3_bind_int64(s, 4, time);
  if (!ae_sql_run(s)) return false;
  *changed = sqlite3_changes(store->db) > 0;
  return true;
}

void ae_store_timers_from (ae_store *store, ae_slice thing, ae_slice type) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_TIMERS);
  sqlite3_reset(s);
  ae_sql_text(s, 1, thing);
  ae_sql_text(s, 2, type);
}

int ae_store_timers_next (ae_store *store, ae_slice *rule, int64_t *sequence) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_TIMERS);
  int more = ae_sql_step(s);
  if (more != 1) return more;
  *rule = ae_sql_column(s, 0);
  *sequence = sqlite3_column_int64(s, 1);
  return 1;
}

void ae_store_timers_end (ae_store *store) {
  sqlite3_reset(ae_store_use(store, AE_SQL_TIMERS));
}

int ae_store_cancels_next (ae_store *store, ae_slice *types) {
  sqlite3_stmt *s = ae_store_use(store, AE_SQL_CANCELS);
  int more = ae_sql_step(s);
  if (more == 1) *types = ae_sql_column(s, 0);
  return more;
}

bool ae_store_version (ae_store *store, const ae_work *work) {
  sqlite3_stmt *s = use_run(store, AE_SQL_VERSION, work->version, work->rule);
  ae_sql_text(s, 3, work->name);
  ae_sql_text(s, 4, work->value);
  sqlite3_bind_int64(s, 5, work->time);
  return ae_sql_run(s);
}
