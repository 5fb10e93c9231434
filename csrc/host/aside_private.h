/*
** aside_private.h: how the kinds of actions are carried out; see aside.h. Each function
** fills the answer. They block, and run on a helper thread.
*/
#ifndef ALTINN_EVENTS_HOST_ASIDE_PRIVATE_H
#define ALTINN_EVENTS_HOST_ASIDE_PRIVATE_H

#include <time.h>

#include "host/aside.h"

/* Puts a file into its folder, whole or not at all. */
void ae_aside_write (ae_action *action);
/* Puts a line at the end of its file. */
void ae_aside_append (ae_action *action);
/* Runs a program to its end. Ends the program's process group when `stopping` or
** action->dropped becomes true. */
void ae_aside_run (ae_action *action, const atomic_bool *stopping);

/* Sets the outcome and a sentence. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void ae_aside_say (ae_action *action, ae_aside_outcome outcome, const char *format, ...);

/* Writes the sentence for a failure of the system at a folder or file: what is wrong, and
** what to do. */
void ae_aside_explain (char text[AE_ASIDE_TEXT], const char *place, int number);

/* ns, CLOCK_MONOTONIC. */
static inline int64_t ae_aside_now (void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Waits. */
static inline void ae_aside_pause (long milliseconds) {
  struct timespec t = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  nanosleep(&t, NULL);
}

#endif
