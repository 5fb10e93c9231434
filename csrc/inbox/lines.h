/*
** lines.h: the order of runs. Runs of one rule with the same order key form a
** line, a queue. Only the head of a line may run; the other runs wait behind it,
** in memory. A line is identified by the hash of rule and key. Two keys with the
** same hash share one line: their runs are slower, and still in order.
**
**     map: hash --> head alone     (sequence, asleep)           16 bytes
**               '-> number of a queue: head, first, last        + 32 bytes
**                                          |
**                                          v
**                   nodes: sequence --> sequence --> sequence   24 bytes each
**
** A head is asleep while its run waits until it is due: then the file alone holds
** the run, and its line stays blocked. One thread's.
*/
#ifndef ALTINN_EVENTS_LINES_H
#define ALTINN_EVENTS_LINES_H

#include "inbox/map.h"

typedef struct ae_line_node {
  int64_t sequence;
  void *owner; /* the caller's: the run's lane */
  uint32_t next;
} ae_line_node;

typedef struct ae_line_queue {
  int64_t head;
  bool asleep;
  uint32_t first, last; /* nodes; 0 = none */
} ae_line_queue;

/* An allocator of blocks of one size, known by number; 0 is no block. */
typedef struct ae_pool {
  void *items;
  size_t capacity;
  uint32_t used, free; /* blocks ever given out; the first of the free list */
} ae_pool;

/* All zero is empty. */
typedef struct ae_lines {
  ae_map map;
  ae_pool queues, nodes;
  size_t behind; /* runs that wait behind a head */
} ae_lines;

typedef enum ae_line_place {
  AE_LINE_HEAD,   /* it may run now */
  AE_LINE_BEHIND, /* it waits behind another */
  AE_LINE_RUNS,   /* it is the head already, and awake */
  AE_LINE_NO_ROOM /* no memory: nothing has changed */
} ae_line_place;

/* Frees all lines. */
void ae_lines_free (ae_lines *lines);

/* Adds a run to its line, or wakes the line's head. `line` is not 0. */
ae_line_place ae_lines_enter (ae_lines *lines, uint64_t line, int64_t sequence, void *owner);
/* Makes a sleeping run the head of its line, unless the line has a head already.
** False: no memory. */
bool ae_lines_block (ae_lines *lines, uint64_t line, int64_t sequence);
/* Puts the run to sleep if it is the head of its line; else does nothing. */
void ae_lines_sleep (ae_lines *lines, uint64_t line, int64_t sequence);
/* Removes the run if it is the head of its line; else does nothing. True: *next,
** with its *owner, is the new head and may run. */
bool ae_lines_leave (ae_lines *lines, uint64_t line, int64_t sequence, int64_t *next,
                     void **owner);

#endif
