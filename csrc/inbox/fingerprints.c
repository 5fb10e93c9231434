/*
** fingerprints.c: see fingerprints.h. The first byte selects one of 256 tables
** and is not stored: a slot has the others, all zero when it is free. Each table is
** a hash table with open addressing and linear probing. A table that is not small is
** 0.8 to 0.9 full, so growing one table moves few items and takes little memory.
*/
#include "inbox/fingerprints.h"

#include <assert.h>
#include <stdlib.h>

#include "core/sha256.h"

#define TABLES 256
#define FIRST_CAPACITY 8u

/* The bytes of a slot in two words, which overlap or are the same. */
typedef struct item {
  uint64_t first, last;
} item;

typedef struct table {
  uint8_t *slots; /* and PAD bytes behind them */
  uint32_t count, capacity;
} table;

/* A slot is read in whole words. */
#define PAD sizeof(uint64_t)

struct ae_fingerprints {
  table tables[TABLES];
  size_t width;  /* bytes of a slot */
  size_t second; /* where the last word begins */
  uint64_t mask; /* the bytes of a word that belong to the slot */
};

static uint64_t word_at (const uint8_t *bytes, uint64_t mask) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
  return word & mask;
}

/* Reads PAD bytes beyond the slot at most. */
static item read_item (const ae_fingerprints *set, const uint8_t *bytes) {
  return (item){word_at(bytes, set->mask), word_at(bytes + set->second, set->mask)};
}

static item item_of (const ae_fingerprints *set, const ae_fingerprint *fingerprint) {
  uint8_t bytes[AE_FINGERPRINT_SIZE + PAD] = {0};
  memcpy(bytes, fingerprint->bytes + 1, set->width);
  return read_item(set, bytes);
}

static item slot_at (const ae_fingerprints *set, const table *t, uint32_t at) {
  return read_item(set, t->slots + at * set->width);
}

static void put_slot (const ae_fingerprints *set, const table *t, uint32_t at, item own) {
  uint8_t *slot = t->slots + at * set->width;
  memcpy(slot + set->second, &own.last, set->width - set->second);
  memcpy(slot, &own.first, set->width < sizeof own.first ? set->width : sizeof own.first);
}

static bool is_free (item slot) {
  return (slot.first | slot.last) == 0;
}

static bool same (item a, item b) {
  return a.first == b.first && a.last == b.last;
}

/* The item's preferred slot. The bytes are part of a hash already. */
static uint32_t home (const table *t, item own) {
  uint32_t word;
  memcpy(&word, &own.first, sizeof word);
  return (uint32_t)(((uint64_t)word * t->capacity) >> 32);
}

static uint32_t after (const table *t, uint32_t at) {
  return at + 1 == t->capacity ? 0 : at + 1;
}

/* The item's slot, or the free slot where it would be inserted. */
static uint32_t place (const ae_fingerprints *set, const table *t, item own) {
  uint32_t at = home(t, own);
  for (;; at = after(t, at)) {
    item slot = slot_at(set, t, at);
    if (is_free(slot) || same(slot, own)) return at;
  }
}

ae_fingerprints *ae_fingerprints_new (size_t size) {
  ae_fingerprints *set = calloc(1, sizeof *set);
  if (set == NULL) return NULL;
  assert(size >= 8 && size <= AE_FINGERPRINT_SIZE);
  set->width = size - 1;
  set->second = set->width > sizeof set->mask ? set->width - sizeof set->mask : 0;
  memset(&set->mask, 0xff, set->width < sizeof set->mask ? set->width : sizeof set->mask);
  return set;
}

void ae_fingerprints_free (ae_fingerprints *set) {
  if (set == NULL) return;
  for (size_t i = 0; i < TABLES; i++) free(set->tables[i].slots);
  free(set);
}

/* The length of each text but the last goes first: ("a", "bc") is not ("ab", "c"). */
ae_fingerprint ae_fingerprint_make (const ae_fingerprints *set, const ae_slice *texts,
                                    size_t count) {
  unsigned char digest[AE_SHA256_BYTES];
  ae_fingerprint made;
  ae_sha256 sum;
  ae_sha256_begin(&sum);
  for (size_t i = 0; i < count; i++) {
    uint64_t length = texts[i].length;
    if (i + 1 < count) ae_sha256_add(&sum, &length, sizeof length);
    ae_sha256_add(&sum, texts[i].data, texts[i].length);
  }
  ae_sha256_end(&sum, digest);
  memcpy(made.bytes, digest, sizeof made.bytes);
  if (is_free(item_of(set, &made))) made.bytes[set->width] = 1;
  return made;
}

static bool grow (const ae_fingerprints *set, table *t) {
  table bigger = {NULL, t->count, t->capacity + t->capacity / 8};
  if (bigger.capacity < FIRST_CAPACITY) bigger.capacity = FIRST_CAPACITY;
  if (bigger.capacity == t->capacity) bigger.capacity++;
  bigger.slots = calloc(1, bigger.capacity * set->width + PAD);
  if (bigger.slots == NULL) return false;
  for (uint32_t i = 0; i < t->capacity; i++) {
    item own = slot_at(set, t, i);
    if (!is_free(own)) put_slot(set, &bigger, place(set, &bigger, own), own);
  }
  free(t->slots);
  *t = bigger;
  return true;
}

ae_adding ae_fingerprints_add (ae_fingerprints *set, const ae_fingerprint *fingerprint) {
  table *t = &set->tables[fingerprint->bytes[0]];
  const item own = item_of(set, fingerprint);
  if (t->capacity > 0 && same(slot_at(set, t, place(set, t, own)), own))
    return AE_PRESENT_ALREADY;
  if (((uint64_t)t->count + 1) * 10 > (uint64_t)t->capacity * 9 && !grow(set, t))
    return AE_NO_ROOM;
  put_slot(set, t, place(set, t, own), own);
  t->count++;
  return AE_ADDED;
}

/* Shifts the items after the gap back, so that no gap cuts a probe chain. */
void ae_fingerprints_remove (ae_fingerprints *set, const ae_fingerprint *fingerprint) {
  table *t = &set->tables[fingerprint->bytes[0]];
  const item own = item_of(set, fingerprint);
  uint32_t hole, at;
  item moved;
  if (t->count == 0) return;
  hole = place(set, t, own);
  if (!same(slot_at(set, t, hole), own)) return;
  for (at = after(t, hole); !is_free(moved = slot_at(set, t, at)); at = after(t, at)) {
    uint32_t distance = (at + t->capacity - home(t, moved)) % t->capacity;
    if (distance < (at + t->capacity - hole) % t->capacity) continue;
    put_slot(set, t, hole, moved);
    hole = at;
  }
  put_slot(set, t, hole, (item){0, 0});
  t->count--;
}

size_t ae_fingerprints_count (const ae_fingerprints *set, size_t *bytes) {
  size_t count = 0;
  *bytes = sizeof *set;
  for (size_t i = 0; i < TABLES; i++) {
    count += set->tables[i].count;
    *bytes += set->tables[i].capacity * set->width;
  }
  return count;
}
