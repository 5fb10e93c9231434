/*
** lanes.c: see lanes.h.
*/
#include "inbox/lanes.h"

#include <assert.h>
#include <stdlib.h>

#include "inbox/hash.h"

static ae_lane *lane_new (ae_slice rule, uint64_t hash) {
  ae_lane *lane = calloc(1, sizeof *lane);
  if (lane == NULL) return NULL;
  lane->rule = malloc(rule.length + 1);
  if (lane->rule == NULL) {
    free(lane);
    return NULL;
  }
  if (rule.length > 0) memcpy(lane->rule, rule.data, rule.length);
  lane->rule[rule.length] = '\0';
  lane->length = rule.length;
  lane->hash = hash;
  return lane;
}

void ae_lanes_free (ae_lanes *lanes) {
  while (lanes->all != NULL) {
    ae_lane *lane = lanes->all;
    lanes->all = lane->next_lane;
    free(lane->rule);
    free(lane->backlog);
    free(lane);
  }
}

void ae_lanes_clear (ae_lanes *lanes) {
  for (ae_lane *lane = lanes->all; lane != NULL; lane = lane->next_lane) lane->count = 0;
  lanes->backlog = 0;
}

void ae_lanes_forget_windows (ae_lanes *lanes) {
  for (ae_lane *lane = lanes->all; lane != NULL; lane = lane->next_lane) lane->window = 0;
}

ae_slice ae_lane_rule (const ae_lane *lane) {
  return (ae_slice){lane->rule, lane->length};
}

ae_lane *ae_lanes_get (ae_lanes *lanes, ae_slice rule) {
  const uint64_t hash = ae_hash(AE_HASH_START, rule);
  ae_lane **slot = &lanes->slots[hash % AE_LANE_SLOTS], *lane;
  for (lane = *slot; lane != NULL; lane = lane->next)
    if (lane->hash == hash && ae_slice_equal(ae_lane_rule(lane), rule)) return lane;
  lane = lane_new(rule, hash);
  if (lane == NULL) return NULL;
  lane->next = *slot;
  *slot = lane;
  lane->next_lane = lanes->all;
  lanes->all = lane;
  return lane;
}

/* Enlarges the ring, and copies its items to the start of the new block. */
static bool grow (ae_lane *lane) {
  size_t capacity = lane->capacity == 0 ? 64 : lane->capacity + lane->capacity / 2;
  ae_lane_item *backlog = malloc(capacity * sizeof *backlog);
  if (backlog == NULL) return false;
  for (size_t i = 0; i < lane->count; i++)
    backlog[i] = lane->backlog[(lane->first + i) % lane->capacity];
  free(lane->backlog);
  lane->backlog = backlog;
  lane->first = 0;
  lane->capacity = capacity;
  return true;
}

bool ae_lanes_push (ae_lanes *lanes, ae_lane *lane, ae_lane_item item) {
  if (lane->count == lane->capacity && !grow(lane)) return false;
  lane->backlog[(lane->first + lane->count) % lane->capacity] = item;
  lane->count++;
  lanes->backlog++;
  return true;
}

ae_lane_item ae_lane_first (const ae_lane *lane) {
  assert(lane->count > 0);
  return lane->backlog[lane->first];
}

/* Also frees a large ring once it is empty. */
void ae_lanes_pop (ae_lanes *lanes, ae_lane *lane) {
  assert(lane->count > 0 && lanes->backlog > 0);
  lane->first = (lane->first + 1) % lane->capacity;
  lane->count--;
  lanes->backlog--;
  if (lane->count > 0 || lane->capacity < 4096) return;
  free(lane->backlog);
  lane->backlog = NULL;
  lane->first = lane->capacity = 0;
}
