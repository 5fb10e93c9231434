/*
** force.h: rules that were put in force, or back into the shadow, by hand. What the file
** says of a rule counts as long as the rule has the version that it names. A running host
** follows within a second.
*/
#ifndef ALTINN_EVENTS_FORCE_H
#define ALTINN_EVENTS_FORCE_H

#include "inbox/ask.h"

typedef struct ae_force {
  ae_slice rule;
  int64_t version;
  bool real;            /* in force; false: in the shadow */
  ae_slice who, reason; /* masked texts */
  int64_t time;         /* ms since 1970 */
} ae_force;

/* Queries: the rules (rule, version, state, time, who, reason); the version of the rule
** that a host ran last (version, file, last); how many runs of the rule are in which
** state, and "memory": values that it remembers in the shadow (name, count). */
ae_code ae_ask_forced (ae_ask *ask, ae_error *error);
ae_code ae_ask_ran (ae_ask *ask, ae_slice rule, ae_error *error);
ae_code ae_ask_force_plan (ae_ask *ask, ae_slice rule, ae_error *error);

/* Writes down the act and its effect, in one transaction. What the rule remembers in the
** shadow is forgotten when it comes into force. */
ae_code ae_ask_force (ae_ask *ask, const ae_force *force, ae_error *error);

#endif
