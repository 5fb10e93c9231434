/*
** routes.h: which rules want an event, and in what order the runs of a rule
** must go. The heads of the rules stand compiled here; they are replaced as
** a whole at a reload.
*/
#ifndef ALTINN_EVENTS_HOST_ROUTES_H
#define ALTINN_EVENTS_HOST_ROUTES_H

#include <pthread.h>

#include "core/match.h"
#include "inbox/inbox.h"

/* One rule. Its number in the matcher is its index in the list. */
typedef struct ae_head {
  char *rule;
  char *attribute; /* the runs are ordered by this attribute; NULL: by the
                      thing that the event is about */
  bool ordered;    /* false: in no order (`attribute` does not count) */
} ae_head;

typedef struct ae_heads {
  ae_matcher *matcher;
  ae_head *list;
  size_t count, capacity;
  uint32_t *found;       /* of the last match; the writer thread's */
  size_t room;           /* numbers that `found` can hold */
  struct ae_heads *next; /* among the retired */
} ae_heads;

/* Room for so many heads, with none in it. NULL: no memory. */
ae_heads *ae_heads_new (size_t capacity);
/* Frees them; NULL is allowed. */
void ae_heads_free (ae_heads *heads);
/* Adds a head; copies all it is given. `order` absent: by the thing. There
** must be room. AE_MEMORY, or AE_INVALID when the matcher cannot have it. */
ae_code ae_heads_add (ae_heads *heads, ae_slice rule, bool ordered, ae_slice order,
                      const ae_condition *conditions, size_t count, ae_error *error);

/*
** The heads in force. An event that comes from reception was read there; one
** that comes from the file is read here, once for all its rules.
** `ae_routes_match` and `ae_routes_key` are the writer thread's.
*/
typedef struct ae_routes {
  pthread_rwlock_t lock;
  ae_heads *heads;
  ae_heads *retired; /* names of theirs may still be in use */
  char *raw, *text;  /* an event of the file as it is there; the copy that was read */
  size_t length, capacity;
  ae_attribute *attributes;
  uint32_t attribute_capacity;
  ae_event event;
  bool valid;   /* `event` is that of `raw` */
  size_t found; /* numbers in heads->found */
} ae_routes;

/* Begins with no heads at all: nothing matches. */
void ae_routes_init (ae_routes *routes);
/* Frees the heads in force and those replaced. */
void ae_routes_free (ae_routes *routes);
/* Takes `heads` over. Any thread. */
void ae_routes_replace (ae_routes *routes, ae_heads *heads);
/* Frees the heads that were replaced: nobody uses a name of theirs any more. */
void ae_routes_release (ae_routes *routes);

/* The names of the rules that want an event: `match` of ae_inbox_options.
** Writer thread. */
size_t ae_routes_match (ae_routes *routes, ae_slice body, const ae_event *event,
                        ae_slice *rules, size_t capacity);
/* The key by which runs of the rule are ordered; absent: they are not.
** The slice lives until the next call. */
ae_slice ae_routes_key (ae_routes *routes, ae_slice body, const ae_event *event,
                        ae_slice rule);
/* Whether a rule of that name is in force. Any thread. */
bool ae_routes_in_force (ae_routes *routes, ae_slice rule);

#endif
