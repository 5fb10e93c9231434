/*
** lines.c: see lines.h. A value of the map is one of two things: the number of a
** queue, with the lowest bit set; or, for a head that is alone, its sequence
** shifted left by two, with the second bit set when the head is asleep.
*/
#include "inbox/lines.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define IS_QUEUE 1u
#define IS_ASLEEP 2u

static uint64_t alone (int64_t sequence, bool asleep) {
  return (uint64_t)sequence << 2 | (asleep ? IS_ASLEEP : 0);
}

/* The first word of a free block is the number of the next one. */
static uint32_t pool_take (ae_pool *pool, size_t size) {
  uint32_t number = pool->free;
  if (number != 0) {
    memcpy(&pool->free, (char *)pool->items + number * size, sizeof pool->free);
    return number;
  }
  if (pool->used + 1 >= pool->capacity) {
    size_t more = pool->capacity == 0 ? 64 : pool->capacity + pool->capacity / 2;
    void *bigger = more > UINT32_MAX ? NULL : realloc(pool->items, more * size);
    if (bigger == NULL) return 0;
    pool->items = bigger;
    pool->capacity = more;
  }
  return ++pool->used;
}

static void pool_give (ae_pool *pool, size_t size, uint32_t number) {
  memcpy((char *)pool->items + number * size, &pool->free, sizeof pool->free);
  pool->free = number;
}

static ae_line_queue *queue_of (const ae_lines *lines, uint64_t value) {
  assert(value & IS_QUEUE);
  return (ae_line_queue *)lines->queues.items + (value >> 1);
}

static ae_line_node *node_of (const ae_lines *lines, uint32_t number) {
  assert(number != 0);
  return (ae_line_node *)lines->nodes.items + number;
}

void ae_lines_free (ae_lines *lines) {
  ae_map_free(&lines->map);
  free(lines->queues.items);
  free(lines->nodes.items);
  *lines = (ae_lines){0};
}

/* Sets the head of a line that is there. */
static void set_head (ae_lines *lines, uint64_t *value, int64_t sequence, bool asleep) {
  if (*value & IS_QUEUE) {
    queue_of(lines, *value)->head = sequence;
    queue_of(lines, *value)->asleep = asleep;
  } else {
    *value = alone(sequence, asleep);
  }
}

static int64_t head_of (const ae_lines *lines, uint64_t value, bool *asleep) {
  if (value & IS_QUEUE) {
    *asleep = queue_of(lines, value)->asleep;
    return queue_of(lines, value)->head;
  }
  *asleep = (value & IS_ASLEEP) != 0;
  return (int64_t)(value >> 2);
}

/* Gives a queue to a head that is alone. False: no memory. */
static bool make_queue (ae_lines *lines, uint64_t *value) {
  uint32_t number;
  bool asleep;
  int64_t head = head_of(lines, *value, &asleep);
  if (*value & IS_QUEUE) return true;
  number = pool_take(&lines->queues, sizeof(ae_line_queue));
  if (number == 0) return false;
  ((ae_line_queue *)lines->queues.items)[number] = (ae_line_queue){head, asleep, 0, 0};
  *value = (uint64_t)number << 1 | IS_QUEUE;
  return true;
}

static ae_line_place stand_behind (ae_lines *lines, uint64_t *value, int64_t sequence,
                                   void *owner) {
  ae_line_queue *queue;
  uint32_t number;
  number = pool_take(&lines->nodes, sizeof(ae_line_node));
  if (number == 0) return AE_LINE_NO_ROOM;
  if (!make_queue(lines, value)) {
    pool_give(&lines->nodes, sizeof(ae_line_node), number);
    return AE_LINE_NO_ROOM;
  }
  *node_of(lines, number) = (ae_line_node){sequence, owner, 0};
  queue = queue_of(lines, *value);
  if (queue->last == 0) queue->first = number;
  else node_of(lines, queue->last)->next = number;
  queue->last = number;
  lines->behind++;
  return AE_LINE_BEHIND;
}

ae_line_place ae_lines_enter (ae_lines *lines, uint64_t line, int64_t sequence, void *owner) {
  uint64_t *value = ae_map_get(&lines->map, line);
  bool asleep;
  assert(line != 0 && sequence > 0);
  if (value == NULL) {
    if (!ae_map_reserve(&lines->map, 1)) return AE_LINE_NO_ROOM;
    ae_map_put(&lines->map, line, alone(sequence, false));
    return AE_LINE_HEAD;
  }
  if (head_of(lines, *value, &asleep) != sequence)
    return stand_behind(lines, value, sequence, owner);
  if (!asleep) return AE_LINE_RUNS;
  set_head(lines, value, sequence, false);
  return AE_LINE_HEAD;
}

bool ae_lines_block (ae_lines *lines, uint64_t line, int64_t sequence) {
  assert(line != 0 && sequence > 0);
  if (ae_map_get(&lines->map, line) != NULL) return true;
  if (!ae_map_reserve(&lines->map, 1)) return false;
  ae_map_put(&lines->map, line, alone(sequence, true));
  return true;
}

void ae_lines_sleep (ae_lines *lines, uint64_t line, int64_t sequence) {
  uint64_t *value = line == 0 ? NULL : ae_map_get(&lines->map, line);
  bool asleep;
  if (value != NULL && head_of(lines, *value, &asleep) == sequence)
    set_head(lines, value, sequence, true);
}

bool ae_lines_leave (ae_lines *lines, uint64_t line, int64_t sequence, int64_t *next,
                     void **owner) {
  uint64_t *value = line == 0 ? NULL : ae_map_get(&lines->map, line);
  ae_line_queue *queue;
  uint32_t number;
  bool asleep;
  if (value == NULL || head_of(lines, *value, &asleep) != sequence) return false;
  if (!(*value & IS_QUEUE)) {
    (void)ae_map_remove(&lines->map, line);
    return false;
  }
  queue = queue_of(lines, *value);
  number = queue->first;
  assert(number != 0);
  queue->first = node_of(lines, number)->next;
  *next = node_of(lines, number)->sequence;
  *owner = node_of(lines, number)->owner;
  pool_give(&lines->nodes, sizeof(ae_line_node), number);
  lines->behind--;
  queue->head = *next;
  queue->asleep = false;
  if (queue->first == 0) { /* the new head is alone */
    pool_give(&lines->queues, sizeof(ae_line_queue), (uint32_t)(*value >> 1));
    *value = alone(*next, false);
  }
  return true;
}
