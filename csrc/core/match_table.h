/*
** match_table.h: the hash tables of the matcher: from the hash of a composite key to the
** heads with that key. Several heads may be under one hash. Open addressing, linear
** probing. A tag, one byte for each slot, tells nearly always whether the slot can
** match, so a lookup without a result costs no more in a large table than in a small
** one.
*/
#ifndef ALTINN_EVENTS_MATCH_TABLE_H
#define ALTINN_EVENTS_MATCH_TABLE_H

#include "core/slice.h"

typedef struct ae_match_entry {
  uint32_t check;  /* see ae_match_check */
  uint32_t number; /* of the head */
} ae_match_entry;

typedef struct ae_match_table {
  ae_match_entry *entries; /* one block with the tags behind them */
  uint8_t *tags;           /* AE_TAG_FREE, AE_TAG_GONE or ae_match_tag */
  size_t room;             /* slots: a power of two, or 0 */
  size_t used;             /* slots that are not free, removed ones too */
} ae_match_table;

typedef struct ae_match_cursor {
  uint32_t check;
  uint8_t tag;
  size_t at;
} ae_match_cursor;

enum { AE_TAG_FREE, AE_TAG_GONE /* removed: probing goes on over it */ };

#define AE_MATCH_SEED UINT64_C(0x9E3779B97F4A7C15)

/* Joins two hashes; the order matters. */
static inline uint64_t ae_match_mix (uint64_t a, uint64_t b) {
  uint64_t x = (a ^ b) * UINT64_C(0xD6E8FEB86659FD93);
  x ^= x >> 32;
  x *= UINT64_C(0xD6E8FEB86659FD93);
  return x ^ x >> 29;
}

/* Hashes a text, eight bytes at a time; never 0. */
static inline uint64_t ae_match_hash (ae_slice text) {
  uint64_t hash = text.length + 1, word;
  const char *p = text.data;
  size_t left = text.length;
  for (; left >= 8; left -= 8, p += 8) {
    memcpy(&word, p, 8);
    hash = ((hash << 23 | hash >> 41) ^ word) * UINT64_C(0x9FB21C651E98DF25);
  }
  word = 0;
  if (left > 0) memcpy(&word, p, left);
  hash = ae_match_mix(hash, word ^ (uint64_t)left << 56);
  return hash ? hash : 1;
}

/* The tag of a taken slot. */
static inline uint8_t ae_match_tag (uint64_t hash) {
  return (uint8_t)hash | 0x80;
}

/* The part of the hash that an entry keeps; it also chooses the slot. */
static inline uint32_t ae_match_check (uint64_t hash) {
  return (uint32_t)(hash >> 32);
}

/* Frees what the table holds. */
void ae_match_table_free (ae_match_table *table);

/* Puts a head under a hash; false: no memory, nothing has changed. */
bool ae_match_table_insert (ae_match_table *table, uint64_t hash, uint32_t number);

/* Removes all entries of a head under a hash. */
void ae_match_table_remove (ae_match_table *table, uint64_t hash, uint32_t number);

/* Bytes that the table holds. */
size_t ae_match_table_bytes (const ae_match_table *table);

/* Begins a walk over the heads under a hash. */
static inline ae_match_cursor ae_match_table_find (const ae_match_table *table,
                                                   uint64_t hash) {
  uint32_t check = ae_match_check(hash);
  return (ae_match_cursor){check, ae_match_tag(hash),
                           table->room ? check & (table->room - 1) : 0};
}

/* The next head of the walk; false at its end. By chance it may be a head under another
** hash: the caller has to verify it. */
static inline bool ae_match_table_next (const ae_match_table *table, ae_match_cursor *cursor,
                                        uint32_t *number) {
  if (table->room == 0) return false;
  for (;;) {
    size_t at = cursor->at;
    uint8_t tag = table->tags[at];
    if (tag == AE_TAG_FREE) return false;
    cursor->at = (at + 1) & (table->room - 1);
    if (tag == cursor->tag && table->entries[at].check == cursor->check) {
      *number = table->entries[at].number;
      return true;
    }
  }
}

#endif
