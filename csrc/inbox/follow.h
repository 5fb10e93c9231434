/*
** follow.h: what became of an inbox since a reader last looked: for those who show what
** happens while it happens. Only the file is asked, so that a reader needs no host, and
** no lock is held between two queries. While nothing happens AE_FOLLOW_VERSION is all
** that a reader asks; its cost does not depend on the number of events.
*/
#ifndef ALTINN_EVENTS_INBOX_FOLLOW_H
#define ALTINN_EVENTS_INBOX_FOLLOW_H

#include "inbox/ask.h"

/* The queries, each with a word; the columns stand in store_follow.c. */
#define AE_FOLLOWS(X) \
  X(VERSION, "version")   /* one row: a number that changes when another one wrote */ \
  X(MARKS, "marks")       /* one row: the newest numbers of events, attempts and acts */ \
  X(EVENTS, "events")     /* events after a number, the oldest first */ \
  X(ATTEMPTS, "attempts") /* runs that left a state that is kept, after a number */ \
  X(ACTS, "acts")         /* acts by hand after a number */ \
  X(UNTRIED, "untried")   /* the events with a run that was never tried */ \
  X(STANDS, "stands")     /* a text for each event of a list, see ae_follow */

typedef enum ae_follow_what {
#define NAME(name, word) AE_FOLLOW_##name,
  AE_FOLLOWS(NAME)
#undef NAME
} ae_follow_what;

/* Starts a query, as those of ask.h do. `after` and `most` (rows) concern EVENTS,
** ATTEMPTS and ACTS. `list` concerns STANDS: a JSON array of numbers of events. The column
** `stand` is another text whenever a run or an effect of the event has changed, and
** `changed` is when a run of it last changed, ms since 1970. */
ae_code ae_follow (ae_ask *ask, ae_follow_what what, int64_t after, int64_t most,
                   ae_slice list, ae_error *error);

#endif
