/*
** flights.h: the runs in flight, which are those that a worker has. The writer
** thread adds and removes runs; any thread may ask whether a run still holds.
**
** A run may be dispatched again after it was taken back. So each dispatch has a
** number of its own, the claim, and a worker's report counts for its claim only.
*/
#ifndef ALTINN_EVENTS_FLIGHTS_H
#define ALTINN_EVENTS_FLIGHTS_H

#include <pthread.h>

#include "inbox/lanes.h"
#include "inbox/map.h"

typedef struct ae_flight {
  int64_t sequence;
  ae_lane *lane;
  uint64_t line;
  uint64_t claim; /* 0: this place is free */
  int64_t tries;  /* attempts before this one */
  int64_t since;  /* ms since 1970: the first attempt */
  int64_t began;  /* ms since 1970: dispatched */
  size_t bytes;   /* of the event */
  size_t worker;  /* the worker that has the run */
  bool holds;     /* false: the run was taken back */
  bool told;      /* the worker was told that the run was taken back */
} ae_flight;

typedef struct ae_flights {
  pthread_mutex_t lock;
  ae_map map; /* hash of the run -> place + 1 */
  ae_flight *list;
  size_t capacity, count; /* places; runs in flight */
  size_t recalled;        /* runs taken back whose worker was not told yet */
  uint64_t last_claim;
} ae_flights;

/* Begins with no run in flight. */
void ae_flights_init (ae_flights *flights);
/* Frees the table and forgets the runs. */
void ae_flights_free (ae_flights *flights);

/* Adds a run that is not in flight, and gives it a new claim. The result is valid
** until the next run is added. NULL: no memory. */
const ae_flight *ae_flights_add (ae_flights *flights, const ae_flight *flight);
/* The flight of the event's run for the rule; NULL: it is not in flight. */
const ae_flight *ae_flights_find (const ae_flights *flights, int64_t sequence, uint64_t rule);
/* Removes a run. */
void ae_flights_remove (ae_flights *flights, int64_t sequence, uint64_t rule);
/* Takes a run back: it does not hold any more, and stays in flight until its
** worker lets go of it. */
void ae_flights_recall (ae_flights *flights, int64_t sequence, uint64_t rule);
/* Notes the worker that has the run, which is in flight. */
void ae_flights_assign (ae_flights *flights, int64_t sequence, uint64_t rule, size_t worker);
/* Walks all runs; *at is 0 at the start of the walk. NULL: the end. */
const ae_flight *ae_flights_next (const ae_flights *flights, size_t *at);
/* Notes that the worker was told that its run was taken back. */
void ae_flights_told (ae_flights *flights, const ae_flight *flight);

/* Calls `visit` for each run in flight that holds, under the lock. Any thread. */
void ae_flights_each (ae_flights *flights,
                      void (*visit)(void *context, const ae_flight *flight), void *context);

/* The claim of a run, 0 when it is not in flight; *holds: it was not taken back.
** Any thread. */
uint64_t ae_flights_claim (ae_flights *flights, int64_t sequence, ae_slice rule, bool *holds);

#endif
