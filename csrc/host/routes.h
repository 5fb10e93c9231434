/*
** routes.h: finds the rules that want an event, and the order key of a run. Holds the
** compiled heads of all rules; a reload replaces all of them at once.
*/
#ifndef ALTINN_EVENTS_HOST_ROUTES_H
#define ALTINN_EVENTS_HOST_ROUTES_H

#include <pthread.h>

#include "core/match.h"
#include "inbox/inbox.h"

/* Runs of a rule with the same order key are carried out one at a time. The key is: */
typedef enum ae_ordering {
  AE_BY_THING,     /* the thing that the event is about */
  AE_BY_ATTRIBUTE, /* the value of an attribute */
  AE_BY_CONSTANT,  /* the same for all events */
  AE_UNORDERED     /* there is none: the runs are in no order */
} ae_ordering;

/* One rule. Its number in the matcher is its index in the list. */
typedef struct ae_head {
  char *rule;
  ae_ordering ordering;
  char *order;    /* the attribute's name, or the constant; NULL: neither */
  size_t at_once; /* runs in flight at most; 0: no limit of its own */
} ae_head;

/* The words of a head, for ae_heads_add, which copies them. */
typedef struct ae_head_words {
  ae_slice rule;
  ae_ordering ordering;
  ae_slice order; /* absent, unless the ordering needs it */
  size_t at_once;
  const ae_condition *conditions;
  size_t count; /* of conditions */
} ae_head_words;

typedef struct ae_heads {
  ae_matcher *matcher;
  ae_head *list;
  size_t count, capacity;
  uint32_t *found;       /* numbers of the last match; the writer thread's */
  size_t room;           /* numbers that `found` can hold */
  struct ae_heads *next; /* the next of the retired */
} ae_heads;

/* Makes an empty list with room for `capacity` heads. NULL: no memory. */
ae_heads *ae_heads_new (size_t capacity);
/* Frees them; NULL is allowed. */
void ae_heads_free (ae_heads *heads);
/* Adds a head, for which there must be room. AE_MEMORY, or AE_INVALID when the matcher
** refuses the conditions. */
ae_code ae_heads_add (ae_heads *heads, const ae_head_words *words, ae_error *error);

/*
** The heads in force. The receiver has parsed an event that has just come in; an event
** from the file is parsed here, once for all rules. `ae_routes_match` and
** `ae_routes_key` are the writer thread's.
*/
typedef struct ae_routes {
  pthread_rwlock_t lock;
  ae_heads *heads;
  ae_heads *retired; /* replaced heads whose names may still be in use */
  char *raw, *text;  /* an event from the file, unchanged; the copy that was parsed */
  size_t length, capacity;
  ae_attribute *attributes;
  uint32_t attribute_capacity;
  ae_event event;
  bool valid;   /* `event` is `raw` parsed */
  size_t found; /* how many numbers heads->found has */
} ae_routes;

/* Begins without heads: no rule wants an event. */
void ae_routes_init (ae_routes *routes);
/* Frees the heads in force and those replaced. */
void ae_routes_free (ae_routes *routes);
/* Takes `heads` over. Any thread. */
void ae_routes_replace (ae_routes *routes, ae_heads *heads);
/* Frees the heads that were replaced. The inbox must not use names that it got from
** ae_routes_match any more. Writer thread. */
void ae_routes_release (ae_routes *routes);

/* The names of the rules that want an event: `match` of ae_inbox_options.
** Writer thread. */
size_t ae_routes_match (ae_routes *routes, ae_slice body, const ae_event *event,
                        ae_slice *rules, size_t capacity);
/* The order key of the run of this event and rule; absent: the run has no order. The
** slice lives until the next call. Writer thread. */
ae_slice ae_routes_key (ae_routes *routes, ae_slice body, const ae_event *event,
                        ae_slice rule);
/* What an event means: its type, the kind and the id of its thing, its subject. False:
** its type may come several times for one thing, or the catalogue has no such type, or
** the event names no thing. The slices live until the next call. Writer thread. */
bool ae_routes_meaning (ae_routes *routes, ae_slice body, const ae_event *event,
                        ae_slice parts[AE_MEANING_PARTS]);
/* The event of the body; it lives until the next call. NULL: it cannot be read, or there
** is no memory. Writer thread. */
const ae_event *ae_routes_event (ae_routes *routes, ae_slice body);
/* Whether a rule of that name is in force. Any thread. */
bool ae_routes_in_force (ae_routes *routes, ae_slice rule);
/* How many runs of the rule may be in flight; 0: the rule does not say. Any thread. */
size_t ae_routes_at_once (ae_routes *routes, ae_slice rule);

#endif
