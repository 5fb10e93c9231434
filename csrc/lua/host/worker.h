/*
** worker.h: a thread with a Lua state of its own that carries out runs.
** The Lua part is altinn.events.worker; it gets `jobs`, the door to the
** host: see jobs.c.
*/
#ifndef ALTINN_EVENTS_WORKER_H
#define ALTINN_EVENTS_WORKER_H

#include "lua/host/budget.h"
#include "host/metrics.h"
#include "host/queue.h"

/* What the workers share with the host. */
typedef struct ae_shared {
  ae_inbox *inbox;
  ae_metrics metrics;
  atomic_bool failed; /* a worker gave up */
  char *path, *cpath; /* of package, as in the parent's state */
} ae_shared;

/* Works that are committed together, in one block of malloc. */
typedef struct ae_parcel {
  ae_message head; /* as the answer in the worker's queue */
  struct ae_worker *worker;
  int64_t ticket; /* the worker waits for an answer; 0 = it does not */
  size_t count;
  ae_work works[];
} ae_parcel;

typedef struct ae_worker {
  ae_shared *shared;
  ae_queue queue;
  ae_budget budget;
  pthread_t thread;
  bool started;
  atomic_bool finished;
  _Atomic(int64_t) turned; /* ns, CLOCK_MONOTONIC: it last looked for messages */
  atomic_bool waiting;     /* it waits for them */
  bool told;               /* that it does not turn; the watch thread's */
  char *settings;
  ae_parcel *building; /* being filled; freed if Lua raises meanwhile */
  ae_list again;       /* refused parcels, the worker thread's */
  ae_list cancelled;   /* ae_cancel: Lua was told, and lets go at once */
  int64_t again_at;    /* ns, CLOCK_MONOTONIC: not before */
  atomic_long handed;  /* parcels without a ticket that the inbox has */
} ae_worker;

/* Prepares a worker; copies the settings. False: no memory. */
bool ae_worker_init (ae_worker *worker, ae_shared *shared, ae_slice settings);
/* Starts its thread. False: the system has none to give. */
bool ae_worker_start (ae_worker *worker);
/* Whether the worker turns: looks for messages now and then, or waits for them.
** If not, a sentence for people says why; its number is the caller's. Any thread. */
bool ae_worker_turns (const ae_worker *worker, size_t number, char *why, size_t size);
/* Worker's thread: it looks for messages; `waiting`: and waits for them. */
void ae_worker_turn (ae_worker *worker, bool waiting);
/* After the thread has been joined and the inbox is closed. */
void ae_worker_free (ae_worker *worker);

/* After the thread has been joined, before the inbox is closed: what the
** inbox refused is handed over once more, until it has been stored or
** `until` (ns, CLOCK_MONOTONIC) has passed. False: something was not. */
bool ae_jobs_flush (ae_worker *worker, int64_t until);
/* Pushes the jobs of a worker: an object with methods. */
void ae_jobs_push (lua_State *L, ae_worker *worker);

#endif
