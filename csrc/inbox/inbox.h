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

#include "core/event.h"
#include "core/slice.h"
#include "inbox/states.h"

typedef struct ae_inbox ae_inbox;

/* Of an event's body in the inbox: SQLite's limit for a whole row is 10^9
** (https://sqlite.org/limits.html, SQLITE_MAX_LENGTH). */
#define AE_MOST_STORED 999000000u

typedef enum ae_work_kind {
  AE_WORK_APPEND,  /* a new event */
  AE_WORK_SETTLE,  /* what became of a run */
  AE_WORK_RECORD,  /* an effect, before it is sent */
  AE_WORK_OUTCOME, /* what became of an effect */
  AE_WORK_RELEASE  /* a worker let go of a run that was taken back */
} ae_work_kind;

typedef enum ae_work_result {
  AE_WORK_DONE,      /* committed */
  AE_WORK_DUPLICATE, /* APPEND: (source, id) is known */
  AE_WORK_FAILED     /* not stored: disk full, read-only, shutting down */
} ae_work_result;

/* RECORD: what was there under the key. */
typedef enum ae_prior {
  AE_PRIOR_NONE,   /* nothing, or what certainly had no effect: recorded anew */
  AE_PRIOR_SENT,   /* it was sent: nothing is to be sent */
  AE_PRIOR_HELD,   /* another run that is not over is to send it */
  AE_PRIOR_OVER,   /* the run is over or was taken back: nothing is to be sent */
  AE_PRIOR_UNKNOWN /* its outcome is not known: `earlier` is to be sent */
} ae_prior;

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

  int64_t sequence;             /* APPEND: out; otherwise in */
  int64_t time;                 /* ms since 1970: received, changed */
  ae_slice source, id;          /* APPEND: what it is de-duplicated by */
  ae_slice body;                /* APPEND: the event as structured JSON */
  const ae_event *event;        /* APPEND: the same, read already; NULL: it was not */
  ae_slice subscription;        /* APPEND: name after the secret, or absent */
  ae_slice rule;                /* all but APPEND */
  uint64_t claim;               /* SETTLE, RECORD, RELEASE: see ae_inbox_claim */
  ae_run_state run_state;       /* SETTLE */
  ae_effect_state effect_state; /* OUTCOME */
  ae_slice reason;              /* SETTLE, OUTCOME: masked text */
  int64_t attempt;              /* SETTLE, OUTCOME */
  int64_t due;                  /* SETTLE with an open state: ms since 1970 */
  int64_t since;       /* SETTLE: the first attempt that failed; 0 with "retry": as before */
  uint64_t line;       /* the inbox's own: see lines.h */
  int64_t tries;       /* the inbox's own: attempts so far */
  bool changed;        /* the inbox's own: it stands in the file */
  ae_slice key;        /* RECORD, OUTCOME: unique over all effects */
  ae_slice target;     /* RECORD */
  ae_slice request;    /* RECORD: JSON, the whole effect as the rule made it */
  int64_t status;      /* OUTCOME: HTTP status, 0 = none */
  ae_slice answer;     /* OUTCOME: how the target's answer began, masked */
  ae_prior prior;      /* RECORD: out */
  int64_t prior_event; /* RECORD: out: the event whose run has the effect; 0 = none */
  char *earlier;       /* RECORD: out: the request as recorded, of malloc; the
                                   caller frees it. NULL unless AE_PRIOR_UNKNOWN */
  size_t earlier_length;
};

/*
** One run to be carried out: an event and a rule that wants it. Slices live
** during the call only.
*/
typedef struct ae_run {
  int64_t sequence, received; /* received: ms since 1970 */
  ae_slice body;
  ae_slice subscription;
  ae_slice rule;
  int64_t attempt; /* attempts that failed, 0 = none */
  int64_t tries;   /* attempts, those that ended in a wish for a later time too */
  int64_t since;   /* ms since 1970: the first attempt; 0 = none yet */
  int64_t due;     /* ms since 1970: when it was to run; 0 = at once */
  uint64_t line;   /* of its order key (see `line` below), 0 = no order */
  uint64_t claim;  /* see ae_inbox_claim */
} ae_run;

/* What `match` returns when it cannot say: for want of memory; because the
** event cannot be read. */
#define AE_MATCH_MEMORY SIZE_MAX
#define AE_MATCH_UNREADABLE (SIZE_MAX - 1)

/* What `dispatch` returns for want of memory. */
#define AE_NO_WORKER SIZE_MAX

/*
** The host's part: which rules want an event, and where its runs go. All are
** called on the writer thread and must not block.
*/
typedef struct ae_inbox_options {
  const char *path;
  /* Writes the names of the rules that want the event to `rules`; they live
  ** until `dispatched`. Their number, or one of the two above. `event` is that
  ** of `body`, where it was read already, else NULL. */
  size_t (*match)(void *context, ae_slice body, const ae_event *event, ae_slice *rules,
                  size_t capacity);
  /* Whether a rule of that name is in force. */
  bool (*in_force)(void *context, ae_slice rule);
  /* A hash of the rule and the event's order key; 0: its runs have no order. */
  uint64_t (*line)(void *context, ae_slice body, const ae_event *event, ae_slice rule);
  /* Gives a run to a worker; which one, or AE_NO_WORKER: then it is given
  ** again later. The event is durable; runs of a line come one after the
  ** other, in order of arrival. */
  size_t (*dispatch)(void *context, const ae_run *run);
  /* The run was taken back: the worker is to let go of it, and RELEASE
  ** follows. False: no memory, it is told again later. */
  bool (*cancel)(void *context, size_t worker, int64_t sequence, ae_slice rule,
                 uint64_t claim);
  /* So many runs were abandoned: `gone`: no rule of that name is in force. */
  void (*abandoned)(void *context, ae_slice rule, uint64_t runs, bool gone);
  /* An event that waits cannot be read; it goes on waiting. */
  void (*unreadable)(void *context, int64_t sequence);
  /* A sentence for the operator; NULL: not wanted. */
  void (*warn)(void *context, const char *sentence);
  /* After some of the above: wake the workers. */
  void (*dispatched)(void *context);
  void *context;
  uint32_t queue_limit; /* works that may wait; beyond: refused. 0 = 65536 */
  uint32_t runs_limit;  /* runs of one rule that are at the workers; 0 = 2048 */
  size_t bytes_limit;   /* and the size of their events; 0 = 64 MiB */
} ae_inbox_options;

/* Opens or creates the file, brings one of an earlier version up to date,
** starts the writer, and then dispatches the runs that are left. Errors: AE_STORAGE with a sentence that
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

/* The rules are others now: events that wait are matched anew, beside all else.
** A run whose rule is gone or does not want the event any more is abandoned, and
** rules that newly want the event take it over. Any thread. */
void ae_inbox_rescan (ae_inbox *inbox);

/* The claim of a run that is at a worker: what the worker says of the run
** counts for this claim only. 0: the run is not at a worker. *holds: it was
** not taken back (by hand, or because its rule is gone). Any thread; cheap. */
uint64_t ae_inbox_claim (ae_inbox *inbox, int64_t sequence, ae_slice rule, bool *holds);

/* Whether all is done but what waits for a time or for somebody. Any thread. */
bool ae_inbox_is_idle (ae_inbox *inbox);

typedef struct ae_inbox_counts {
  uint64_t stored, duplicates, failed, groups;
  uint64_t waiting;    /* events with a run that is not over */
  uint64_t dead;       /* dead letters in the file */
  uint64_t unmatched;  /* events that no rule wanted */
  int64_t oldest;      /* ms since 1970: when the first event was received that has
                          a run which is due or failed, as of a second ago; 0: none */
  uint64_t unreadable; /* of those that wait: they cannot be read */
} ae_inbox_counts;

/* Reads the counts as they are now. Any thread. */
void ae_inbox_counts_read (ae_inbox *inbox, ae_inbox_counts *counts);

/* Commits what waits, stops the writer, closes the file. */
void ae_inbox_close (ae_inbox *inbox);

#endif
