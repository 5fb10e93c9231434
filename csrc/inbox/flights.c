/*
** flights.c: see flights.h. The lock protects the table from the threads that
** ask for a claim. The writer takes it only to change the table.
*/
#include "inbox/flights.h"

#include <assert.h>
#include <stdlib.h>

#include "inbox/hash.h"

void ae_flights_init (ae_flights *flights) {
  memset(flights, 0, sizeof *flights);
  pthread_mutex_init(&flights->lock, NULL);
}

void ae_flights_free (ae_flights *flights) {
  ae_map_free(&flights->map);
  free(flights->list);
  pthread_mutex_destroy(&flights->lock);
}

static ae_flight *find (const ae_flights *flights, int64_t sequence, uint64_t rule) {
  const uint64_t *place = ae_map_get(&flights->map, ae_hash_run(rule, sequence));
  return place == NULL ? NULL : &flights->list[*place - 1];
}

/* The index of a free place. The list must have one: capacity > count. */
static size_t free_place (const ae_flights *flights) {
  size_t at = flights->last_claim % flights->capacity;
  while (flights->list[at].claim != 0) at = (at + 1) % flights->capacity;
  return at;
}

static bool grow (ae_flights *flights) {
  size_t capacity = flights->capacity == 0 ? 64 : flights->capacity * 2;
  ae_flight *list = realloc(flights->list, capacity * sizeof *list);
  if (list == NULL) return false;
  memset(list + flights->capacity, 0, (capacity - flights->capacity) * sizeof *list);
  flights->list = list;
  flights->capacity = capacity;
  return true;
}

static ae_flight *add (ae_flights *flights, const ae_flight *flight) {
  size_t at;
  /* At least half of the places are free, so free_place looks at few. */
  if (flights->count * 2 >= flights->capacity && !grow(flights)) return NULL;
  if (!ae_map_reserve(&flights->map, 1)) return NULL;
  at = free_place(flights);
  flights->list[at] = *flight;
  flights->list[at].claim = ++flights->last_claim;
  flights->list[at].holds = true;
  flights->list[at].told = false;
  ae_map_put(&flights->map, ae_hash_run(flight->lane->hash, flight->sequence), at + 1);
  flights->count++;
  return &flights->list[at];
}

const ae_flight *ae_flights_add (ae_flights *flights, const ae_flight *flight) {
  const ae_flight *added;
  assert(find(flights, flight->sequence, flight->lane->hash) == NULL);
  pthread_mutex_lock(&flights->lock);
  added = add(flights, flight);
  pthread_mutex_unlock(&flights->lock);
  return added;
}

const ae_flight *ae_flights_find (const ae_flights *flights, int64_t sequence, uint64_t rule) {
  return find(flights, sequence, rule);
}

void ae_flights_remove (ae_flights *flights, int64_t sequence, uint64_t rule) {
  ae_flight *flight = find(flights, sequence, rule);
  if (flight == NULL) return;
  pthread_mutex_lock(&flights->lock);
  if (!flight->holds && !flight->told) flights->recalled--;
  flight->claim = 0;
  (void)ae_map_remove(&flights->map, ae_hash_run(rule, sequence));
  flights->count--;
  pthread_mutex_unlock(&flights->lock);
}

void ae_flights_recall (ae_flights *flights, int64_t sequence, uint64_t rule) {
  ae_flight *flight = find(flights, sequence, rule);
  if (flight == NULL || !flight->holds) return;
  pthread_mutex_lock(&flights->lock);
  flight->holds = false;
  flights->recalled++;
  pthread_mutex_unlock(&flights->lock);
}

void ae_flights_assign (ae_flights *flights, int64_t sequence, uint64_t rule, size_t worker) {
  ae_flight *flight = find(flights, sequence, rule);
  assert(flight != NULL);
  flight->worker = worker; /* only the writer reads this field: no lock */
}

const ae_flight *ae_flights_next (const ae_flights *flights, size_t *at) {
  while (*at < flights->capacity) {
    const ae_flight *flight = &flights->list[(*at)++];
    if (flight->claim != 0) return flight;
  }
  return NULL;
}

void ae_flights_told (ae_flights *flights, const ae_flight *flight) {
  ae_flight *own = find(flights, flight->sequence, flight->lane->hash);
  assert(own == flight && !own->holds && !own->told);
  own->told = true;
  flights->recalled--;
}

void ae_flights_each (ae_flights *flights,
                      void (*visit)(void *context, const ae_flight *flight), void *context) {
  size_t at = 0;
  const ae_flight *flight;
  pthread_mutex_lock(&flights->lock);
  while ((flight = ae_flights_next(flights, &at)) != NULL)
    if (flight->holds) visit(context, flight);
  pthread_mutex_unlock(&flights->lock);
}

uint64_t ae_flights_claim (ae_flights *flights, int64_t sequence, ae_slice rule, bool *holds) {
  const uint64_t hash = ae_hash(AE_HASH_START, rule);
  const ae_flight *flight;
  uint64_t claim = 0;
  pthread_mutex_lock(&flights->lock);
  flight = find(flights, sequence, hash);
  *holds = flight != NULL && flight->holds;
  if (flight != NULL) claim = flight->claim;
  pthread_mutex_unlock(&flights->lock);
  return claim;
}
