/*
** throttle.h: lines of the log that others can cause are written a few a
** second, and counted beyond.
*/
#ifndef ALTINN_EVENTS_HOST_THROTTLE_H
#define ALTINN_EVENTS_HOST_THROTTLE_H

#include "core/slice.h"

/* Of one kind of line; zeroed at the beginning. One thread's. */
typedef struct ae_throttle {
  int64_t second;   /* in which the last line was asked for, monotonic */
  uint32_t written; /* in that second */
  uint64_t more;    /* not written, and not told of */
} ae_throttle;

/* Whether the line may be written now: at most `most` a second. */
bool ae_throttle_allows (ae_throttle *throttle, uint32_t most);

/* How many lines were not written, once their second is over, or at the end;
** 0: none. They have been told of then. */
uint64_t ae_throttle_told (ae_throttle *throttle, bool end);

#endif
