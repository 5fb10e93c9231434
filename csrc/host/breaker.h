/*
** breaker.h: for each target, whether attempts to reach it are admitted. Shared by all
** workers, so that a target that is down gets one attempt from the host now and then,
** not one from each run.
**
**              AE_BREAKER_FAILURES failures in a row
**     closed ----------------------------------------> open, for a pause
**       ^                                                |  the pause is over
**       | a success                                      v
**       +----------------------------------------- half open: one attempt is admitted
**                                                        |  it fails, or says nothing
**                                                        +-> open, for twice the pause
**
** Times are ms of a clock that never jumps, given by the caller. Any thread.
*/
#ifndef ALTINN_EVENTS_HOST_BREAKER_H
#define ALTINN_EVENTS_HOST_BREAKER_H

#include <pthread.h>

#include "core/slice.h"

#define AE_BREAKER_FAILURES 5
#define AE_BREAKER_SHORTEST 1000 /* ms: the first pause */
#define AE_BREAKER_LONGEST 60000
#define AE_BREAKER_PATIENCE 60000 /* ms: an attempt that says nothing for so long is lost */

/* One target. */
typedef struct ae_breaker {
  struct ae_breaker *next;
  unsigned failures; /* in a row, while it is closed */
  int64_t pause;     /* ms; 0: it is closed */
  int64_t until;     /* nothing is admitted before this */
  int64_t since;     /* when it opened, if it is open */
  bool trying;       /* half open: one attempt is under way */
  char target[];
} ae_breaker;

typedef struct ae_breakers {
  pthread_mutex_t lock;
  ae_breaker *list;
} ae_breakers;

/* Begins with no target. */
void ae_breakers_init (ae_breakers *breakers);
/* Frees them; no thread may use them any more. */
void ae_breakers_free (ae_breakers *breakers);
/* Adds a target, closed, unless it is there. Without memory the target has no breaker:
** its attempts are admitted. */
void ae_breakers_expect (ae_breakers *breakers, const char *target);
/* Whether an attempt to reach the target may begin: 0, or how many ms to wait before
** asking again. After 0 the caller owes a report, or a release. */
int64_t ae_breakers_admit (ae_breakers *breakers, const char *target, int64_t now);
/* Reports an attempt: good, or failed in a way that speaks against the target as a whole
** (no connection, a timeout, a 5xx answer, an unknown outcome). */
void ae_breakers_report (ae_breakers *breakers, const char *target, bool good, int64_t now);
/* Takes the admission back: the attempt does not take place, and says nothing of the
** target, so that another one is admitted in its place. */
void ae_breakers_release (ae_breakers *breakers, const char *target, int64_t now);
/* Calls `visit` for each target, under the lock. */
void ae_breakers_each (ae_breakers *breakers,
                       void (*visit)(void *context, const ae_breaker *breaker), void *context);

#endif
