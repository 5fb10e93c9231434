/*
** remembered.c: bytes per event of the sets of remembered ids and meanings
** together, at sizes from FIRST to LAST, each a tenth greater.
** Usage: remembered FIRST LAST
*/
#include "inbox/fingerprints.h"
#include "timer.h"

#define MEANING 8 /* bytes */

static void add (ae_fingerprints *set, const ae_slice *texts) {
  const ae_fingerprint item = ae_fingerprint_make(set, texts, 2);
  if (ae_fingerprints_add(set, &item) != AE_ADDED)
    bench_fail("an event cannot be added");
}

static void add_until (ae_fingerprints *ids, ae_fingerprints *meanings, uint32_t *added,
                       uint32_t size) {
  static const char source[] = "https://platform.altinn.no/correspondence/api/v1/correspondence";
  for (; *added < size; ++*added) {
    char id[40];
    int length = snprintf(id, sizeof id, "%08x-0000-4000-a000-%012x", *added, *added);
    const ae_slice texts[] = { { source, sizeof source - 1 }, { id, (size_t)length } };
    add(ids, texts);
    add(meanings, texts);
  }
}

int main (int count, char **words) {
  ae_fingerprints *ids = ae_fingerprints_new(AE_FINGERPRINT_SIZE);
  ae_fingerprints *meanings = ae_fingerprints_new(MEANING);
  uint32_t added = 0;
  if (count != 3 || ids == NULL || meanings == NULL) bench_fail("usage: remembered FIRST LAST");
  for (double size = atof(words[1]); size <= atof(words[2]); size *= 1.1) {
    size_t bytes, more, items;
    add_until(ids, meanings, &added, (uint32_t)size);
    items = ae_fingerprints_count(ids, &bytes);
    (void)ae_fingerprints_count(meanings, &more);
    printf("bytes=%.2f\n", (double)(bytes + more) / (double)items);
  }
  ae_fingerprints_free(ids);
  ae_fingerprints_free(meanings);
  return 0;
}
