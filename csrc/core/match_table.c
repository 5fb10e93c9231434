/*
** match_table.c: inserting into and removing from the matcher's tables.
*/
#include "core/match_table.h"

#include <stdlib.h>

#define SLOT (sizeof(ae_match_entry) + 1)

void ae_match_table_free (ae_match_table *table) {
  free(table->entries);
  *table = (ae_match_table){0};
}

size_t ae_match_table_bytes (const ae_match_table *table) {
  return table->room * SLOT;
}

static void place (ae_match_table *table, uint8_t tag, ae_match_entry entry) {
  size_t at = entry.check & (table->room - 1);
  while (table->tags[at] != AE_TAG_FREE) at = (at + 1) & (table->room - 1);
  table->tags[at] = tag;
  table->entries[at] = entry;
  table->used++;
}

/* A table of `room` free slots. */
static bool make (ae_match_table *table, size_t room) {
  *table = (ae_match_table){0};
  if (room > SIZE_MAX / SLOT) return false;
  table->entries = calloc(room, SLOT);
  if (!table->entries) return false;
  table->tags = (uint8_t *)(table->entries + room);
  table->room = room;
  return true;
}

/* Makes room for twice the present entries; drops removed slots. */
static bool enlarge (ae_match_table *table) {
  ae_match_table larger;
  size_t live = 0, room = 8;
  for (size_t at = 0; at < table->room; at++) live += table->tags[at] > AE_TAG_GONE;
  while (room < (live + 1) * 2) room *= 2;
  if (!make(&larger, room)) return false;
  for (size_t at = 0; at < table->room; at++)
    if (table->tags[at] > AE_TAG_GONE) place(&larger, table->tags[at], table->entries[at]);
  ae_match_table_free(table);
  *table = larger;
  return true;
}

bool ae_match_table_insert (ae_match_table *table, uint64_t hash, uint32_t number) {
  if ((table->used + 1) * 4 > table->room * 3 && !enlarge(table)) return false;
  place(table, ae_match_tag(hash), (ae_match_entry){ae_match_check(hash), number});
  return true;
}

void ae_match_table_remove (ae_match_table *table, uint64_t hash, uint32_t number) {
  ae_match_cursor cursor = ae_match_table_find(table, hash);
  uint32_t found;
  while (ae_match_table_next(table, &cursor, &found))
    if (found == number) table->tags[(cursor.at - 1) & (table->room - 1)] = AE_TAG_GONE;
}
