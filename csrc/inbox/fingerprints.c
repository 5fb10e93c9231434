/*
** fingerprints.c: see fingerprints.h. The first byte selects one of 256 tables
** and is not stored. Each table is a hash table with open addressing and linear
** probing. A table that is not small is 0.72 to 0.9 full, so growing one table
** moves few items and takes little memory.
*/
#include "inbox/fingerprints.h"
#include "inbox/libraries.h"

#include <openssl/evp.h>
#include <stdlib.h>

#define TABLES 256
#define FIRST_CAPACITY 8u

typedef struct slot {
  uint8_t bytes[AE_FINGERPRINT_SIZE - 1]; /* all but the first; all zero = a free slot */
} slot;

typedef struct table {
  slot *slots;
  uint32_t count, capacity;
} table;

struct ae_fingerprints {
  table tables[TABLES];
  EVP_MD *algorithm;
  EVP_MD_CTX *digest;
};

static const slot nothing = {{0}};

static bool same (const slot *a, const slot *b) {
  return memcmp(a, b, sizeof *a) == 0;
}

static slot slot_of (const ae_fingerprint *item) {
  slot own;
  memcpy(own.bytes, item->bytes + 1, sizeof own.bytes);
  return own;
}

/* The item's preferred slot. The bytes are part of a hash already. */
static uint32_t home (const table *t, const slot *item) {
  uint32_t word;
  memcpy(&word, item->bytes, sizeof word);
  return (uint32_t)(((uint64_t)word * t->capacity) >> 32);
}

static uint32_t after (const table *t, uint32_t at) {
  return at + 1 == t->capacity ? 0 : at + 1;
}

/* The item's slot, or the free slot where it would be inserted. */
static uint32_t place (const table *t, const slot *item) {
  uint32_t at = home(t, item);
  while (!same(&t->slots[at], &nothing) && !same(&t->slots[at], item)) at = after(t, at);
  return at;
}

ae_fingerprints *ae_fingerprints_new (void) {
  ae_fingerprints *set = calloc(1, sizeof *set);
  if (set == NULL) return NULL;
  set->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
  set->digest = EVP_MD_CTX_new();
  if (set->algorithm != NULL && set->digest != NULL) return set;
  ae_fingerprints_free(set);
  return NULL;
}

void ae_fingerprints_free (ae_fingerprints *set) {
  if (set == NULL) return;
  for (size_t i = 0; i < TABLES; i++) free(set->tables[i].slots);
  EVP_MD_CTX_free(set->digest);
  EVP_MD_free(set->algorithm);
  free(set);
}

/* The length of the source goes first: ("a", "bc") is not ("ab", "c"). */
bool ae_fingerprint_make (ae_fingerprints *set, ae_slice source, ae_slice id,
                          ae_fingerprint *out) {
  unsigned char sum[EVP_MAX_MD_SIZE];
  uint64_t length = source.length;
  if (EVP_DigestInit_ex2(set->digest, set->algorithm, NULL) != 1 ||
      EVP_DigestUpdate(set->digest, &length, sizeof length) != 1 ||
      EVP_DigestUpdate(set->digest, source.data, source.length) != 1 ||
      EVP_DigestUpdate(set->digest, id.data, id.length) != 1 ||
      EVP_DigestFinal_ex(set->digest, sum, NULL) != 1)
    return false;
  memcpy(out->bytes, sum, sizeof out->bytes);
  if (memcmp(out->bytes + 1, &nothing, sizeof nothing) == 0)
    out->bytes[AE_FINGERPRINT_SIZE - 1] = 1;
  return true;
}

static bool grow (table *t) {
  table bigger = {NULL, t->count, t->capacity + t->capacity / 4};
  if (bigger.capacity < FIRST_CAPACITY) bigger.capacity = FIRST_CAPACITY;
  bigger.slots = calloc(bigger.capacity, sizeof *bigger.slots);
  if (bigger.slots == NULL) return false;
  for (uint32_t i = 0; i < t->capacity; i++)
    if (!same(&t->slots[i], &nothing))
      bigger.slots[place(&bigger, &t->slots[i])] = t->slots[i];
  free(t->slots);
  *t = bigger;
  return true;
}

ae_adding ae_fingerprints_add (ae_fingerprints *set, const ae_fingerprint *item) {
  table *t = &set->tables[item->bytes[0]];
  const slot own = slot_of(item);
  uint32_t at;
  if (t->capacity > 0 && same(&t->slots[place(t, &own)], &own)) return AE_PRESENT_ALREADY;
  if (((uint64_t)t->count + 1) * 10 > (uint64_t)t->capacity * 9 && !grow(t)) return AE_NO_ROOM;
  at = place(t, &own);
  t->slots[at] = own;
  t->count++;
  return AE_ADDED;
}

/* Shifts the items after the gap back, so that no gap cuts a probe chain. */
void ae_fingerprints_remove (ae_fingerprints *set, const ae_fingerprint *item) {
  table *t = &set->tables[item->bytes[0]];
  const slot own = slot_of(item);
  uint32_t hole, at;
  if (t->count == 0) return;
  hole = place(t, &own);
  if (!same(&t->slots[hole], &own)) return;
  for (at = after(t, hole); !same(&t->slots[at], &nothing); at = after(t, at)) {
    uint32_t from = home(t, &t->slots[at]);
    uint32_t distance = (at + t->capacity - from) % t->capacity;
    if (distance < (at + t->capacity - hole) % t->capacity) continue;
    t->slots[hole] = t->slots[at];
    hole = at;
  }
  t->slots[hole] = nothing;
  t->count--;
}

size_t ae_fingerprints_count (const ae_fingerprints *set, size_t *bytes) {
  size_t count = 0;
  *bytes = sizeof *set;
  for (size_t i = 0; i < TABLES; i++) {
    count += set->tables[i].count;
    *bytes += set->tables[i].capacity * sizeof(slot);
  }
  return count;
}
