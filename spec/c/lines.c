/*
** lines.c: lines, lanes and flights of the inbox, step by step beside a model
** that is as plain as can be. Prints facts as name=number.
*/
#include "inbox/flights.h"
#include "inbox/hash.h"
#include "inbox/lines.h"

#include <stdio.h>
#include <stdlib.h>

#define LINES 7
#define MOST 64
#define STEPS 400000

static void fail (const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static uint64_t seed = 20261128;

static uint64_t next (uint64_t limit) {
  seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (seed >> 33) % limit;
}

/* {====================================================================
** Lines
** ===================================================================== */

/* The head first. */
typedef struct model {
  int64_t list[MOST];
  int count;
  bool asleep;
} model;

static bool has (const model *m, int64_t sequence) {
  for (int i = 0; i < m->count; i++)
    if (m->list[i] == sequence) return true;
  return false;
}

static void enter (ae_lines *lines, model *m, uint64_t line, int64_t sequence) {
  ae_line_place place = ae_lines_enter(lines, line, sequence, m), wanted;
  if (m->count == 0) wanted = AE_LINE_HEAD;
  else if (m->list[0] != sequence) wanted = AE_LINE_BEHIND;
  else wanted = m->asleep ? AE_LINE_HEAD : AE_LINE_RUNS;
  if (place != wanted) fail("enter");
  if (m->count == 0 || place == AE_LINE_BEHIND) m->list[m->count++] = sequence;
  if (place == AE_LINE_HEAD) m->asleep = false;
}

static void leave (ae_lines *lines, model *m, uint64_t line, int64_t sequence) {
  int64_t follows = 0;
  void *owner = NULL;
  bool is_head = m->count > 0 && m->list[0] == sequence;
  bool more = ae_lines_leave(lines, line, sequence, &follows, &owner);
  if (more != (is_head && m->count > 1)) fail("leave");
  if (more && (follows != m->list[1] || owner != m)) fail("who follows");
  if (!is_head) return;
  m->count--;
  memmove(m->list, m->list + 1, (size_t)m->count * sizeof m->list[0]);
  m->asleep = false;
}

static size_t behind (const model *models) {
  size_t count = 0;
  for (int i = 0; i < LINES; i++)
    if (models[i].count > 0) count += (size_t)models[i].count - 1;
  return count;
}

static void try_lines (void) {
  static model models[LINES];
  ae_lines lines = {0};
  int64_t sequence = 0;
  for (int i = 0; i < STEPS; i++) {
    uint64_t number = next(LINES), line = (number + 1) * UINT64_C(0x100000001);
    model *m = &models[number];
    int64_t some = m->count > 0 ? m->list[next((uint64_t)m->count)] : 1;
    switch (next(6)) {
      case 0:
      case 1:
        if (m->count < MOST) enter(&lines, m, line, ++sequence);
        break;
      case 2: /* the head wakes up, or comes again */
        if (m->count > 0) enter(&lines, m, line, m->list[0]);
        break;
      case 3:
        ae_lines_sleep(&lines, line, some);
        if (m->count > 0 && m->list[0] == some) m->asleep = true;
        break;
      case 4:
        if (!ae_lines_block(&lines, line, ++sequence)) fail("block");
        if (m->count == 0) {
          m->list[m->count++] = sequence;
          m->asleep = true;
        }
        break;
      default: leave(&lines, m, line, some);
    }
    if (lines.behind != behind(models)) fail("behind");
    if (m->count > 0 && !has(m, m->list[0])) fail("the model");
  }
  printf("sequences=%lld nodes=%u\n", (long long)sequence, lines.nodes.used);
  ae_lines_free(&lines);
}

/* }==================================================================== */

/* {====================================================================
** Lanes and flights
** ===================================================================== */

static void try_lanes (void) {
  ae_lanes lanes = {0};
  ae_lane *lane = ae_lanes_get(&lanes, AE_LITERAL("rule"));
  int64_t in = 0, out = 0;
  if (lane == NULL || ae_lanes_get(&lanes, AE_LITERAL("rule")) != lane) fail("a lane");
  for (int i = 0; i < STEPS; i++) {
    bool filling = (i / 20000) % 2 == 0;
    if (next(3) < (filling ? 2u : 1u)) {
      if (!ae_lanes_push(&lanes, lane, (ae_lane_item){++in, (uint64_t)in * 3})) fail("push");
    } else if (lane->count > 0) {
      ae_lane_item item = ae_lane_first(lane);
      if (item.sequence != ++out || item.line != (uint64_t)out * 3) fail("order of a lane");
      ae_lanes_pop(&lanes, lane);
    }
    if (lane->count != (size_t)(in - out) || lanes.backlog != lane->count)
      fail("count of a lane");
  }
  printf("pushed=%lld left=%zu\n", (long long)in, lane->count);
  ae_lanes_clear(&lanes);
  if (lanes.backlog != 0 || lane->count != 0) fail("clear");
  ae_lanes_free(&lanes);
}

static void try_flights (void) {
  enum { RUNS = 300 };
  static uint64_t claims[RUNS + 1];
  static bool holds[RUNS + 1];
  ae_flights flights;
  ae_lanes lanes = {0};
  ae_lane *lane = ae_lanes_get(&lanes, AE_LITERAL("rule"));
  size_t count = 0, recalled = 0;
  uint64_t last = 0;
  ae_flights_init(&flights);
  for (int i = 0; i < STEPS; i++) {
    int64_t sequence = (int64_t)next(RUNS) + 1;
    const ae_flight *flight = ae_flights_find(&flights, sequence, lane->hash);
    bool still;
    if ((flight == NULL) != (claims[sequence] == 0)) fail("find");
    if (ae_flights_claim(&flights, sequence, AE_LITERAL("rule"), &still) != claims[sequence] ||
        still != holds[sequence])
      fail("claim");
    if (flight == NULL) {
      ae_flight new_one = {.sequence = sequence, .lane = lane};
      flight = ae_flights_add(&flights, &new_one);
      if (flight == NULL || flight->claim <= last) fail("add");
      claims[sequence] = last = flight->claim;
      holds[sequence] = true;
      count++;
    } else if (next(2) == 0) {
      ae_flights_remove(&flights, sequence, lane->hash);
      if (!holds[sequence]) recalled--;
      claims[sequence] = 0;
      holds[sequence] = false;
      count--;
    } else {
      ae_flights_recall(&flights, sequence, lane->hash);
      if (holds[sequence]) recalled++;
      holds[sequence] = false;
    }
    if (flights.count != count || flights.recalled != recalled) fail("counts of flights");
  }
  printf("claims=%llu in_flight=%zu\n", (unsigned long long)last, count);
  ae_flights_free(&flights);
  ae_lanes_free(&lanes);
}

/* }==================================================================== */

int main (void) {
  try_lines();
  try_lanes();
  try_flights();
  return 0;
}
