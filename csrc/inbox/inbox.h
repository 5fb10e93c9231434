/*
** inbox.h: the durable inbox. What it acknowledges is on stable storage.
**
** One writer thread owns the database. Everybody else hands it work in the
** form of `ae_work` and is told when the group that holds the work has been
** committed (group commit). The interface knows no SQL, so that another
** store can stand behind it.
*/
#ifndef ALTINN_EVENTS_INBOX_H
#define ALTINN_EVENTS_INBOX_H

#include "core/slice.h"

typedef struct ae_inbox ae_inbox;

/* Of an event's body in the inbox: SQLite's limit for a whole row is 10^9
** (https://sqlite.org/limits.html, SQLITE_MAX_LENGTH). */
#define AE_MOST_STORED 999000000u

typedef enum ae_work_kind {
  AE_WORK_APPEND, /* a new event */
  AE_WORK_SETTLE, /* the verdict of a run (final or "retry") */
  AE_WORK_RECORD, /* an effect, before it is sent */
  AE_WORK_OUTCOME /* what became of an effect */
} ae_work_kind;

typedef enum ae_work_result {
  AE_WORK_DONE,      /* committed */
  AE_WORK_DUPLICATE, /* APPEND: (source, id) is known. RECORD: the key is
                        there, or the run is over; see work->text */
  AE_WORK_FAILED     /* not stored: disk full, read-only, shutting down */
} ae_work_result;

/*
** A piece of work. The caller allocates it and owns all memory in it; it
** must live until `done` was called. `done` is called on the writer thread
** after the commit and must not block; it may free the work.
** Works chained by `with` are committed in the same transaction; only the
** first one's `done` is called.
*/
typedef struct ae_work ae_work;
struct ae_work {
  ae_work_kind kind;
  ae_work_result result;
  size_t wanted; /* APPEND: out: so many rules want the event */
  ae_work *with; /* same transaction */
  ae_work *next; /* the inbox's own */
  void (*done)(ae_work *work);
  void *owner; /* the caller's */

  int64_t sequence;      /* APPEND: out; otherwise in */
  int64_t time;          /* milliseconds since 1970: received, changed */
  ae_slice source, id;   /* APPEND: what it is de-duplicated by */
  ae_slice body;         /* APPEND: the event as structured JSON */
  ae_slice subscription; /* APPEND: name after the secret, or absent */
  ae_slice rule;         /* SETTLE, RECORD */
  ae_slice state;        /* SETTLE: done skipped retry dead;
                               OUTCOME: sent failed unknown */
  ae_slice reason;       /* SETTLE, OUTCOME: masked text */
  int64_t attempt;       /* SETTLE, OUTCOME */
  int64_t due;           /* SETTLE with state retry: ms since 1970 */
  ae_slice key;          /* RECORD, OUTCOME: unique over all effects */
  ae_slice target;       /* RECORD */
  ae_slice request;      /* RECORD: JSON, for people and for replay */
  int64_t status;        /* OUTCOME: HTTP status, 0 = none */
  char text[16];         /* RECORD, DUPLICATE: state of the earlier one; or
                               held: another run is to send it; or over: the
                               run has a final state (it was discarded by
                               hand), nothing is to be sent */
};

/*
** One run to be carried out: an event and a rule that wants it. Given to
** the `dispatch` callback on the writer thread, in order of arrival, after
** the event is durable. Slices live during the call only.
*/
typedef struct ae_run {
  int64_t sequence, received; /* received: ms since 1970 */
  ae_slice body;
  ae_slice subscription;
  ae_slice rule;
  int64_t attempt; /* runs that were tried before, 0 = new */
  int64_t due;     /* ms since 1970; 0 = now */
} ae_run;

/* What `match` returns when it cannot say: for want of memory; because the
** event cannot be read. */
#define AE_MATCH_MEMORY SIZE_MAX
#define AE_MATCH_UNREADABLE (SIZE_MAX - 1)

/*
** The host's part: which rules want an event, and where its runs go.
** `match` writes the names of the rules to `rules` (static for the time of
** the call) and returns their number, or one of the two above. `dispatch`
** takes one run. `unreadable` is told of an event that waits and cannot be
** read; it goes on waiting.
*/
typedef struct ae_inbox_options {
  const char *path;
  size_t (*match)(void *context, ae_slice body, ae_slice *rules, size_t capacity);
  void (*dispatch)(void *context, const ae_run *run);
  void (*unreadable)(void *context, int64_t sequence);
  void (*dispatched)(void *context); /* after a group: wake the workers */
  void *context;
  uint32_t queue_limit; /* works that may wait; beyond: refused. 0 = 65536 */
  uint32_t runs_limit;  /* runs of one rule dispatched and unsettled;
                             beyond, they stay in the database until there
                             is room. 0 = 16384 */
} ae_inbox_options;

/* Opens or creates the file, migrates it, starts the writer, and then
** dispatches what was left waiting. Errors: AE_STORAGE with a sentence that
** says what to do (damaged, newer schema, read-only folder, in use). */
ae_code ae_inbox_open (const ae_inbox_options *options, ae_inbox **inbox, ae_error *error);

/* Hands work over; never blocks on the disk. False: the queue is full or
** the inbox is closing; `done` will not be called. Any thread. */
bool ae_inbox_submit (ae_inbox *inbox, ae_work *work);
/* The same in two steps, so that works that come together are one group:
** ae_inbox_wake must follow without delay. */
bool ae_inbox_queue (ae_inbox *inbox, ae_work *work);
void ae_inbox_wake (ae_inbox *inbox);

/* Why the last group failed, if it did: AE_OK when all is well. Any thread. */
ae_code ae_inbox_health (ae_inbox *inbox, ae_error *error);

/* Match and dispatch again all events that wait and have no run under way
** (after a reload, or after another process changed the file). Any thread. */
void ae_inbox_rescan (ae_inbox *inbox);

typedef struct ae_inbox_counts {
  uint64_t stored, duplicates, failed, groups;
  uint64_t waiting;    /* events with an unsettled run */
  uint64_t dead;       /* runs dead since start plus those in the file */
  uint64_t unmatched;  /* events that no rule wanted */
  uint64_t unreadable; /* of those that wait: they cannot be read */
} ae_inbox_counts;

/* Reads the counts as they are now. Any thread. */
void ae_inbox_counts_read (ae_inbox *inbox, ae_inbox_counts *counts);

/* Commits what waits, stops the writer, closes the file. */
void ae_inbox_close (ae_inbox *inbox);

#endif
