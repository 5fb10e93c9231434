/*
** lanes.c: see lanes.h.
*/
#include "inbox/lanes.h"

#include <stdlib.h>

static size_t slot_of (ae_slice rule) {
  uint32_t hash = 2166136261u; /* FNV-1a */
  for (size_t i = 0; i < rule.length; i++) hash = (hash ^ (uint8_t)rule.data[i]) * 16777619u;
  return hash % AE_LANE_SLOTS;
}

static ae_lane *lane_new (ae_slice rule) {
  ae_lane *lane = calloc(1, sizeof *lane);
  if (lane == NULL) return NULL;
  lane->rule = malloc(rule.length + 1);
  if (lane->rule == NULL) {
    free(lane);
    return NULL;
  }
  if (rule.length > 0) memcpy(lane->rule, rule.data, rule.length);
  lane->length = rule.length;
  return lane;
}

void ae_lanes_free (ae_lanes *lanes) {
  for (size_t i = 0; i < AE_LANE_SLOTS; i++) {
    while (lanes->slots[i] != NULL) {
      ae_lane *lane = lanes->slots[i];
      lanes->slots[i] = lane->next;
      ae_map_free(&lane->under_way);
      free(lane->rule);
      free(lane->owed);
      free(lane);
    }
  }
}

ae_lane *ae_lanes_get (ae_lanes *lanes, ae_slice rule) {
  ae_lane **slot = &lanes->slots[slot_of(rule)], *lane;
  for (lane = *slot; lane != NULL; lane = lane->next)
    if (ae_slice_equal((ae_slice){lane->rule, lane->length}, rule)) return lane;
  lane = lane_new(rule);
  if (lane == NULL) return NULL;
  lane->next = *slot;
  *slot = lane;
  return lane;
}

/* The ring is unrolled into the new block. */
static bool grow (ae_lane *lane) {
  size_t capacity = lane->capacity == 0 ? 64 : lane->capacity * 2;
  int64_t *owed = malloc(capacity * sizeof *owed);
  if (owed == NULL) return false;
  for (size_t i = 0; i < lane->count; i++)
    owed[i] = lane->owed[(lane->first + i) % lane->capacity];
  free(lane->owed);
  lane->owed = owed;
  lane->first = 0;
  lane->capacity = capacity;
  return true;
}

bool ae_lane_owe (ae_lane *lane, int64_t sequence) {
  if (lane->count == lane->capacity && !grow(lane)) return false;
  lane->owed[(lane->first + lane->count) % lane->capacity] = sequence;
  lane->count++;
  return true;
}

bool ae_lane_has (const ae_lane *lane, int64_t sequence) {
  if (ae_map_get(&lane->under_way, (uint64_t)sequence) != NULL) return true;
  for (size_t i = 0; i < lane->count; i++)
    if (lane->owed[(lane->first + i) % lane->capacity] == sequence) return true;
  return false;
}

int64_t ae_lane_take (ae_lane *lane) {
  int64_t sequence;
  if (lane->count == 0) return 0;
  sequence = lane->owed[lane->first];
  lane->first = (lane->first + 1) % lane->capacity;
  lane->count--;
  return sequence;
}
