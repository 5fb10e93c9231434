/*
** replay.h: stored events are given to rules again by hand. The caller names pairs of an
** event and a rule that wants it; the file decides which of them run again:
**
**     no run, dead, abandoned    again
**     shadowed                   again, when the rule is not in the shadow any more
**     done, skipped, shadowed    again with `all`, from the beginning
**     not over                   left alone: it is under way
**     discarded                  left alone: somebody gave it up
**
** A replay is a row of the table `replay` with the place that it has reached. Its runs
** come in slices, each one transaction with the new place, so that a replay that was
** broken off goes on there.
*/
#ifndef ALTINN_EVENTS_REPLAY_H
#define ALTINN_EVENTS_REPLAY_H

#include "inbox/ask.h"

typedef struct ae_replay {
  int64_t number; /* BEGIN: out */
  ae_slice asked; /* BEGIN: what for: the same words find the replay again */
  ae_slice who, reason;
  int64_t time;  /* ms since 1970 */
  int64_t last;  /* BEGIN: the last event of the replay */
  int64_t place; /* GO: the last event of the slice */
  int64_t events;
  bool ended; /* GO: it was the last slice */
} ae_replay;

/* A query: replays, the newest first; with `asked` the one of these words that has not
** ended. */
ae_code ae_ask_replays (ae_ask *ask, ae_slice asked, int64_t limit, ae_error *error);
/* Writes a new replay down. */
ae_code ae_ask_replay_begin (ae_ask *ask, ae_replay *replay, ae_error *error);

/* Forgets the pairs named before. */
ae_code ae_ask_pairs_clear (ae_ask *ask, ae_error *error);
/* Names a pair, in order of arrival. `shadow`: the rule is in the shadow. */
ae_code ae_ask_pair (ae_ask *ask, int64_t sequence, ae_slice rule, bool shadow,
                     ae_error *error);
/* A query: the pairs by rule, state of the run ("none": there is none, "waiting") and
** `again`: 1: they run again; the number of `runs`; of those, how many recorded no effect
** (`unknown`); the effects that were `sent`, those that were recorded and not sent
** (`open`), and those that the shadow would have had (`would`). */
ae_code ae_ask_pairs_plan (ae_ask *ask, bool all, ae_error *error);
/* A query: the pairs that run again (sequence, rule), in order; after ae_ask_pairs_plan. */
ae_code ae_ask_pairs_again (ae_ask *ask, ae_error *error);
/* Whether an effect was sent under the key. */
ae_code ae_ask_is_sent (ae_ask *ask, ae_slice key, bool *sent, ae_error *error);
/* Lets the pairs run again, and moves the replay on to its new place; *runs: how many. */
ae_code ae_ask_pairs_go (ae_ask *ask, const ae_replay *replay, bool all, int64_t *runs,
                         ae_error *error);
/* The number of runs of the last slice that no worker has carried out yet. */
ae_code ae_ask_pairs_left (ae_ask *ask, int64_t *runs, ae_error *error);

#endif
