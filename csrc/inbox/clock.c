/*
** clock.c: see clock.h.
*/
#include "inbox/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
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

/* Clocks by the paths of their inboxes. */

typedef struct named {
  struct named *next;
  ae_clock *clock;
  char path[];
} named;

static struct {
  pthread_mutex_t lock;
  named *first;
} names = {PTHREAD_MUTEX_INITIALIZER, NULL};

bool ae_clock_name (ae_clock *clock, const char *path) {
  const size_t size = strlen(path) + 1;
  named *one = malloc(sizeof *one + size);
  if (one == NULL) return false;
  one->clock = clock;
  memcpy(one->path, path, size);
  pthread_mutex_lock(&names.lock);
  one->next = names.first;
  names.first = one;
  pthread_mutex_unlock(&names.lock);
  return true;
}

void ae_clock_forget (ae_clock *clock) {
  named **at = &names.first;
  pthread_mutex_lock(&names.lock);
  while (*at != NULL) {
    named *one = *at;
    if (one->clock == clock) {
      *at = one->next;
      free(one);
    } else {
      at = &one->next;
    }
  }
  pthread_mutex_unlock(&names.lock);
}

ae_clock *ae_clock_of (const char *path) {
  ae_clock *found = NULL;
  pthread_mutex_lock(&names.lock);
  for (const named *one = names.first; one != NULL && found == NULL; one = one->next)
    if (strcmp(one->path, path) == 0) found = one->clock;
  pthread_mutex_unlock(&names.lock);
  return found;
}
