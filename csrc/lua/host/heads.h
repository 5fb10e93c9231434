/*
** host_heads.h: the heads of the rules, compiled, and the order in which
** the runs of a rule must go. Replaced as a whole at a reload.
*/
#ifndef ALTINN_EVENTS_HOST_HEADS_H
#define ALTINN_EVENTS_HOST_HEADS_H

#include <pthread.h>

#include <lua.h>

#include "core/match.h"
#include "inbox/inbox.h"

/* One rule. Its number in the matcher is its index in the list. */
typedef struct ae_head {
  char *rule;
  char *attribute; /* order = an attribute's name; NULL = otherwise */
  bool ordered;    /* false: order = false */
} ae_head;

typedef struct ae_heads {
  ae_matcher *matcher;
  ae_head *list;
  size_t count;
  uint32_t *found;       /* room for all numbers; the writer thread's */
  struct ae_heads *next; /* among the retired */
} ae_heads;

/* Builds heads from the list at `index`; raises on misuse, and leaves a
** value on the stack that owns them until they are taken out of it. */
ae_heads **ae_heads_check (lua_State *L, int index);
void ae_heads_free (ae_heads *heads);

/*
** The compiled heads in use, and one event, read at most once for all its
** rules. `ae_routes_match` and `ae_routes_key` are the writer thread's.
*/
typedef struct ae_routes {
  pthread_rwlock_t lock;
  ae_heads *heads;
  ae_heads *retired; /* names of theirs may still be in use */
  char *raw, *text;  /* the event as it came; the one that was read */
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
/* Frees what was replaced: nobody uses a name of it any more. */
void ae_routes_release (ae_routes *routes);

/* The names of the rules that want the event of `body`: `match` of
** ae_inbox_options. Writer thread. */
size_t ae_routes_match (ae_routes *routes, ae_slice body, ae_slice *rules, size_t capacity);
/* The key by which runs of the rule are ordered; absent: they are not.
** The slice lives until the next call. */
ae_slice ae_routes_key (ae_routes *routes, ae_slice body, ae_slice rule);

#endif
