/*
** lanes.h: a lane for each rule. The lane counts the rule's runs in flight, whose
** number is limited (the window), and queues the runs that may start and wait
** for room in the window (the backlog). A slow rule fills its own lane only. One
** thread's.
*/
#ifndef ALTINN_EVENTS_LANES_H
#define ALTINN_EVENTS_LANES_H

#include "core/slice.h"

typedef struct ae_lane_item {
  int64_t sequence;
  uint64_t line; /* see lines.h; 0 = none */
} ae_lane_item;

typedef struct ae_lane {
  char *rule;
  size_t length;
  uint64_t hash;           /* of the rule's name */
  size_t window;           /* runs that may be in flight; 0: to be asked for */
  size_t in_flight, bytes; /* runs at the workers; bytes of their events */
  ae_lane_item *backlog;   /* a ring; oldest at `first` */
  size_t first, count, capacity;
  bool remembers;            /* the rule remembers something of some thing */
  uint64_t abandoned;        /* runs abandoned and not reported yet */
  struct ae_lane *next;      /* the next lane of the same slot */
  struct ae_lane *next_lane; /* the next of all lanes */
} ae_lane;

#define AE_LANE_SLOTS 1024

/* All zero is empty. */
typedef struct ae_lanes {
  ae_lane *slots[AE_LANE_SLOTS];
  ae_lane *all;
  size_t backlog; /* runs in all backlogs */
} ae_lanes;

/* Frees all lanes. */
void ae_lanes_free (ae_lanes *lanes);
/* Empties all backlogs. */
void ae_lanes_clear (ae_lanes *lanes);
/* Forgets all windows: the rules have changed. */
void ae_lanes_forget_windows (ae_lanes *lanes);
/* The lane of a rule, made when it is new. NULL: no memory. */
ae_lane *ae_lanes_get (ae_lanes *lanes, ae_slice rule);
/* Puts a run at the end of the lane's backlog. False: no memory. */
bool ae_lanes_push (ae_lanes *lanes, ae_lane *lane, ae_lane_item item);
/* The oldest run of the backlog; there must be one. */
ae_lane_item ae_lane_first (const ae_lane *lane);
/* Removes the oldest run of the backlog; there must be one. */
void ae_lanes_pop (ae_lanes *lanes, ae_lane *lane);
/* The rule's name. */
ae_slice ae_lane_rule (const ae_lane *lane);

#endif
