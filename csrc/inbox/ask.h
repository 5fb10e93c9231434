/*
** ask.h: the operator's door to an inbox: listings of events, runs and effects,
** groups of runs by cause, and acts by hand (retry, discard, later). An ae_ask has
** a connection of its own and works beside a running host, which follows an act
** within a fifth of a second; without a host the act is a row in the file, and the
** next start follows it.
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

/* Milliseconds since 1970, by the clock of the host that has the file: see ae_clock_of. */
int64_t ae_ask_now (const ae_ask *ask);

/* Whether a host has the file open: 1, or 0; -1: that cannot be seen. */
int ae_ask_attended (const char *path);

/* What tells one inbox from another: the beginning of a digest of its key, which a copy of
** the file shares. */
#define AE_IDENTITY_SIZE 17 /* with the NUL */
void ae_inbox_identity_of (const unsigned char *key, size_t length,
                           char identity[AE_IDENTITY_SIZE]);
ae_code ae_ask_identity (ae_ask *ask, char identity[AE_IDENTITY_SIZE], ae_error *error);

/* Which events or runs are meant. An absent slice or a 0 does not filter. */
typedef struct ae_ask_filter {
  int64_t sequence;     /* of the event */
  ae_slice state;       /* of a run, or "waiting" or "unmatched" */
  ae_slice rule, type;  /* type: the full one */
  ae_slice cause;       /* the id of a group, or a part of a cause's text */
  int64_t since, until; /* ms since 1970: received then or later; before then */
  int64_t limit;        /* the most events listed */
} ae_ask_filter;

/* A line: see lines.h. */
typedef struct ae_ask_place {
  ae_slice rule;
  ae_slice path; /* of the attribute that orders the rule's runs, as '$."subject"'; absent:
                    all runs of the rule are one line */
  ae_slice key;  /* the order key */
  int64_t now;   /* ms since 1970: runs that are due by then stand in it */
  int64_t limit; /* the most runs listed; the first ones by sequence */
} ae_ask_place;

/* A column of a row. Numbers that are times are ms since 1970; a text in JSON or of
** several lines: see the tables in store_schema.c. */
typedef struct ae_asked {
  const char *name;
  enum { AE_ASKED_NOTHING, AE_ASKED_NUMBER, AE_ASKED_TEXT } kind; /* NOTHING: NULL */
  int64_t number;
  ae_slice text;
} ae_asked;

/* The number of events that pass the filter. */
ae_code ae_ask_count (ae_ask *ask, const ae_ask_filter *filter, int64_t *count,
                      ae_error *error);

/* Each starts a query; ae_ask_next gives its rows. The names of their columns stand in
** the query's SQL alone. */
ae_code ae_ask_events (ae_ask *ask, const ae_ask_filter *filter, ae_error *error);
ae_code ae_ask_event (ae_ask *ask, int64_t sequence, ae_error *error);
ae_code ae_ask_by_id (ae_ask *ask, ae_slice id, ae_error *error);
ae_code ae_ask_runs (ae_ask *ask, int64_t sequence, ae_error *error); /* waiting ones too */
ae_code ae_ask_attempts (ae_ask *ask, int64_t sequence, ae_error *error);
ae_code ae_ask_acts (ae_ask *ask, int64_t sequence, ae_error *error);
ae_code ae_ask_effects (ae_ask *ask, int64_t sequence, ae_error *error);
ae_code ae_ask_effect_attempts (ae_ask *ask, int64_t sequence, ae_error *error);
ae_code ae_ask_steps (ae_ask *ask, int64_t sequence, ae_error *error);
ae_code ae_ask_timers (ae_ask *ask, int64_t sequence, ae_error *error);
/* The runs that are not over and stand in a line, or would when their turn comes; see
** ae_ask_place. Of each: sequence, state, due, changed, reason, cause, attempt, timer, and
** in_line: 1: while it waits for its time, it is the head of the line. */
ae_code ae_ask_line (ae_ask *ask, const ae_ask_place *place, ae_error *error);
/* The times at which hosts started, from `since` (ms since 1970) on. A host that has
** written nothing is not among them. */
ae_code ae_ask_starts (ae_ask *ask, int64_t since, ae_error *error);
/* What Altinn answered to reads, in order of time: of the runs of an event; about a thing,
** such as "letter:0198…", and at `until` (ms since 1970; 0: at any time) or before. */
ae_code ae_ask_readings (ae_ask *ask, int64_t sequence, ae_error *error);
ae_code ae_ask_readings_of (ae_ask *ask, ae_slice thing, int64_t until, ae_error *error);
/* A page of the events after `after`, in order of arrival: at most filter->limit of them
** that pass the filter's since, until, type and rule (one that has a run of the event). */
ae_code ae_ask_stream (ae_ask *ask, int64_t after, const ae_ask_filter *filter,
                       ae_error *error);
/* What is remembered at `now`; an absent rule or thing does not filter. */
ae_code ae_ask_memory (ae_ask *ask, ae_slice rule, ae_slice thing, int64_t now,
                       ae_error *error);
/* The runs that pass the filter, by state, rule and cause, the largest group first:
** runs that are not over or can be put back. The filter's limit does not count. The cause
** of a run that waits for a time and has none is "body NAME", the body that runs then. */
ae_code ae_ask_groups (ae_ask *ask, const ae_ask_filter *filter, ae_error *error);
/* All runs that are not over and have been tried, by rule, version and body: how many
** wait for a timer, and how many for something else. */
ae_code ae_ask_references (ae_ask *ask, ae_error *error);

/* Reads the next row: 1 = a row, 0 = the end, -1 = failed, see ae_ask_why. */
int ae_ask_next (ae_ask *ask);
/* The number of columns of the query, and one of them, counted from 0. */
int ae_ask_columns (const ae_ask *ask);
ae_asked ae_ask_column (const ae_ask *ask, int at);
ae_code ae_ask_why (ae_ask *ask, ae_error *error);

/* Acts by hand, in three steps: pick runs, look at the plan, carry it out in slices. */

typedef enum ae_ask_hand {
  AE_HAND_RETRY,   /* open runs become due now; dead, discarded, abandoned ones begin anew */
  AE_HAND_DISCARD, /* runs that are not over, dead or abandoned become discarded */
  AE_HAND_LATER    /* open runs become due at another time */
} ae_ask_hand;

typedef struct ae_ask_deed {
  ae_slice who;    /* masked text */
  ae_slice reason; /* masked text, or absent */
  ae_slice step;   /* RETRY: forget this step of each run, and those after it; or absent */
  int64_t time;    /* ms since 1970 */
  int64_t due;     /* LATER: ms since 1970 */
} ae_ask_deed;

/* Picks the runs that the filter names and the act applies to, instead of those
** picked before. Without a sequence and a state, a retry leaves out runs in `later`
** and discarded ones, which an operator hardly means. */
ae_code ae_ask_pick (ae_ask *ask, ae_ask_hand hand, const ae_ask_filter *filter,
                     ae_error *error);
/* Queries about the runs that were picked: their groups by state, rule, cause and
** version; their effects by state, and how many of them have which step, in the order of
** the steps (name, count). */
ae_code ae_ask_plan (ae_ask *ask, ae_error *error);
ae_code ae_ask_plan_effects (ae_ask *ask, ae_error *error);
ae_code ae_ask_plan_steps (ae_ask *ask, ae_error *error);

/* Carries the act out on the next runs that were picked, at most `most`, and records
** each in the table `act`, in one transaction: the host cannot store meanwhile. A run
** that has left its state or its cause since it was picked is left alone. *reached: the
** number of runs that were changed; *more: others are left to do. Then waits a moment in
** which the host has its turn. */
ae_code ae_ask_do (ae_ask *ask, const ae_ask_deed *deed, int64_t most, int64_t *reached,
                   bool *more, ae_error *error);

/* The numbers of runs picked, and of their events; `acted`: those that the act has
** changed. */
ae_code ae_ask_picked (ae_ask *ask, bool acted, int64_t *runs, int64_t *events,
                       ae_error *error);
/* Queries about the runs that the act has changed (name, count): how many were in which
** state before, and how many are in which state now, "" for those that the host has not
** taken up yet. */
ae_code ae_ask_before (ae_ask *ask, ae_error *error);
ae_code ae_ask_after (ae_ask *ask, ae_error *error);

#endif
