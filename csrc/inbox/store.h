/*
** store.h: the inbox's file (SQLite). Everything that knows SQL is
** behind this; it belongs to one thread. Functions that return bool return
** false when the file fails; ae_store_explain says why, before anything
** else is done with the store.
*/
#ifndef ALTINN_EVENTS_INBOX_STORE_H
#define ALTINN_EVENTS_INBOX_STORE_H

#include "inbox/inbox.h"

#define AE_STORE_VERSION 1

/* Opaque: the SQLite store is behind store_private.h. */
typedef struct ae_store ae_store;

/* An event; slices live until the next step, or the end. */
typedef struct ae_store_event {
  int64_t sequence, received;
  ae_slice subscription, body;
} ae_store_event;

typedef enum ae_store_number {
  AE_NUMBER_LAST, /* the highest sequence ever seen */
  AE_NUMBER_WAITING,
  AE_NUMBER_DEAD,
  AE_NUMBER_VERSION /* changes when somebody else wrote */
} ae_store_number;

typedef struct ae_store_run {
  bool known, settled; /* settled: has a final state */
  int64_t attempt, due;
} ae_store_run;

/* Opens or creates the file and takes the lock; AE_STORAGE and a sentence
** when it cannot be used: then *store is NULL. */
ae_code ae_store_open (const char *path, ae_store **store, ae_error *error);
/* NULL is allowed. */
void ae_store_close (ae_store *store);

/* Sets and returns store->moved: what is stored in a file that
** was removed or replaced would be lost. */
bool ae_store_moved (ae_store *store);

/* Fills *error with why the last call failed; returns its code. */
ae_code ae_store_explain (const ae_store *store, ae_error *error);

/* Whether the result means that the file is damaged. */
bool ae_store_damaged (int result);

/* A transaction that writes; others that want to write wait meanwhile. */
bool ae_store_begin (ae_store *store);
/* On stable storage when it returns true. */
bool ae_store_commit (ae_store *store);
/* Also when SQLite has rolled back by itself. */
void ae_store_rollback (ae_store *store);

/* Within a transaction. */
bool ae_store_append (ae_store *store, const ae_work *work);
bool ae_store_wait (ae_store *store, int64_t sequence);
/* The event waits no more, unless one of its runs is to be done again:
** then *changed is false. */
bool ae_store_unwait (ae_store *store, int64_t sequence, bool *changed);
/* The event waits no more; runs to be done again are skipped, for no rule
** wants them. */
bool ae_store_finish (ae_store *store, int64_t sequence);
bool ae_store_remember (ae_store *store, const void *bytes, size_t size);
/* A final state stays, and so does that of a later attempt: then *changed is
** false. */
bool ae_store_settle (ae_store *store, const ae_work *work, bool *changed);
/* Sets work->result, and work->text for a duplicate. For a run that has a
** final state nothing is recorded. */
bool ae_store_record (ae_store *store, ae_work *work);
bool ae_store_outcome (ae_store *store, const ae_work *work);
/* Writes something that means nothing. */
bool ae_store_touch (ae_store *store);

/* Reads one of the numbers. */
bool ae_store_number_read (ae_store *store, ae_store_number which, int64_t *out);
/* What the file knows of a run. */
bool ae_store_run_find (ae_store *store, int64_t sequence, ae_slice rule, ae_store_run *run);
/* Whether the event has runs to be done again whose time (ms since 1970) has
** come by `now`. */
bool ae_store_any_due (ae_store *store, int64_t sequence, int64_t now, bool *any);

/* An event by its number: 1 = found, 0 = it is not there, -1 = failed; end
** it in any case. */
int ae_store_event_find (ae_store *store, int64_t sequence, ae_store_event *event);
void ae_store_event_end (ae_store *store);

/* Walks what is remembered: 1 = a row, 0 = the end, -1 = failed. */
int ae_store_remembered_next (ae_store *store, ae_slice *bytes);
/* Walks the waiting events after `sequence`, at most `limit` of them; end
** it in any case. */
void ae_store_waiting_from (ae_store *store, int64_t sequence, int limit);
int ae_store_waiting_next (ae_store *store, ae_store_event *event);
void ae_store_waiting_end (ae_store *store);

#endif
