/*
** clock.h: the one clock of a host: of its inbox, its workers and its breakers. It runs
** with the system's clocks, ahead of them by a span that only grows; or it stands still
** until it is set, which is how a simulation passes time.
*/
#ifndef ALTINN_EVENTS_CLOCK_H
#define ALTINN_EVENTS_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* All zero: the system's clocks. Any thread may read and move it. */
typedef struct ae_clock {
  _Atomic(int64_t) ahead; /* ns: how far ahead of the system's clocks it is */
  _Atomic(int64_t) still; /* ns since 1970: the time at which it stands; 0: it runs */
} ae_clock;

/* Milliseconds since 1970. NULL: of the system's clock. */
int64_t ae_clock_wall_ms (ae_clock *clock);
/* Nanoseconds of a clock that never jumps back, except by ae_clock_set: of a clock that
** stands, those since 1970. NULL: of the system's clock. */
int64_t ae_clock_steady_ns (ae_clock *clock);
/* The same in milliseconds. */
int64_t ae_clock_steady_ms (ae_clock *clock);
/* Moves the clock ahead. */
void ae_clock_advance (ae_clock *clock, int64_t ns);
/* The clock of the inbox with this path, as long as it is named so; NULL: another process
** has the inbox, or its host runs on the system's clocks. Whoever names a clock forgets it
** before it ends. ae_clock_name: false: no memory. */
bool ae_clock_name (ae_clock *clock, const char *path);
void ae_clock_forget (ae_clock *clock);
ae_clock *ae_clock_of (const char *path);
/* Stops the clock at a time, ns since 1970, more than 0. */
void ae_clock_set (ae_clock *clock, int64_t ns);

#endif
