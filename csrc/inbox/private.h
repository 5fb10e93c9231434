/*
** private.h: what the files of the inbox share:
**
**     inbox.c   the queue of works, and the writer thread's turns
**     group.c   one transaction for all works that wait
**     runs.c    the path of a run: line, backlog, dispatch, and its end
**     timers.c  timers: set, replaced, cancelled
**     scan.c    all waiting events, at the start and after a reload
**     look.c    periodic checks: runs that are due, acts by hand, the clock
**
** A run that is not over is in one of these places:
**
**     in the file only       it has an open state and is not due. Its line is
**                            blocked: the head is asleep. A timer stands in no line
**     behind in its line     another run with its order key comes first
**     in its lane's backlog  it may start, and waits for room in the window
**     in flight              a worker has it
**
** The last three places are in memory, and lost when the process ends: the scan
** at the start finds their runs again. A run that was ended by hand may still
** stand in a line or a backlog. So the code that takes a run out of a backlog
** asks the file first whether the run is still to be dispatched.
*/
#ifndef ALTINN_EVENTS_INBOX_PRIVATE_H
#define ALTINN_EVENTS_INBOX_PRIVATE_H

#include <pthread.h>

#include "inbox/fingerprints.h"
#include "inbox/flights.h"
#include "inbox/lanes.h"
#include "inbox/lines.h"
#include "inbox/map.h"
#include "inbox/meanings.h"
#include "inbox/store.h"

/* A run of a new event, to be dispatched when the group has been committed. */
typedef struct ae_plan {
  const ae_work *work; /* APPEND */
  ae_slice rule;       /* given by `match`: lives until `dispatched` */
  uint64_t line;
} ae_plan;

/* A run, and the line that it stands in. */
typedef struct ae_place {
  int64_t sequence;
  ae_lane *lane;
  uint64_t line; /* 0: none, or not known */
} ae_place;

/* The changes that the transaction in progress makes to memory. */
typedef struct ae_group {
  ae_fingerprint *added; /* new in `seen`, and to be stored */
  size_t added_count, added_capacity;
  ae_plan *plans;
  size_t plan_count, plan_capacity;
  ae_place *timed; /* runs whose timer was set */
  size_t timed_count, timed_capacity;
  ae_place *ended; /* runs whose timer was replaced or cancelled: not in flight */
  size_t ended_count, ended_capacity;
  ae_place *found; /* timers that the event at work cancels */
  size_t found_count, found_capacity;
  ae_inbox_counts change; /* added to the counts (waiting: modulo 2^64) */
} ae_group;

/* An event to be scanned out of turn. */
typedef struct ae_visit {
  int64_t sequence;
  const ae_lane *lost; /* memory lacks this rule's run of the event; NULL = it lacks none */
} ae_visit;

/* A copy of bytes of a row, which outlives the SQL statement. */
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

  /* The writer thread's. Others read `flights` through ae_inbox_claim only. */
  ae_store *store;
  ae_fingerprints *seen;
  ae_meanings meanings;
  ae_flights flights;
  ae_lanes lanes;
  ae_lines lines;
  ae_map cancels;    /* hash of a type whose event may cancel a timer -> 1 */
  ae_copy thing;     /* that the event at work is about */
  ae_map unreadable; /* sequence of a waiting event -> 1: reported */
  ae_group group;
  ae_slice *rules; /* room for what `match` finds */
  size_t rule_capacity;
  ae_copy names, before, having, body; /* names of rules, one a line: the rules that want an
                                          event now, that had it, that have it; the event */
  ae_visit *visits;
  size_t visit_count, visit_capacity;
  int64_t sequence; /* the last one given */
  int64_t begun;    /* runs of the events up to this one may have been begun before,
                       without a row of `run` */
  int64_t act;      /* the last one applied */
  int64_t version;  /* of the file; changes when another connection writes */
  int64_t started;  /* ms since 1970; 0: it is written down */
  bool scanning;
  bool rebuild;     /* memory lacks runs: it has to be rebuilt from the file */
  bool dead;        /* it ended in its place: see ae_inbox_options.passes */
  bool look;        /* of a manual inbox: see ae_inbox_look */
  bool forgetful;   /* runs were abandoned and not reported yet */
  int64_t cursor;   /* the scan has seen the events up to this one */
  int64_t loaded;   /* runs of the events up to this one are in memory */
  int64_t horizon;  /* ms since 1970: runs due by then are in memory */
  int64_t next_due; /* ms since 1970: no run is due after the horizon and before this */
  ae_store_due due; /* the last run taken up; due_rule holds its rule */
  ae_copy due_rule;
  bool more_due;       /* more runs may be due by the horizon */
  int64_t looked;      /* ms, monotonic: last look at the file */
  int64_t moved;       /* ms, monotonic: last look at its name */
  int64_t oldest_from; /* the search for the oldest event goes on after this one */
};

/* inbox.c */

/* Makes room for `wanted` items of `size` bytes in *(void **)list. False: no memory,
** the list has not changed. */
bool ae_room (void *list, size_t *capacity, size_t wanted, size_t size);
/* Appends bytes. False: no memory. */
bool ae_copy_add (ae_copy *copy, ae_slice bytes);
/* The bytes; absent as long as nothing was ever added. */
ae_slice ae_copy_slice (const ae_copy *copy);
/* Milliseconds since 1970, of the inbox's clock. */
int64_t ae_inbox_now (const ae_inbox *inbox);
/* Sets the health: why the store failed, or NULL when it works again. */
void ae_inbox_set_health (ae_inbox *inbox, const ae_error *error);
/* Sets the health to the store's last error, and rolls back. */
void ae_inbox_failed (ae_inbox *inbox);

/* group.c: carries out a list of works in one transaction, dispatches the runs of
** new events, and calls `done` of each work. */
void ae_group_run (ae_inbox *inbox, ae_work *works);
/* Fails a list of works, and calls `done` of each. */
void ae_group_fail (ae_inbox *inbox, ae_work *works);
void ae_group_free (ae_group *group);

/* runs.c */

/* Fills inbox->rules with the rules that want the event; *count: their number, or
** AE_MATCH_UNREADABLE. False: no memory. */
bool ae_runs_match (ae_inbox *inbox, ae_slice body, const ae_event *event, size_t *count);
/* A run may start: puts it into its line and, as its head, into the backlog. */
void ae_runs_admit (ae_inbox *inbox, ae_lane *lane, int64_t sequence, uint64_t line);
/* The same for a run of a new event, which is dispatched at once if the window has
** room and the backlog is empty. */
void ae_runs_admit_new (ae_inbox *inbox, const ae_plan *plan);
/* The flight whose claim the work carries; NULL: there is none. */
const ae_flight *ae_runs_flight (ae_inbox *inbox, const ae_work *work);
/* A run was settled: it is no longer in flight. */
void ae_runs_settled (ae_inbox *inbox, const ae_work *work);
/* A worker let go of a run that was taken back. */
void ae_runs_released (ae_inbox *inbox, const ae_work *work);
/* A run was ended by hand, or abandoned: takes it back from its worker, or removes
** it from its line. */
void ae_runs_end (ae_inbox *inbox, ae_lane *lane, int64_t sequence, uint64_t line);
/* The rule remembers something: its runs have to recall it. False: no memory. */
bool ae_runs_note_memory (ae_inbox *inbox, ae_slice rule);
/* Writes the names in inbox->rules to inbox->names. False: no memory. */
bool ae_runs_join (ae_inbox *inbox, size_t count);
/* Dispatches runs from the backlogs while the windows have room, some of each lane.
** True: more can be dispatched at once. */
bool ae_runs_fill (ae_inbox *inbox);
/* Tells workers of their runs that were taken back, and the host of runs that were
** abandoned. */
void ae_runs_tell (ae_inbox *inbox);

/* timers.c */

/* Whether the work, a SETTLE, sets a timer: then the run leaves its line. */
bool ae_timers_is_new (const ae_work *work);
/* Within the transaction: a run was settled with a new timer. Writes it down, and ends
** the run of the timer that it replaces. False: the store fails, or no memory. */
bool ae_timers_set (ae_inbox *inbox, const ae_work *work);
/* Within the transaction: an event was appended. Ends the runs of the timers that it
** cancels. False: as above. */
bool ae_timers_cancel (ae_inbox *inbox, const ae_work *work);
/* After the commit: the runs that the transaction ended leave their lines. */
void ae_timers_landed (ae_inbox *inbox);
/* At the start: reads the types that cancel timers. False: as above. */
bool ae_timers_load (ae_inbox *inbox);
/* Once a second: without timers no event needs to be looked at. */
void ae_timers_look (ae_inbox *inbox);

/* scan.c */

/* Scans some waiting events in one transaction. False: the store fails. */
bool ae_scan_step (ae_inbox *inbox);
/* Empties lines and backlogs; the scan fills them again. Runs in flight stay. */
void ae_scan_rebuild (ae_inbox *inbox);
/* Restarts the scan, with the rules that are in force now. Runs in flight whose
** rule is gone are taken back at once. */
void ae_scan_rules (ae_inbox *inbox);
/* Schedules an event to be scanned out of turn. `lost`: see ae_visit. */
void ae_scan_visit (ae_inbox *inbox, int64_t sequence, const ae_lane *lost);
/* Schedules the events that could not be parsed: somebody may have mended them. */
void ae_scan_unreadable (ae_inbox *inbox);

/* look.c */

/* Takes up runs that are due. True: there may be more. */
bool ae_look_due (ae_inbox *inbox);
/* Five times a second: has another program written, and does the file work? */
void ae_look (ae_inbox *inbox);
/* Reads the numbers of waiting events and dead letters. False: the store fails. */
bool ae_look_numbers (ae_inbox *inbox);

#endif
