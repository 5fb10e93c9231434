/*
** ask.h: what people ask of an inbox: what came in, what became of it, and
** acts by hand. It has a connection of its own and works beside a running
** host, which follows an act within a fifth of a second; without a host the
** act stands in the file and counts at the next start.
**
** The rows of one question are read before the next is put. Slices live until
** the next row.
*/
#ifndef ALTINN_EVENTS_ASK_H
#define ALTINN_EVENTS_ASK_H

#include "inbox/states.h"

typedef struct ae_ask ae_ask;

/* Opens the file, which must be an inbox of this version. AE_NOT_FOUND,
** AE_FORBIDDEN or AE_STORAGE and a sentence that says what to do; then *ask is
** NULL. */
ae_code ae_ask_open (const char *path, ae_ask **ask, ae_error *error);
/* NULL is allowed. */
void ae_ask_close (ae_ask *ask);

/* Which events: absent slices and 0 say nothing. */
typedef struct ae_ask_filter {
  ae_slice state;      /* of a run, or "waiting" or "unmatched" */
  ae_slice rule, type; /* type: the full one */
  int64_t since;       /* ms since 1970: received then or later */
  int64_t limit;       /* at most so many */
} ae_ask_filter;

typedef struct ae_asked_event {
  int64_t sequence, received;
  ae_slice subscription, body, state;
} ae_asked_event;

/* A run, or what stood in its place before (an attempt). */
typedef struct ae_asked_run {
  ae_slice rule, state, reason;
  int64_t attempt, due, changed;
} ae_asked_run;

typedef struct ae_asked_act {
  int64_t time;
  ae_slice who, what, reason, rule, state; /* state: the run's before */
} ae_asked_act;

typedef struct ae_asked_effect {
  ae_slice rule, key, target, request, state, reason, answer;
  int64_t status, attempt, changed; /* status: 0 = none */
} ae_asked_effect;

/* How many events there are. */
ae_code ae_ask_count (ae_ask *ask, const ae_ask_filter *filter, int64_t *count,
                      ae_error *error);

/* Each puts a question; its rows follow. */
ae_code ae_ask_events (ae_ask *ask, const ae_ask_filter *filter, ae_error *error);
ae_code ae_ask_event (ae_ask *ask, int64_t sequence, ae_error *error);
ae_code ae_ask_by_id (ae_ask *ask, ae_slice id, ae_error *error);
ae_code ae_ask_runs (ae_ask *ask, int64_t sequence, ae_error *error); /* waiting ones too */
ae_code ae_ask_attempts (ae_ask *ask, int64_t sequence, ae_error *error);
ae_code ae_ask_acts (ae_ask *ask, int64_t sequence, ae_error *error);
ae_code ae_ask_effects (ae_ask *ask, int64_t sequence, ae_error *error);
ae_code ae_ask_effect_attempts (ae_ask *ask, int64_t sequence, ae_error *error);

/* The next row: 1 = there is one, 0 = the end, -1 = failed, see ae_ask_why. */
int ae_ask_next_event (ae_ask *ask, ae_asked_event *event);
int ae_ask_next_run (ae_ask *ask, ae_asked_run *run); /* attempts too */
int ae_ask_next_act (ae_ask *ask, ae_asked_act *act);
int ae_ask_next_effect (ae_ask *ask, ae_asked_effect *effect); /* their attempts too */
ae_code ae_ask_why (ae_ask *ask, ae_error *error);

typedef enum ae_ask_hand {
  AE_HAND_RETRY,  /* open runs are due now; those given up begin anew */
  AE_HAND_DISCARD /* runs that are not over, and dead and abandoned ones, end */
} ae_ask_hand;

typedef struct ae_ask_deed {
  ae_ask_hand hand;
  int64_t sequence; /* the event */
  ae_slice rule;    /* absent: all its runs */
  ae_slice state;   /* absent: runs in any state that the hand reaches */
  ae_slice who;     /* masked text */
  ae_slice reason;  /* masked text, or absent */
  int64_t time;     /* ms since 1970 */
} ae_ask_deed;

/* The deed in one transaction with the rows that tell of it. `each` is told of
** each run that it reached: its state before. */
ae_code ae_ask_do (ae_ask *ask, const ae_ask_deed *deed,
                   void (*each)(void *context, ae_slice rule, ae_run_state before),
                   void *context, ae_error *error);

/* Deeds between the two are one transaction; one that fails takes all of them
** back. While it lasts the host cannot store: at most some hundred deeds. The
** end waits a moment, in which the host has its turn. */
ae_code ae_ask_begin (ae_ask *ask, ae_error *error);
ae_code ae_ask_end (ae_ask *ask, ae_error *error);

#endif
