/*
** private.h: what the files of the inbox share:
**
**     inbox.c   the queue of works, and the writer thread's turns
**     group.c   one transaction for all works that wait
**     runs.c    from a run that may go to the worker that has it, and back
**     scan.c    all events that wait, at the start and after a reload
**     look.c    what time brings: runs that are due, acts by hand, the clock
**
** Where a run is that is not over:
**
**     in the file only       it has an open state and is not due
**                            (its line is blocked: the head is asleep)
**     behind in its line     another run with its order key comes first
**     in its lane's backlog  it may go, and waits for room in the window
**     in flight              a worker has it
**
** All but the first are in memory too, and lost with it: the scan at the start
** finds them again. A run that was ended by hand may still stand in a line or
** a backlog. So whoever takes it out there asks the file whether it is to run.
*/
#ifndef ALTINN_EVENTS_INBOX_PRIVATE_H
#define ALTINN_EVENTS_INBOX_PRIVATE_H

#include <pthread.h>

#include "inbox/fingerprints.h"
#include "inbox/flights.h"
#include "inbox/lanes.h"
#include "inbox/lines.h"
#include "inbox/map.h"
#include "inbox/store.h"

/* A new event's run, which goes out when the group has been committed. */
typedef struct ae_plan {
  const ae_work *work; /* APPEND */
  ae_slice rule;       /* of `match`: lives until `dispatched` */
  uint64_t line;
} ae_plan;

/* What the transaction in progress will change in memory. */
typedef struct ae_group {
  ae_fingerprint *added; /* new in `seen`, and to be remembered */
  size_t added_count, added_capacity;
  ae_plan *plans;
  size_t plan_count, plan_capacity;
  ae_inbox_counts change; /* added to the counts (waiting: modulo 2^64) */
} ae_group;

/* An event that is to be scanned out of turn. */
typedef struct ae_visit {
  int64_t sequence;
  const ae_lane *lost; /* memory does not hold this rule's run; NULL = all as usual */
} ae_visit;

/* Bytes that outlive their statement. */
typedef struct ae_copy {
  char *data;
  size_t length, capacity;
} ae_copy;

#define AE_SCAN_EVENTS 1024

struct ae_inbox {
  ae_inbox_options options;
  pthread_t writer;

  /* Under the lock. */
  pthread_mutex_t lock;
  pthread_cond_t more;
  ae_work *first, **last;
  uint32_t queued;
  bool closing, rescan, asleep, idle;
  ae_error health; /* code AE_OK: all is well */
  ae_inbox_counts counts;

  /* The writer thread's; others ask flights through ae_inbox_claim. */
  ae_store *store;
  ae_fingerprints *seen;
  ae_flights flights;
  ae_lanes lanes;
  ae_lines lines;
  ae_map unreadable; /* sequences of waiting events, told of */
  ae_group group;
  ae_slice *rules; /* room for what `match` finds */
  size_t rule_capacity;
  ae_copy names, before, having, body; /* names of rules one a line: those that want an
                                          event now, that had it, that have it; the event */
  ae_visit *visits;
  size_t visit_count, visit_capacity;
  int64_t sequence; /* the last one given */
  int64_t act;      /* the last one applied */
  int64_t version;  /* of the file, as others see it */
  bool scanning;
  bool rebuild;     /* memory does not hold all runs: it is made anew */
  bool forgetful;   /* runs were abandoned that nobody was told of */
  int64_t cursor;   /* the scan has seen the events up to this one */
  int64_t loaded;   /* runs of the events up to this one are in memory */
  int64_t horizon;  /* ms since 1970: runs due by then are in memory */
  int64_t next_due; /* ms since 1970: none is due between horizon and this */
  ae_store_due due; /* the last one taken up; its rule is in due_rule */
  ae_copy due_rule;
  bool more_due;       /* others may be due by the horizon */
  int64_t looked;      /* ms, monotonic: last look at the file */
  int64_t moved;       /* ms, monotonic: last look at its name */
  int64_t oldest_from; /* the search for the oldest that waits goes on after it */
};

/* inbox.c */

/* Makes room for `wanted` items of `size` bytes in *(void **)list. */
bool ae_room (void *list, size_t *capacity, size_t wanted, size_t size);
/* Puts bytes at the end; false: no memory. */
bool ae_copy_add (ae_copy *copy, ae_slice bytes);
/* The bytes; absent when nothing was added since the length was set to 0 and
** there never was anything. */
ae_slice ae_copy_slice (const ae_copy *copy);
/* Milliseconds since 1970, and of a clock that never jumps. */
int64_t ae_wall_ms (void);
int64_t ae_monotonic_ms (void);
/* Remembers why the store failed (NULL: that it works again). */
void ae_inbox_set_health (ae_inbox *inbox, const ae_error *error);
/* The same with what the store says; rolls back. */
void ae_inbox_failed (ae_inbox *inbox);

/* group.c: carries out a list of works in one transaction, tells the runs to
** go and calls `done` of each. */
void ae_group_run (ae_inbox *inbox, ae_work *works);
void ae_group_free (ae_group *group);

/* runs.c */

/* The rules that want the event, in inbox->rules; *count may be
** AE_MATCH_UNREADABLE. False: no memory. */
bool ae_runs_match (ae_inbox *inbox, ae_slice body, const ae_event *event, size_t *count);
/* A run may go: to its line, and from there to its lane. */
void ae_runs_admit (ae_inbox *inbox, ae_lane *lane, int64_t sequence, uint64_t line);
/* The same for a new event's run, which goes to a worker at once if it can. */
void ae_runs_admit_new (ae_inbox *inbox, const ae_plan *plan);
/* The flight whose claim the work carries; NULL: there is none. */
const ae_flight *ae_runs_flight (ae_inbox *inbox, const ae_work *work);
/* A run was settled: its worker does not have it any more. */
void ae_runs_settled (ae_inbox *inbox, const ae_work *work);
/* The worker let go of a run that was taken back. */
void ae_runs_released (ae_inbox *inbox, const ae_work *work);
/* A run was ended by somebody else: it is taken back from its worker, or
** leaves its line. */
void ae_runs_end (ae_inbox *inbox, ae_lane *lane, int64_t sequence, uint64_t line);
/* The names in inbox->rules into inbox->names. False: no memory. */
bool ae_runs_join (ae_inbox *inbox, size_t count);
/* Fills the windows from the backlogs, a part of each; true: there is more to
** be done at once. */
bool ae_runs_fill (ae_inbox *inbox);
/* Tells workers of runs that were taken back, and somebody of those that were
** abandoned. */
void ae_runs_tell (ae_inbox *inbox);

/* scan.c */

/* The next events that wait, in one transaction; false when the store fails. */
bool ae_scan_step (ae_inbox *inbox);
/* Memory is made anew from the file; runs in flight stay there. */
void ae_scan_rebuild (ae_inbox *inbox);
/* Begins anew, with the rules that are in force now; what has no rule any more
** is taken back from the workers at once. */
void ae_scan_rules (ae_inbox *inbox);
/* An event is to be scanned soon. */
void ae_scan_visit (ae_inbox *inbox, int64_t sequence, const ae_lane *lost);
/* Events that could not be read are looked at again. */
void ae_scan_unreadable (ae_inbox *inbox);

/* look.c */

/* Runs that are due; true: more are. */
bool ae_look_due (ae_inbox *inbox);
/* Five times a second: did somebody else write, and does the file work? */
void ae_look (ae_inbox *inbox);
/* The numbers of the file into the counts. */
bool ae_look_numbers (ae_inbox *inbox);

#endif
