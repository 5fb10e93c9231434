/*
** store.h: the inbox's file (SQLite). All code that knows SQL is behind this
** header. A store belongs to one thread. A function that returns bool returns
** false when the file fails or there is no memory. ae_store_explain, called
** before any other function of the store, says why.
*/
#ifndef ALTINN_EVENTS_INBOX_STORE_H
#define ALTINN_EVENTS_INBOX_STORE_H

#include "inbox/inbox.h"

#define AE_STORE_VERSION 4

/* The length of the file's own secret key. */
#define AE_STORE_KEY_BYTES AE_INBOX_KEY_BYTES

/* Opaque: the SQLite store is behind store_private.h. */
typedef struct ae_store ae_store;

typedef struct ae_store_options {
  const char *path;
  bool alone;               /* no thread of its own copies the log: see store_checkpoint.c */
  const unsigned char *key; /* of a new file, AE_STORE_KEY_BYTES; NULL: a random one */
} ae_store_options;

/* An event; slices live until the next step, or the end. */
typedef struct ae_store_event {
  int64_t sequence, received;
  ae_slice subscription, body;
} ae_store_event;

/* An event that waits. */
typedef struct ae_store_waiting {
  ae_store_event event;
  int64_t runs;   /* runs that are not over */
  ae_slice rules; /* names of the rules that want it, one a line; absent: not known */
} ae_store_waiting;

typedef enum ae_store_number {
  AE_NUMBER_LAST, /* the highest sequence ever seen */
  AE_NUMBER_WAITING,
  AE_NUMBER_DEAD,
  AE_NUMBER_TIMERS, /* 0 = there is none */
  AE_NUMBER_ACT,    /* the last act by hand */
  AE_NUMBER_VERSION /* changes when another connection writes */
} ae_store_number;

/* What the file knows of a run. Times are ms since 1970. */
typedef struct ae_store_run {
  ae_run_state state; /* AE_RUN_NONE: the run has no row */
  int64_t attempt, due, changed;
  int64_t since; /* the first failed attempt, 0 = none */
  int64_t tries; /* all attempts: failed ones, and those that asked for a later time */
  bool has_line;
  uint64_t line; /* see lines.h */
  bool free;     /* it waits for its timer, or was held aside: it stands in no line */
} ae_store_run;

/* What a run goes on with: see ae_run. */
typedef struct ae_store_entry {
  ae_slice entry, timer, cause;
} ae_store_entry;

/* A run that is due. */
typedef struct ae_store_due {
  int64_t sequence, due;
  ae_slice rule;
  bool has_line; /* false: it was put back by hand */
  uint64_t line;
} ae_store_due;

/* An act by hand. */
typedef struct ae_store_act {
  int64_t number, time, sequence;
  ae_slice what, rule;
} ae_store_act;

/* Opens or creates the file, and locks it. AE_STORAGE with a sentence when the file
** cannot be used, or AE_MEMORY; then *store is NULL. */
ae_code ae_store_open (const ae_store_options *options, ae_store **store, ae_error *error);
/* Closing the file will leave its log as it is. */
void ae_store_leave (ae_store *store);
/* NULL is allowed. */
void ae_store_close (ae_store *store);

/* Whether the database or its log was removed or replaced since it was opened: all
** that is stored there would be lost. While it is so, no transaction begins. */
bool ae_store_moved (ae_store *store);

/* Fills *error with why the last call failed; returns its code. */
ae_code ae_store_explain (ae_store *store, ae_error *error);

/* Whether the result means that the file is damaged. */
bool ae_store_damaged (int result);

/* Begins a transaction that writes; other writers of the file wait meanwhile. */
bool ae_store_begin (ae_store *store);
/* Commits. True: the transaction is on stable storage. */
bool ae_store_commit (ae_store *store);
/* Rolls back; does nothing when SQLite has rolled back by itself. */
void ae_store_rollback (ae_store *store);

/* Checkpoints, when the log is long enough: another thread copies the log into the
** database, and a later call copies the short rest. Call it often, between
** transactions. True: *warning tells the operator why the log grows. */
bool ae_store_checkpoint (ae_store *store, ae_error *warning);

/* Within a transaction. */
bool ae_store_append (ae_store *store, const ae_work *work);
/* The event waits for `runs` runs, of `rules` (names, one a line). */
bool ae_store_wait (ae_store *store, int64_t sequence, int64_t runs, ae_slice rules);
/* The same for an event that waits already. */
bool ae_store_rewait (ae_store *store, int64_t sequence, int64_t runs, ae_slice rules);
/* A run of the event is over; *finished: it was the last one, so the event
** waits no more. */
bool ae_store_run_over (ae_store *store, int64_t sequence, bool *finished);
/* The event waits no more. */
bool ae_store_finish (ae_store *store, int64_t sequence);
bool ae_store_remember (ae_store *store, const void *bytes, size_t size);
/* A host started at that time, ms since 1970. */
bool ae_store_started (ae_store *store, int64_t time);
/* Writes the run's new state. A final state stays: then *changed is false. */
bool ae_store_settle (ae_store *store, const ae_work *work, bool *changed);
/* Abandons the run, unless it is over; *changed: it was not over. */
bool ae_store_abandon (ae_store *store, int64_t sequence, ae_slice rule, ae_slice reason,
                       int64_t time, bool *changed);
/* Writes the run's new due time and its line. */
bool ae_store_redue (ae_store *store, int64_t sequence, ae_slice rule, int64_t due,
                     int64_t changed, uint64_t line);
/* Records an effect before it is sent, and sets work->prior, prior_event, earlier
** and earlier_length. Records nothing for a run that is over. */
bool ae_store_record (ae_store *store, ae_work *work);
bool ae_store_outcome (ae_store *store, const ae_work *work);
/* Stores what the rule remembers, or forgets it. */
bool ae_store_keep (ae_store *store, const ae_work *work);
/* Stores the result of a step. One that is stored already stays. */
bool ae_store_step (ae_store *store, const ae_work *work);
/* Reads what the file holds of a run into work->recalled. */
bool ae_store_recall (ae_store *store, ae_work *work);
/* Stores fingerprints of meanings, a block of them; see meanings.h. */
bool ae_store_mean (ae_store *store, const void *bytes, size_t size);
/* The event means the same as *repeats earlier ones, which are counted. */
bool ae_store_repeated (ae_store *store, int64_t meaning, int64_t sequence, int64_t *repeats);
/* Stores what Altinn answered to a read. */
bool ae_store_reading (ae_store *store, const ae_work *work);
/* Keeps a version of a rule that comes into force. A text that is kept already stays. */
bool ae_store_version (ae_store *store, const ae_work *work);
/* The timer of the work's thing, rule and key: 1 = found, *sequence is the event of its
** run; 0 = there is none; -1 = failed. */
int ae_store_timer_find (ae_store *store, const ae_work *work, int64_t *sequence);
/* Writes the work's timer, in place of the run's timer before, and of one of its thing,
** rule and key. */
bool ae_store_timer_set (ae_store *store, const ae_work *work);
/* A timer's run is over before it was due, and is skipped; *changed: it was not over. */
bool ae_store_end_timer (ae_store *store, int64_t sequence, ae_slice rule, ae_slice reason,
                         int64_t time, bool *changed);
/* A write without meaning: it shows whether the file can be written. */
bool ae_store_touch (ae_store *store);

/* Reads one of the numbers. */
bool ae_store_number_read (ae_store *store, ae_store_number which, int64_t *out);
/* Searches the waiting events after *from, at most `most` of them, for the first
** with a run that is not in state `later` until after `now` (ms since 1970).
** 1 = found, *out is when it was received; 0 = none; -1 = failed. *from becomes
** the last event searched, or 0 when the search is complete. */
int ae_store_oldest (ae_store *store, int64_t *from, int64_t now, int64_t most, int64_t *out);
/* Reads a run; run->state is AE_RUN_NONE when it has no row. */
bool ae_store_run_find (ae_store *store, int64_t sequence, ae_slice rule, ae_store_run *run);
/* Reads what a run goes on with: 1 = found, 0 = it has no row, -1 = failed. Call
** ae_store_entry_end in any case; the slices live until then. */
int ae_store_entry_find (ae_store *store, int64_t sequence, ae_slice rule,
                         ae_store_entry *entry);
void ae_store_entry_end (ae_store *store);
/* Reads the name of the first rule after `after` that remembers anything: 1 = found,
** 0 = there is none, -1 = failed. The slice lives until the next call; call until
** there is none. */
int ae_store_remembers_next (ae_store *store, ae_slice after, ae_slice *rule);
/* Walks the runs of an event: 1 = a run, 0 = the end, -1 = failed. */
void ae_store_runs_from (ae_store *store, int64_t sequence);
int ae_store_runs_next (ae_store *store, ae_slice *rule, ae_store_run *run);
void ae_store_runs_end (ae_store *store);

/* Walks the open runs that are due by `now`, in order of (due, sequence, rule),
** from the one behind `after` on (all zero: from the first), at most `limit` of
** them. End the walk in any case. */
void ae_store_due_from (ae_store *store, int64_t now, const ae_store_due *after, int limit);
int ae_store_due_next (ae_store *store, ae_store_due *due);
void ae_store_due_end (ae_store *store);
/* The due time of the next open run that is due later than `after`; INT64_MAX:
** there is none. */
bool ae_store_next_due (ae_store *store, int64_t after, int64_t *due);

/* Walks the timers of the thing that an event of the type cancels: 1 = a timer, 0 = the
** end, -1 = failed. End the walk in any case. */
void ae_store_timers_from (ae_store *store, ae_slice thing, ae_slice type);
int ae_store_timers_next (ae_store *store, ae_slice *rule, int64_t *sequence);
void ae_store_timers_end (ae_store *store);
/* Walks the lists of types, one a line, that cancel timers: 1 = a list, 0 = the end,
** -1 = failed. Walk to the end. */
int ae_store_cancels_next (ae_store *store, ae_slice *types);

/* Walks the acts after `number`, at most `limit` of them. End the walk in any
** case. */
void ae_store_acts_from (ae_store *store, int64_t number, int limit);
int ae_store_acts_next (ae_store *store, ae_store_act *act);
void ae_store_acts_end (ae_store *store);

/* Reads an event by its number: 1 = found, 0 = it is not there, -1 = failed. Call
** ae_store_event_end in any case; the slices live until then. */
int ae_store_event_find (ae_store *store, int64_t sequence, ae_store_event *event);
void ae_store_event_end (ae_store *store);

/* Walks the stored fingerprints, a block of them a row: 1 = a row, 0 = the end,
** -1 = failed. */
int ae_store_remembered_next (ae_store *store, ae_slice *bytes);
/* The same for fingerprints of meanings. */
int ae_store_meant_next (ae_store *store, ae_slice *bytes);
/* The number of earlier events that mean the same as this one; 0: it is the first
** one. */
bool ae_store_repeats (ae_store *store, int64_t sequence, int64_t *repeats);
/* Whether an event means the same as an earlier one. */
bool ae_store_has_repeated (ae_store *store, bool *any);
/* Reads the file's own secret key. */
bool ae_store_key (ae_store *store, uint8_t key[AE_STORE_KEY_BYTES]);
/* Writes the numbers of the waiting events after `sequence` to `list`, at most
** `limit` of them. Returns how many, or -1 = failed. */
int ae_store_waiting_list (ae_store *store, int64_t sequence, int64_t *list, int limit);
/* Reads a waiting event: 1 = found, 0 = it does not wait, -1 = failed. Call
** ae_store_waiting_end in any case; the slices live until then. */
int ae_store_waiting_find (ae_store *store, int64_t sequence, ae_store_waiting *waiting);
void ae_store_waiting_end (ae_store *store);

#endif
