/*
** timestamp.h: RFC 3339 text to seconds and nanoseconds.
*/
#ifndef ALTINN_EVENTS_TIMESTAMP_H
#define ALTINN_EVENTS_TIMESTAMP_H

#include "core/slice.h"

typedef struct ae_timestamp {
  int64_t seconds;     /* since 1970-01-01T00:00:00Z, leap seconds not counted */
  int32_t nanoseconds; /* 0 .. 999,999,999; digits beyond nine are dropped */
} ae_timestamp;

/*
** Reads RFC 3339 §5.6 `date-time`. Letters T and Z in any case. A leap
** second is taken on the last day of a month at 23:59:60 UTC (§5.7) and
** becomes the last nanosecond-exact instant before the next minute.
** On failure *reason is a static sentence, and *out means nothing.
*/
bool ae_timestamp_parse (ae_slice text, ae_timestamp *out, const char **reason);

#endif
