/*
** flights.h: the runs that are at the workers. The writer thread adds and
** removes them; any thread may ask whether one of them still holds.
**
** A run may be handed out again after it was taken back. So each time it gets
** a number of its own, its claim, and what a worker says of it counts for
** that claim only.
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
  int64_t tries;  /* attempts before */
  int64_t since;  /* ms since 1970: the first attempt */
  int64_t began;  /* ms since 1970: handed out */
  size_t bytes;   /* of the event */
  size_t worker;  /* whose it is */
  bool holds;     /* false: it was taken back */
  bool told;      /* the worker knows that it does not hold */
} ae_flight;

typedef struct ae_flights {
  pthread_mutex_t lock;
  ae_map map; /* hash of the run -> place + 1 */
  ae_flight *list;
  size_t capacity, count; /* count: in flight */
  size_t recalled;        /* taken back, and the worker does not know */
  uint64_t last_claim;
} ae_flights;

/* Begins with no run in flight. */
void ae_flights_init (ae_flights *flights);
/* Frees the table; the runs are nobody's afterwards. */
void ae_flights_free (ae_flights *flights);

/* Adds a run, with a claim of its own. NULL: no memory. Good until the next
** change. */
const ae_flight *ae_flights_add (ae_flights *flights, const ae_flight *flight);
/* The run of that event and rule; NULL: it is not in flight. */
const ae_flight *ae_flights_find (const ae_flights *flights, int64_t sequence, uint64_t rule);
/* Takes a run out. */
void ae_flights_remove (ae_flights *flights, int64_t sequence, uint64_t rule);
/* The run does not hold any more, until the worker lets go of it. */
void ae_flights_recall (ae_flights *flights, int64_t sequence, uint64_t rule);
/* It is at that worker. */
void ae_flights_assign (ae_flights *flights, int64_t sequence, uint64_t rule, size_t worker);
/* Walks all; `at` begins with 0. NULL: the end. */
const ae_flight *ae_flights_next (const ae_flights *flights, size_t *at);
/* The worker knows. */
void ae_flights_told (ae_flights *flights, const ae_flight *flight);

/* The claim of a run that holds, 0 when it does not. Any thread. */
uint64_t ae_flights_claim (ae_flights *flights, int64_t sequence, ae_slice rule, bool *holds);

#endif
