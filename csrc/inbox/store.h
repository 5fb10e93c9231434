/*
** store.h: the inbox's file (SQLite). Everything that knows SQL is
** behind this; it belongs to one thread. Functions that return bool return
** false when the file fails; ae_store_explain says why, before anything
** else is done with the store.
*/
#ifndef ALTINN_EVENTS_INBOX_STORE_H
#define ALTINN_EVENTS_INBOX_STORE_H

#include "inbox/inbox.h"

#define AE_STORE_VERSION 2

/* Opaque: the SQLite store is behind store_private.h. */
typedef struct ae_store ae_store;

/* An event; slices live until the next step, or the end. */
typedef struct ae_store_event {
  int64_t sequence, received;
  ae_slice subscription, body;
} ae_store_event;

/* An event that waits. */
typedef struct ae_store_waiting {
  ae_store_event event;
  int64_t runs;   /* that are not over */
  ae_slice rules; /* that want it, one a line; absent: not known */
} ae_store_waiting;

typedef enum ae_store_number {
  AE_NUMBER_LAST, /* the highest sequence ever seen */
  AE_NUMBER_WAITING,
  AE_NUMBER_DEAD,
  AE_NUMBER_ACT,    /* the last act by hand */
  AE_NUMBER_VERSION /* changes when somebody else wrote */
} ae_store_number;

/* What the file knows of a run. Times are ms since 1970. */
typedef struct ae_store_run {
  ae_run_state state; /* AE_RUN_NONE: nothing */
  int64_t attempt, due, changed;
  int64_t since; /* its first attempt, 0 = none */
  int64_t tries; /* attempts, those that ended in a wish too */
  bool has_line;
  uint64_t line; /* see lines.h */
} ae_store_run;

/* A run that is due. */
typedef struct ae_store_due {
  int64_t sequence, due;
  ae_slice rule;
  bool has_line; /* false: it was put back by hand */
  uint64_t line;
} ae_store_due;

/* What somebody did by hand. */
typedef struct ae_store_act {
  int64_t number, time, sequence;
  ae_slice what, rule;
} ae_store_act;

/* Opens or creates the file and takes the lock; AE_STORAGE and a sentence
** when it cannot be used: then *store is NULL. */
ae_code ae_store_open (const char *path, ae_store **store, ae_error *error);
/* NULL is allowed. */
void ae_store_close (ae_store *store);

/* Sets and returns store->moved: what is stored in a file that
** was removed or replaced would be lost. */
bool ae_store_moved (ae_store *store);

/* Fills *error with why the last call failed; returns its code. */
ae_code ae_store_explain (ae_store *store, ae_error *error);

/* Whether the result means that the file is damaged. */
bool ae_store_damaged (int result);

/* A transaction that writes; others that want to write wait meanwhile. */
bool ae_store_begin (ae_store *store);
/* On stable storage when it returns true. */
bool ae_store_commit (ae_store *store);
/* Also when SQLite has rolled back by itself. */
void ae_store_rollback (ae_store *store);

/* Between transactions, often: has the log brought into the database beside
** the writer, and does its own part of it, which is short. True: *warning
** tells the operator why the log grows. */
bool ae_store_checkpoint (ae_store *store, ae_error *warning);

/* Within a transaction. */
bool ae_store_append (ae_store *store, const ae_work *work);
/* The event waits for so many runs, of those rules (one a line). */
bool ae_store_wait (ae_store *store, int64_t sequence, int64_t runs, ae_slice rules);
/* The same of one that waits already. */
bool ae_store_rewait (ae_store *store, int64_t sequence, int64_t runs, ae_slice rules);
/* A run of the event is over; *finished: it was the last one, so the event
** waits no more. */
bool ae_store_run_over (ae_store *store, int64_t sequence, bool *finished);
/* The event waits no more. */
bool ae_store_finish (ae_store *store, int64_t sequence);
bool ae_store_remember (ae_store *store, const void *bytes, size_t size);
/* A final state stays: then *changed is false. */
bool ae_store_settle (ae_store *store, const ae_work *work, bool *changed);
/* The run, unless it is over, is abandoned for that reason; *changed as above. */
bool ae_store_abandon (ae_store *store, int64_t sequence, ae_slice rule, ae_slice reason,
                       int64_t time, bool *changed);
/* The run is due at another time, or its line is known now. */
bool ae_store_redue (ae_store *store, int64_t sequence, ae_slice rule, int64_t due,
                     int64_t changed, uint64_t line);
/* Sets work->prior and what belongs to it. For a run that is over nothing is
** recorded. */
bool ae_store_record (ae_store *store, ae_work *work);
bool ae_store_outcome (ae_store *store, const ae_work *work);
/* Writes something that means nothing. */
bool ae_store_touch (ae_store *store);

/* Reads one of the numbers. */
bool ae_store_number_read (ae_store *store, ae_store_number which, int64_t *out);
/* When the first event was received that has a run which does not wait for a
** later time (after `now`, ms since 1970) because its rule wished it. Looks at
** `most` events at most, those after *from: 1 = found, 0 = none of them, -1 =
** failed. *from becomes the last of them, and 0 where the search is over. */
int ae_store_oldest (ae_store *store, int64_t *from, int64_t now, int64_t most, int64_t *out);
/* What the file knows of a run. */
bool ae_store_run_find (ae_store *store, int64_t sequence, ae_slice rule, ae_store_run *run);
/* Walks the runs of an event: 1 = a run, 0 = the end, -1 = failed. */
void ae_store_runs_from (ae_store *store, int64_t sequence);
int ae_store_runs_next (ae_store *store, ae_slice *rule, ae_store_run *run);
void ae_store_runs_end (ae_store *store);

/* Walks the open runs that are due by `now`, after the one that is given (all
** zero: from the first), at most `limit` of them; end it in any case. */
void ae_store_due_from (ae_store *store, int64_t now, const ae_store_due *after, int limit);
int ae_store_due_next (ae_store *store, ae_store_due *due);
void ae_store_due_end (ae_store *store);
/* When the next run after that time is due; INT64_MAX: there is none. */
bool ae_store_next_due (ae_store *store, int64_t after, int64_t *due);

/* Walks the acts after `number`, at most `limit` of them; end it in any case. */
void ae_store_acts_from (ae_store *store, int64_t number, int limit);
int ae_store_acts_next (ae_store *store, ae_store_act *act);
void ae_store_acts_end (ae_store *store);

/* An event by its number: 1 = found, 0 = it is not there, -1 = failed; end
** it in any case. */
int ae_store_event_find (ae_store *store, int64_t sequence, ae_store_event *event);
void ae_store_event_end (ae_store *store);

/* Walks what is remembered: 1 = a row, 0 = the end, -1 = failed. */
int ae_store_remembered_next (ae_store *store, ae_slice *bytes);
/* The numbers of waiting events after `sequence`, in `list`, at most `limit`
** of them; how many, -1 = failed. */
int ae_store_waiting_list (ae_store *store, int64_t sequence, int64_t *list, int limit);
/* A waiting event: 1 = found, 0 = it does not wait, -1 = failed; end it in any
** case. */
int ae_store_waiting_find (ae_store *store, int64_t sequence, ae_store_waiting *waiting);
void ae_store_waiting_end (ae_store *store);

#endif
