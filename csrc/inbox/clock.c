/*
** clock.c: see clock.h.
*/
#include "inbox/clock.h"

#include <stddef.h>
#include <time.h>

#define MS INT64_C(1000000) /* in nanoseconds */

static int64_t now_ns (ae_clock *clock, clockid_t id) {
  const int64_t still = clock == NULL ? 0 : atomic_load(&clock->still);
  struct timespec t;
  int64_t now;
  if (still != 0) return still;
  clock_gettime(id, &t);
  now = (int64_t)t.tv_sec * 1000 * MS + t.tv_nsec;
  return clock == NULL ? now : now + atomic_load(&clock->ahead);
}

int64_t ae_clock_wall_ms (ae_clock *clock) {
  return now_ns(clock, CLOCK_REALTIME) / MS;
}

int64_t ae_clock_steady_ns (ae_clock *clock) {
  return now_ns(clock, CLOCK_MONOTONIC);
}

int64_t ae_clock_steady_ms (ae_clock *clock) {
  return now_ns(clock, CLOCK_MONOTONIC) / MS;
}

void ae_clock_advance (ae_clock *clock, int64_t ns) {
  if (atomic_load(&clock->still) != 0) atomic_fetch_add(&clock->still, ns);
  else atomic_fetch_add(&clock->ahead, ns);
}

void ae_clock_set (ae_clock *clock, int64_t ns) {
  atomic_store(&clock->still, ns);
}
