/*
** throttle.h: limits the lines of the log that a client can cause: some are written
** each second, further ones are only counted.
*/
#ifndef ALTINN_EVENTS_HOST_THROTTLE_H
#define ALTINN_EVENTS_HOST_THROTTLE_H

#include "core/slice.h"
#include "inbox/clock.h"

/* The limit of one kind of line; all zero at the beginning. One thread's. */
typedef struct ae_throttle {
  int64_t second;   /* monotonic: when the last line was asked for */
  uint32_t written; /* in that second */
  uint64_t more;    /* lines not written, and not reported yet */
} ae_throttle;

/* Whether the line may be written now: at most `most` a second. */
bool ae_throttle_allows (ae_throttle *throttle, uint32_t most, ae_clock *clock);

/* Returns how many lines were not written, and forgets them, once their second is over
** or with `end`; else 0. */
uint64_t ae_throttle_told (ae_throttle *throttle, bool end, ae_clock *clock);

#endif
