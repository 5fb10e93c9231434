/*
** match_table.c: inserting into and removing from the matcher's tables.
*/
#include "match_table.h"

#include <stdlib.h>

void ae_match_table_free (ae_match_table *table) {
  free(table->entries);
  *table = (ae_match_table){ 0 };
}

static void place (ae_match_entry *entries, size_t room, uint64_t hash, uint32_t number) {
  size_t at = hash & (room - 1);
  while (entries[at].number != 0) at = (at + 1) & (room - 1);
  entries[at] = (ae_match_entry){ .hash = hash, .number = number };
}

/* Makes room for as many again as are there; removed ones are dropped. */
static bool enlarge (ae_match_table *table) {
  size_t live = 0, room = 8;
  for (size_t i = 0; i < table->room; i++)
    if (table->entries[i].number != 0 && !table->entries[i].gone) live++;
  while (room < (live + 1) * 3) room *= 2;
  ae_match_entry *entries = calloc(room, sizeof(*entries));
  if (!entries) return false;
  for (size_t i = 0; i < table->room; i++) {
    const ae_match_entry *entry = &table->entries[i];
    if (entry->number != 0 && !entry->gone) place(entries, room, entry->hash, entry->number);
  }
  free(table->entries);
  *table = (ae_match_table){ entries, room, live };
  return true;
}

bool ae_match_table_insert (ae_match_table *table, uint64_t hash, uint32_t number) {
  if ((table->used + 1) * 4 > table->room * 3 && !enlarge(table)) return false;
  place(table->entries, table->room, hash, number + 1);
  table->used++;
  return true;
}

void ae_match_table_remove (ae_match_table *table, uint64_t hash, uint32_t number) {
  if (table->room == 0) return;
  for (size_t at = hash & (table->room - 1); table->entries[at].number != 0;
       at = (at + 1) & (table->room - 1)) {
    ae_match_entry *entry = &table->entries[at];
    if (entry->hash == hash && entry->number == number + 1) entry->gone = true;
  }
}
