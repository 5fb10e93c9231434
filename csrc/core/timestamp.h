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
** Reads RFC 3339 §5.6 `date-time`. T and Z may be in lower case. A leap second is
** allowed on the last day of a month at 23:59:60 UTC (§5.7); it becomes the last
** nanosecond before the next minute. On failure *reason is a static sentence, and *out
** is not valid.
*/
bool ae_timestamp_parse (ae_slice text, ae_timestamp *out, const char **reason);

#endif
