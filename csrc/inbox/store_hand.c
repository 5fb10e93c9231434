/*
** store_hand.c: acts by hand. One transaction writes a row of `act` and the change
** of the run. A running host reads the rows and follows.
*/
#include "inbox/ask_private.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* SQLite has no queue for its lock: who waits for it looks again and again,
** after up to 25 ms at first. */
#define TURN_MS 30

/* A run that the deed applies to. */
typedef struct reached {
  char *rule;
  size_t length;
  ae_run_state state;
} reached;

typedef struct hand {
  ae_ask *ask;
  const ae_ask_deed *deed;
  reached *runs;
  size_t count, capacity;
  char reason[400]; /* for the run's row */
} hand;

static bool reaches (ae_ask_hand what, ae_run_state state) {
  switch (state) {
    case AE_RUN_NONE: return what == AE_HAND_DISCARD;
    case AE_RUN_DISCARDED: return what == AE_HAND_RETRY;
    case AE_RUN_DEAD:
    case AE_RUN_ABANDONED: return true;
    default: return !ae_run_state_is_final(state);
  }
}

static bool keep (hand *h, ae_slice rule, ae_run_state state) {
  reached *runs;
  if (h->count == h->capacity) {
    size_t capacity = h->capacity == 0 ? 16 : h->capacity * 2;
    runs = realloc(h->runs, capacity * sizeof *runs);
    if (runs == NULL) return false;
    h->runs = runs;
    h->capacity = capacity;
  }
  runs = &h->runs[h->count];
  runs->rule = malloc(rule.length + 1);
  if (runs->rule == NULL) return false;
  if (rule.length > 0) memcpy(runs->rule, rule.data, rule.length);
  runs->length = rule.length;
  runs->state = state;
  h->count++;
  return true;
}

/* Collects the runs that the deed applies to, also waiting ones without a row. */
static bool gather (hand *h, ae_error *error) {
  const ae_ask_deed *deed = h->deed;
  ae_asked_run run;
  int more;
  if (ae_ask_runs(h->ask, deed->sequence, error) != AE_OK) return false;
  while ((more = ae_ask_next_run(h->ask, &run)) == 1) {
    ae_run_state state = ae_run_state_of(run.state);
    if (deed->rule.data != NULL && !ae_slice_equal(run.rule, deed->rule)) continue;
    if (deed->state.data != NULL && !ae_slice_equal(run.state, deed->state)) continue;
    if (reaches(deed->hand, state) && !keep(h, run.rule, state)) return false;
  }
  return more == 0;
}

static bool step (ae_ask *ask, const char *sql, const hand *h, const reached *run) {
  sqlite3_stmt *s = NULL;
  ae_slice rule = {run->rule, run->length};
  const char *before = ae_run_state_name(run->state);
  const char *what = h->deed->hand == AE_HAND_RETRY ? "retry" : "discard";
  bool fine = sqlite3_prepare_v2(ask->db, sql, -1, &s, NULL) == SQLITE_OK;
  if (fine) {
    sqlite3_bind_int64(s, 1, h->deed->sequence);
    ae_sql_text(s, 2, rule);
    sqlite3_bind_int64(s, 3, h->deed->time);
    ae_sql_text(s, 4, (ae_slice){h->reason, strlen(h->reason)});
    ae_sql_text(s, 5, h->deed->who);
    ae_sql_text(s, 6, (ae_slice){what, strlen(what)});
    ae_sql_text(s, 7, h->deed->reason);
    ae_sql_text(s, 8, (ae_slice){before, strlen(before)});
    fine = ae_sql_run(s);
  }
  sqlite3_finalize(s);
  return fine;
}

static const char ACT[] = "INSERT INTO act(sequence, rule, time, who, what, reason, state)"
                          " VALUES(?1, ?2, ?3, ?5, ?6, ?7, ?8)";
static const char DISCARD[] =
  "INSERT INTO run(sequence, rule, state, attempt, due, reason, changed)"
  " VALUES(?1, ?2, 'discarded', 0, 0, ?4, ?3) ON CONFLICT(sequence, rule)"
  " DO UPDATE SET state = 'discarded', due = 0, reason = ?4, changed = ?3";
/* Retry: a run that is over begins anew; a run in an open state becomes due. */
static const char BEGIN_ANEW[] =
  "UPDATE run SET state = 'retry', attempt = 0, due = ?3, reason = ?4, changed = ?3,"
  " since = 0, line = NULL, tries = 0 WHERE sequence = ?1 AND rule = ?2";
static const char MAKE_DUE[] =
  "UPDATE run SET due = ?3, changed = ?3 WHERE sequence = ?1 AND rule = ?2";
static const char WAIT_AGAIN[] =
  "INSERT INTO waiting(sequence, runs, rules) VALUES(?1, 1, ?2)"
  " ON CONFLICT(sequence) DO UPDATE SET runs = runs + 1, rules = CASE"
  " WHEN " AE_SQL_LISTED("rules", "?2") " THEN rules ELSE rules || char(10) || ?2 END";
static const char WAIT_LESS[] =
  "UPDATE waiting SET runs = runs - 1 WHERE sequence = ?1 AND runs > 0";
static const char WAIT_NO_MORE[] =
  "DELETE FROM waiting WHERE sequence = ?1 AND runs = 0 AND rules IS NOT NULL";

static bool discard (hand *h, const reached *run) {
  if (!step(h->ask, DISCARD, h, run)) return false;
  return ae_run_state_is_final(run->state) ||
         (step(h->ask, WAIT_LESS, h, run) && step(h->ask, WAIT_NO_MORE, h, run));
}

static bool retry (hand *h, const reached *run) {
  if (!ae_run_state_is_final(run->state)) return step(h->ask, MAKE_DUE, h, run);
  return step(h->ask, BEGIN_ANEW, h, run) && step(h->ask, WAIT_AGAIN, h, run);
}

static bool carry_out (hand *h) {
  for (size_t i = 0; i < h->count; i++) {
    const reached *run = &h->runs[i];
    if (!step(h->ask, ACT, h, run)) return false;
    if (!(h->deed->hand == AE_HAND_RETRY ? retry(h, run) : discard(h, run))) return false;
  }
  return true;
}

static bool execute (ae_ask *ask, const char *sql) {
  return sqlite3_exec(ask->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

ae_code ae_ask_begin (ae_ask *ask, ae_error *error) {
  return execute(ask, "BEGIN IMMEDIATE") ? AE_OK : ae_ask_why(ask, error);
}

ae_code ae_ask_end (ae_ask *ask, ae_error *error) {
  const struct timespec turn = {0, TURN_MS * 1000000L};
  if (!execute(ask, "COMMIT")) {
    ae_code code = ae_ask_why(ask, error);
    if (!sqlite3_get_autocommit(ask->db)) (void)execute(ask, "ROLLBACK");
    return code;
  }
  (void)nanosleep(&turn, NULL);
  return AE_OK;
}

static bool transact (hand *h, ae_error *error) {
  const bool alone = sqlite3_get_autocommit(h->ask->db) != 0;
  bool fine = (!alone || execute(h->ask, "BEGIN IMMEDIATE")) && gather(h, error);
  sqlite3_finalize(h->ask->rows);
  h->ask->rows = NULL;
  fine = fine && carry_out(h) && (!alone || execute(h->ask, "COMMIT"));
  if (!fine) (void)ae_ask_why(h->ask, error);
  if (!fine && !sqlite3_get_autocommit(h->ask->db)) (void)execute(h->ask, "ROLLBACK");
  return fine;
}

static void explain (hand *h) {
  const char *what = h->deed->hand == AE_HAND_RETRY ? "put back by hand" : "discarded by hand";
  ae_slice why = h->deed->reason;
  if (why.length == 0) snprintf(h->reason, sizeof h->reason, "%s", what);
  else
    snprintf(h->reason, sizeof h->reason, "%s: %.*s", what,
             (int)(why.length < 360 ? why.length : 360), why.data);
}

ae_code ae_ask_do (ae_ask *ask, const ae_ask_deed *deed,
                   void (*each)(void *context, ae_slice rule, ae_run_state before),
                   void *context, ae_error *error) {
  hand h = {.ask = ask, .deed = deed};
  bool fine;
  explain(&h);
  fine = transact(&h, error);
  for (size_t i = 0; i < h.count; i++) {
    ae_slice rule = {h.runs[i].rule, h.runs[i].length};
    if (fine) each(context, rule, h.runs[i].state);
    free(h.runs[i].rule);
  }
  free(h.runs);
  return fine ? AE_OK : AE_STORAGE;
}
