/*
** meanings.c: see meanings.h.
*/
#include "inbox/private.h"

#include <stdlib.h>

/* Bytes of a fingerprint. */
#define SIZE 8

static bool load_all (ae_meanings *meanings, ae_store *store) {
  ae_slice bytes;
  int more;
  while ((more = ae_store_meant_next(store, &bytes)) == 1) {
    for (size_t at = 0; at + SIZE <= bytes.length; at += SIZE) {
      ae_fingerprint item;
      memcpy(item.bytes, bytes.data + at, SIZE);
      if (ae_fingerprints_add(meanings->set, &item) == AE_NO_ROOM) return false;
    }
  }
  return more == 0;
}

ae_code ae_meanings_load (ae_meanings *meanings, ae_store *store, ae_error *error) {
  meanings->set = ae_fingerprints_new(SIZE);
  if (meanings->set == NULL)
    return ae_fail(error, AE_MEMORY, 0, "not enough memory for the meanings of events");
  if (!ae_store_key(store, meanings->key) || !load_all(meanings, store) ||
      !ae_store_has_repeated(store, &meanings->repeated))
    return ae_store_explain(store, error);
  return AE_OK;
}

void ae_meanings_free (ae_meanings *meanings) {
  ae_fingerprints_free(meanings->set);
  free(meanings->added);
}

static ae_fingerprint fingerprint (const ae_meanings *meanings,
                                   const ae_slice parts[AE_MEANING_PARTS]) {
  ae_slice all[AE_MEANING_PARTS + 1] = {{(const char *)meanings->key, sizeof meanings->key}};
  for (size_t i = 0; i < AE_MEANING_PARTS; i++) all[i + 1] = parts[i];
  return ae_fingerprint_make(meanings->set, all, AE_MEANING_PARTS + 1);
}

/* The fingerprint as a number, as the table `repeated` has it. */
static int64_t number_of (const ae_fingerprint *item) {
  uint64_t number = 0;
  int64_t out;
  for (size_t i = 0; i < SIZE; i++) number = number << 8 | item->bytes[i];
  memcpy(&out, &number, sizeof out);
  return out;
}

bool ae_meanings_note (ae_meanings *meanings, ae_store *store, int64_t sequence,
                       const ae_slice parts[AE_MEANING_PARTS], int64_t *repeats) {
  ae_fingerprint item;
  *repeats = 0;
  if (!ae_room(&meanings->added, &meanings->added_capacity, meanings->added_count + 1,
               sizeof *meanings->added))
    return false;
  item = fingerprint(meanings, parts);
  switch (ae_fingerprints_add(meanings->set, &item)) {
    case AE_ADDED: meanings->added[meanings->added_count++] = item; return true;
    case AE_NO_ROOM: return false;
    default: break;
  }
  meanings->repeated = true;
  return ae_store_repeated(store, number_of(&item), sequence, repeats);
}

bool ae_meanings_store (ae_meanings *meanings, ae_store *store) {
  const size_t count = meanings->added_count;
  uint8_t *bytes;
  bool stored;
  if (count == 0) return true;
  bytes = malloc(count * SIZE);
  if (bytes == NULL) return false;
  for (size_t i = 0; i < count; i++) memcpy(bytes + i * SIZE, meanings->added[i].bytes, SIZE);
  stored = ae_store_mean(store, bytes, count * SIZE);
  free(bytes);
  return stored;
}

void ae_meanings_committed (ae_meanings *meanings) {
  meanings->added_count = 0;
}

void ae_meanings_undo (ae_meanings *meanings) {
  for (size_t i = 0; i < meanings->added_count; i++)
    ae_fingerprints_remove(meanings->set, &meanings->added[i]);
  meanings->added_count = 0;
}

bool ae_meanings_repeats (const ae_meanings *meanings, ae_store *store, int64_t sequence,
                          int64_t *repeats) {
  *repeats = 0;
  return !meanings->repeated || ae_store_repeats(store, sequence, repeats);
}
