/*
** lines.h: the order of runs. Runs of a rule with the same order key stand
** in one line; its head alone may run, the others wait behind it in memory.
** A line is known by the hash of rule and key: where two share a hash, they
** are one line, which is slower and no less right.
**
**     map: hash --> head alone     (sequence, asleep)           16 bytes
**               '-> number of a queue: head, first, last        + 32 bytes
**                                          |
**                                          v
**                   nodes: sequence --> sequence --> sequence   24 bytes each
**
** A head is asleep while its run waits for a time and is written down in the
** file only. One thread's.
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

/* Blocks that are given out by number; 0 is none. */
typedef struct ae_pool {
  void *items;
  size_t capacity;
  uint32_t used, free; /* used: ever given out; free: first of the free ones */
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

/* A run comes to its line, or the head wakes up. `line` is not 0. */
ae_line_place ae_lines_enter (ae_lines *lines, uint64_t line, int64_t sequence, void *owner);
/* A run that sleeps is the head of its line, unless the line has one. False:
** no memory. */
bool ae_lines_block (ae_lines *lines, uint64_t line, int64_t sequence);
/* The head goes to sleep; others are let alone. */
void ae_lines_sleep (ae_lines *lines, uint64_t line, int64_t sequence);
/* The head leaves. True: *next, of *owner, is the head now and may run.
** Nothing happens when the run is not the head. */
bool ae_lines_leave (ae_lines *lines, uint64_t line, int64_t sequence, int64_t *next,
                     void **owner);

#endif
