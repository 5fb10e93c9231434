/*
** map.h: from numbers to numbers, in memory (open addressing). Key 0 is
** none.
*/
#ifndef ALTINN_EVENTS_MAP_H
#define ALTINN_EVENTS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ae_map_slot {
  uint64_t key, value;
} ae_map_slot;

/* All zero is an empty map. */
typedef struct ae_map {
  ae_map_slot *slots;
  size_t count, capacity; /* capacity: 0 or a power of two */
} ae_map;

/* Frees the slots; the map is empty then. */
void ae_map_free (ae_map *map);

/* Makes room for `more` keys, so that putting them cannot fail. */
bool ae_map_reserve (ae_map *map, size_t more);

/* The value's place, NULL when the key is not there; good until the next
** change of the map. */
uint64_t *ae_map_get (const ae_map *map, uint64_t key);

/* Sets a value; there must be room: see ae_map_reserve. */
void ae_map_put (ae_map *map, uint64_t key, uint64_t value);

/* False: the key was not there. */
bool ae_map_remove (ae_map *map, uint64_t key);

#endif
