/*
** inbox_private.h: what the files of the inbox share: inbox.c (queue and
** writer thread), inbox_group.c (one transaction for all that wait),
** inbox_runs.c (which rules want an event, and when their runs go out).
*/
#ifndef ALTINN_EVENTS_INBOX_PRIVATE_H
#define ALTINN_EVENTS_INBOX_PRIVATE_H

#include <pthread.h>

#include "inbox/fingerprints.h"
#include "inbox/store.h"
#include "inbox/lanes.h"
#include "inbox/map.h"

/* A run that goes out when the group has been committed. */
typedef struct ae_plan {
  const ae_work *work; /* APPEND */
  ae_slice rule;       /* of `match`: lives until `dispatched` */
} ae_plan;

/* What the transaction in progress will change in memory. */
typedef struct ae_group {
  ae_fingerprint *added; /* new in `seen`, and to be remembered */
  size_t added_count, added_capacity;
  ae_plan *plans;
  size_t plan_count, plan_capacity;
  int64_t *settled; /* sequences, one for each final verdict */
  size_t settled_count, settled_capacity;
  ae_inbox_counts change; /* added to the counts (waiting: modulo 2^64) */
  bool rescan;            /* an event has a run to be done again */
} ae_group;

struct ae_inbox {
  ae_inbox_options options;
  pthread_t writer;

  /* Under the lock. */
  pthread_mutex_t lock;
  pthread_cond_t more;
  ae_work *first, **last;
  uint32_t queued;
  bool closing, rescan, asleep;
  ae_error health; /* code AE_OK: all is well */
  ae_inbox_counts counts;

  /* The writer thread's. */
  ae_store *store;
  ae_fingerprints *seen;
  ae_map unreadable; /* sequences of waiting events, told of */
  ae_map unsettled;  /* sequence -> runs under way or owed */
  ae_lanes lanes;
  ae_group group;
  ae_slice *rules; /* room for what `match` finds */
  size_t rule_capacity;
  ae_store_run *known; /* what the file knows of their runs */
  size_t known_capacity;
  int64_t *finished; /* events that no rule waits for any more */
  size_t finished_count, finished_capacity;
  int64_t sequence; /* the last one given */
  int64_t version;  /* of the file, as others see it */
  int64_t cursor;   /* waiting events after it are to be matched */
  bool scanning;
  int64_t looked; /* ms, monotonic: last look at the file */
};

/* inbox.c */

/* Makes room for `wanted` items of `size` bytes in *(void **)list. */
bool ae_room (void *list, size_t *capacity, size_t wanted, size_t size);
/* Remembers why the store failed (NULL: that it works again). */
void ae_inbox_judge (ae_inbox *inbox, const ae_error *error);

/* inbox_group.c: carries out a list of works in one transaction, tells the
** runs to go and calls `done` of each. */
void ae_group_run (ae_inbox *inbox, ae_work *works);
void ae_group_free (ae_group *group);

/* inbox_runs.c */

/* The rules that want the event, in inbox->rules; *count may be
** AE_MATCH_UNREADABLE. False: no memory. */
bool ae_runs_match (ae_inbox *inbox, ae_slice body, size_t *count);
/* Hands a run out, or keeps it in its lane until there is room. */
void ae_runs_dispatch (ae_inbox *inbox, const ae_run *run);
/* A run has its final verdict: its lane has room for another. */
void ae_runs_settled (ae_inbox *inbox, int64_t sequence, ae_slice rule);
/* The next part of the waiting events; false when the store fails. */
bool ae_runs_scan (ae_inbox *inbox);

#endif
