/*
** map.c: see map.h. Linear probing, at most seven eighths full. A removal shifts
** the entries after it back, so that there are no tombstones.
*/
#include "inbox/map.h"

#include <stdlib.h>

#define FIRST_CAPACITY 64u

static size_t home (const ae_map *map, uint64_t key) {
  uint64_t h = key * UINT64_C(0x9E3779B97F4A7C15);
  return (size_t)(h ^ (h >> 32)) & (map->capacity - 1);
}

/* The key's slot, or the free slot where it would be inserted. */
static size_t place (const ae_map *map, uint64_t key) {
  size_t at = home(map, key);
  while (map->slots[at].key != 0 && map->slots[at].key != key)
    at = (at + 1) & (map->capacity - 1);
  return at;
}

void ae_map_free (ae_map *map) {
  free(map->slots);
  *map = (ae_map){0};
}

static bool grow (ae_map *map, size_t capacity) {
  ae_map bigger = {calloc(capacity, sizeof(ae_map_slot)), 0, capacity};
  if (bigger.slots == NULL) return false;
  for (size_t i = 0; i < map->capacity; i++)
    if (map->slots[i].key != 0) ae_map_put(&bigger, map->slots[i].key, map->slots[i].value);
  free(map->slots);
  *map = bigger;
  return true;
}

bool ae_map_reserve (ae_map *map, size_t more) {
  size_t capacity = map->capacity == 0 ? FIRST_CAPACITY : map->capacity;
  while ((map->count + more) > capacity / 8 * 7) capacity *= 2;
  return capacity == map->capacity || grow(map, capacity);
}

uint64_t *ae_map_get (const ae_map *map, uint64_t key) {
  size_t at;
  if (map->count == 0) return NULL;
  at = place(map, key);
  return map->slots[at].key == key ? &map->slots[at].value : NULL;
}

void ae_map_put (ae_map *map, uint64_t key, uint64_t value) {
  size_t at = place(map, key);
  if (map->slots[at].key == 0) map->count++;
  map->slots[at] = (ae_map_slot){key, value};
}

bool ae_map_remove (ae_map *map, uint64_t key) {
  size_t mask = map->capacity - 1, hole, at;
  if (map->count == 0) return false;
  hole = place(map, key);
  if (map->slots[hole].key != key) return false;
  for (at = (hole + 1) & mask; map->slots[at].key != 0; at = (at + 1) & mask) {
    size_t from = home(map, map->slots[at].key);
    if (((at - from) & mask) < ((at - hole) & mask)) continue;
    map->slots[hole] = map->slots[at];
    hole = at;
  }
  map->slots[hole] = (ae_map_slot){0, 0};
  map->count--;
  return true;
}
