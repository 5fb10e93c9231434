/*
** lanes.h: per rule, which of its runs are under way, and which events
** it still has to see. A rule that is slow or waits for its target fills
** its own lane only.
*/
#ifndef ALTINN_EVENTS_LANES_H
#define ALTINN_EVENTS_LANES_H

#include "core/slice.h"
#include "inbox/map.h"

typedef struct ae_lane {
  char *rule;
  size_t length;
  ae_map under_way; /* sequences; the values mean nothing */
  int64_t *owed;    /* sequences, a ring; oldest at `first` */
  size_t first, count, capacity;
  struct ae_lane *next; /* with the same hash */
} ae_lane;

#define AE_LANE_SLOTS 1024

/* All zero is empty. */
typedef struct ae_lanes {
  ae_lane *slots[AE_LANE_SLOTS];
} ae_lanes;

/* Frees all lanes. */
void ae_lanes_free (ae_lanes *lanes);
/* The lane of a rule, made when it is new. NULL: no memory. */
ae_lane *ae_lanes_get (ae_lanes *lanes, ae_slice rule);
/* Puts a sequence at the end of what is owed. False: no memory. */
bool ae_lane_owe (ae_lane *lane, int64_t sequence);
/* Whether the rule's run of the event is under way or owed. */
bool ae_lane_has (const ae_lane *lane, int64_t sequence);
/* Takes the oldest sequence that is owed; 0 = none. */
int64_t ae_lane_take (ae_lane *lane);

#endif
