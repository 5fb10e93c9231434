/*
** worker.h: a worker: a thread with a Lua state of its own that carries out runs.
** Its Lua code is the module altinn.events.host.worker, which gets the object
** `jobs` (see jobs.c).
*/
#ifndef ALTINN_EVENTS_WORKER_H
#define ALTINN_EVENTS_WORKER_H

#include "lua/host/budget.h"
#include "host/aside.h"
#include "host/metrics.h"
#include "host/queue.h"

/* The data that the workers share with the host. */
typedef struct ae_shared {
  ae_inbox *inbox;
  ae_clock *clock;
  ae_aside *aside;
  ae_metrics metrics;
  ae_breakers breakers;
  atomic_bool failed; /* a worker gave up */
  char *path, *cpath; /* package.path and package.cpath of the state that started the host */
} ae_shared;

/* Works that are committed together, in one block of malloc. */
typedef struct ae_parcel {
  ae_message head; /* for the answer in the worker's queue */
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
  _Atomic(int64_t) turned; /* ns, CLOCK_MONOTONIC: last look for messages */
  atomic_bool waiting;     /* the worker waits for messages */
  bool told;               /* the log tells that the worker stands still; the watch thread's */
  char *settings;
  ae_parcel *building; /* being filled; freed if Lua raises meanwhile */
  ae_list again;       /* refused parcels, the worker thread's */
  ae_list cancelled;   /* ae_cancel messages that Lua was told of */
  int64_t again_at;    /* ns, the host's clock: no new try before this time */
  atomic_long handed;  /* parcels without a ticket that the inbox has */
} ae_worker;

/* Prepares a worker; copies the settings. False: no memory. */
bool ae_worker_init (ae_worker *worker, ae_shared *shared, ae_slice settings);
/* Opens the libraries in the worker's Lua state. Pushes the module altinn.events.host.worker
** and the three arguments of its functions `main` and `make`. May raise. */
void ae_worker_open (lua_State *L, ae_worker *worker);
/* Starts its thread. False: the system has none to give. */
bool ae_worker_start (ae_worker *worker);
/* Whether the worker turns: it looks for messages now and then, or waits for them. If
** it does not, *why is a sentence that says so, with the worker's `number`, which
** the caller gives. Any thread. */
bool ae_worker_turns (const ae_worker *worker, size_t number, char *why, size_t size);
/* Notes a look for messages; `waiting`: the worker waits for them. The worker's
** thread. */
void ae_worker_turn (ae_worker *worker, bool waiting);
/* Frees the worker's memory. To be called after its thread has been joined and the
** inbox is closed. */
void ae_worker_free (ae_worker *worker);

/* Hands over the parcels that the inbox refused, until all are stored or `until` (ns,
** CLOCK_MONOTONIC) has passed. False: some are not stored. To be called after the
** worker's thread has been joined, before the inbox is closed. */
bool ae_jobs_flush (ae_worker *worker, int64_t until);
/* Pushes the jobs of a worker: an object with methods. */
void ae_jobs_push (lua_State *L, ae_worker *worker);

#endif
