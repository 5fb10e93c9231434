/*
** match_table.h: the hash tables of the matcher: from the hash of a
** composite key to the heads that demand it. Several heads may stand under
** one hash. Open addressing, linear probing.
*/
#ifndef ALTINN_EVENTS_MATCH_TABLE_H
#define ALTINN_EVENTS_MATCH_TABLE_H

#include "slice.h"

typedef struct ae_match_entry {
  uint64_t hash;
  uint32_t number;  /* of the head, plus one; 0: free */
  bool gone;        /* removed: probing goes on over it */
} ae_match_entry;

typedef struct ae_match_table {
  ae_match_entry *entries;
  size_t room;  /* a power of two, or 0 */
  size_t used;  /* entries that are not free, removed ones too */
} ae_match_table;

typedef struct ae_match_cursor { uint64_t hash; size_t at; } ae_match_cursor;

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

/* Frees what the table holds. */
void ae_match_table_free (ae_match_table *table);

/* Puts a head under a hash; false: no memory. */
bool ae_match_table_insert (ae_match_table *table, uint64_t hash, uint32_t number);

/* Takes a head away from under a hash, as often as it stands there. */
void ae_match_table_remove (ae_match_table *table, uint64_t hash, uint32_t number);

/* Begins a walk over the heads under a hash. */
static inline ae_match_cursor ae_match_table_find (const ae_match_table *table,
                                                   uint64_t hash) {
  return (ae_match_cursor){ hash, table->room ? hash & (table->room - 1) : 0 };
}

/* The next head of the walk; false at its end. */
static inline bool ae_match_table_next (const ae_match_table *table,
                                        ae_match_cursor *cursor, uint32_t *number) {
  if (table->room == 0) return false;
  for (;;) {
    const ae_match_entry *entry = &table->entries[cursor->at];
    if (entry->number == 0) return false;
    cursor->at = (cursor->at + 1) & (table->room - 1);
    if (entry->hash == cursor->hash && !entry->gone) {
      *number = entry->number - 1;
      return true;
    }
  }
}

#endif
