/*
** ask.h: the operator's door to an inbox: listings of events, runs and effects,
** and acts by hand (retry, discard). An ae_ask has a connection of its own and
** works beside a running host, which follows an act within a fifth of a second;
** without a host the act is a row in the file, and the next start follows it.
**
** One query is open at a time: a new query ends the one before. Slices live
** until the next row. One thread's.
*/
#ifndef ALTINN_EVENTS_ASK_H
#define ALTINN_EVENTS_ASK_H

#include "inbox/states.h"

typedef struct ae_ask ae_ask;

/* Opens the file, which must be an inbox of this version. On AE_NOT_FOUND,
** AE_FORBIDDEN, AE_STORAGE and AE_MEMORY *error has a sentence that says what to
** do, and *ask is NULL. */
ae_code ae_ask_open (const char *path, ae_ask **ask, ae_error *error);
/* NULL is allowed. */
void ae_ask_close (ae_ask *ask);

/* Which events a query lists. An absent slice or a 0 does not filter. */
typedef struct ae_ask_filter {
  ae_slice state;      /* of a run, or "waiting" or "unmatched" */
  ae_slice rule, type; /* type: the full one */
  int64_t since;       /* ms since 1970: received then or later */
  int64_t limit;       /* the most events listed */
} ae_ask_filter;

typedef struct ae_asked_event {
  int64_t sequence, received;
  ae_slice subscription, body, state;
} ae_asked_event;

/* A run, or an earlier state of a run (an attempt). */
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

/* The number of events that pass the filter. */
ae_code ae_ask_count (ae_ask *ask, const ae_ask_filter *filter, int64_t *count,
                      ae_error *error);

/* Each starts a query; the ae_ask_next_ function of its kind gives the rows. */
ae_code ae_ask_events (ae_ask *ask, const ae_ask_filter *filter, ae_error *error);
ae_code ae_ask_event (ae_ask *ask, int64_t sequence, ae_error *error);
ae_code ae_ask_by_id (ae_ask *ask, ae_slice id, ae_error *error);
ae_code ae_ask_runs (ae_ask *ask, int64_t sequence, ae_error *error); /* waiting ones too */
ae_code ae_ask_attempts (ae_ask *ask, int64_t sequence, ae_error *error);
ae_code ae_ask_acts (ae_ask *ask, int64_t sequence, ae_error *error);
ae_code ae_ask_effects (ae_ask *ask, int64_t sequence, ae_error *error);
ae_code ae_ask_effect_attempts (ae_ask *ask, int64_t sequence, ae_error *error);

/* Reads the next row: 1 = a row, 0 = the end, -1 = failed, see ae_ask_why. */
int ae_ask_next_event (ae_ask *ask, ae_asked_event *event);
int ae_ask_next_run (ae_ask *ask, ae_asked_run *run); /* attempts too */
int ae_ask_next_act (ae_ask *ask, ae_asked_act *act);
int ae_ask_next_effect (ae_ask *ask, ae_asked_effect *effect); /* their attempts too */
ae_code ae_ask_why (ae_ask *ask, ae_error *error);

typedef enum ae_ask_hand {
  AE_HAND_RETRY,  /* open runs become due now; dead, discarded, abandoned ones begin anew */
  AE_HAND_DISCARD /* runs that are not over, dead or abandoned become discarded */
} ae_ask_hand;

typedef struct ae_ask_deed {
  ae_ask_hand hand;
  int64_t sequence; /* the event */
  ae_slice rule;    /* absent: all its runs */
  ae_slice state;   /* absent: runs in any state that the act applies to */
  ae_slice who;     /* masked text */
  ae_slice reason;  /* masked text, or absent */
  int64_t time;     /* ms since 1970 */
} ae_ask_deed;

/* Carries out the deed and records it in the table `act`, in one transaction.
** Calls `each` for every run that the deed changed, with the state before. */
ae_code ae_ask_do (ae_ask *ask, const ae_ask_deed *deed,
                   void (*each)(void *context, ae_slice rule, ae_run_state before),
                   void *context, ae_error *error);

/* Deeds between the two are one transaction; one that fails takes all of them
** back. While it lasts the host cannot store: at most some hundred deeds. The
** end waits a moment, in which the host has its turn. */
ae_code ae_ask_begin (ae_ask *ask, ae_error *error);
ae_code ae_ask_end (ae_ask *ask, ae_error *error);

#endif
