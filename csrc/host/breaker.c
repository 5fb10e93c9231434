/*
** breaker.c: see breaker.h. A configuration has few targets: a list serves.
*/
#include "host/breaker.h"

#include <stdlib.h>

void ae_breakers_init (ae_breakers *breakers) {
  breakers->list = NULL;
  pthread_mutex_init(&breakers->lock, NULL);
}

void ae_breakers_free (ae_breakers *breakers) {
  while (breakers->list != NULL) {
    ae_breaker *breaker = breakers->list;
    breakers->list = breaker->next;
    free(breaker);
  }
  pthread_mutex_destroy(&breakers->lock);
}

/* The target's breaker, made when it is new. NULL: no memory. With the lock held. */
static ae_breaker *find (ae_breakers *breakers, const char *target) {
  ae_breaker *breaker;
  size_t size = strlen(target) + 1;
  for (breaker = breakers->list; breaker != NULL; breaker = breaker->next)
    if (strcmp(breaker->target, target) == 0) return breaker;
  breaker = calloc(1, sizeof *breaker + size);
  if (breaker == NULL) return NULL;
  memcpy(breaker->target, target, size);
  breaker->next = breakers->list;
  breakers->list = breaker;
  return breaker;
}

void ae_breakers_expect (ae_breakers *breakers, const char *target) {
  pthread_mutex_lock(&breakers->lock);
  (void)find(breakers, target);
  pthread_mutex_unlock(&breakers->lock);
}

/* Opens it, or opens it again for twice the pause. */
static void open_it (ae_breaker *breaker, int64_t now) {
  if (breaker->pause == 0) breaker->since = now;
  breaker->pause = breaker->pause == 0 ? AE_BREAKER_SHORTEST : breaker->pause * 2;
  if (breaker->pause > AE_BREAKER_LONGEST) breaker->pause = AE_BREAKER_LONGEST;
  breaker->until = now + breaker->pause;
  breaker->trying = false;
}

static void close_it (ae_breaker *breaker) {
  breaker->failures = 0;
  breaker->pause = 0;
  breaker->trying = false;
}

/* While an attempt is under way, `until` is the time at which it counts as lost: then
** the next one is admitted in its place. */
static int64_t admit (ae_breaker *breaker, int64_t now) {
  if (breaker->pause == 0) return 0;
  if (now < breaker->until) return breaker->trying ? breaker->pause : breaker->until - now;
  breaker->trying = true;
  breaker->until = now + AE_BREAKER_PATIENCE;
  return 0;
}

/* Failures of attempts that had begun before it opened change nothing. */
static void report (ae_breaker *breaker, bool good, int64_t now) {
  if (good) close_it(breaker);
  else if (breaker->pause != 0 && breaker->trying) open_it(breaker, now);
  else if (breaker->pause == 0 && ++breaker->failures >= AE_BREAKER_FAILURES)
    open_it(breaker, now);
}

int64_t ae_breakers_admit (ae_breakers *breakers, const char *target, int64_t now) {
  ae_breaker *breaker;
  int64_t wait;
  pthread_mutex_lock(&breakers->lock);
  breaker = find(breakers, target);
  wait = breaker == NULL ? 0 : admit(breaker, now);
  pthread_mutex_unlock(&breakers->lock);
  return wait;
}

void ae_breakers_report (ae_breakers *breakers, const char *target, bool good, int64_t now) {
  ae_breaker *breaker;
  pthread_mutex_lock(&breakers->lock);
  breaker = find(breakers, target);
  if (breaker != NULL) report(breaker, good, now);
  pthread_mutex_unlock(&breakers->lock);
}

void ae_breakers_release (ae_breakers *breakers, const char *target, int64_t now) {
  ae_breaker *breaker;
  pthread_mutex_lock(&breakers->lock);
  breaker = find(breakers, target);
  if (breaker != NULL && breaker->trying) {
    breaker->trying = false;
    breaker->until = now;
  }
  pthread_mutex_unlock(&breakers->lock);
}

void ae_breakers_each (ae_breakers *breakers,
                       void (*visit)(void *context, const ae_breaker *breaker),
                       void *context) {
  pthread_mutex_lock(&breakers->lock);
  for (const ae_breaker *breaker = breakers->list; breaker != NULL; breaker = breaker->next)
    visit(context, breaker);
  pthread_mutex_unlock(&breakers->lock);
}
