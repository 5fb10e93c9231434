/*
** map.h: a hash map from numbers to numbers (open addressing). Key 0 means a free
** slot and is not allowed.
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

/* Makes room for `more` keys, so that putting them cannot fail. False: no memory. */
bool ae_map_reserve (ae_map *map, size_t more);

/* The address of the key's value, valid until the map changes; NULL: the key is
** not there. */
uint64_t *ae_map_get (const ae_map *map, uint64_t key);

/* Sets a value; there must be room: see ae_map_reserve. */
void ae_map_put (ae_map *map, uint64_t key, uint64_t value);

/* Removes a key. False: the key was not there. */
bool ae_map_remove (ae_map *map, uint64_t key);

#endif
