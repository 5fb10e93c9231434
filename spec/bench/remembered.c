/*
** remembered.c: bytes per id of the set of remembered ids, at sizes from
** FIRST to LAST, each a tenth greater. Usage: remembered FIRST LAST
*/
#include "inbox/fingerprints.h"
#include "timer.h"

static void add_until (ae_fingerprints *set, uint32_t *added, uint32_t size) {
  static const char source[] = "https://platform.altinn.no/correspondence/api/v1/correspondence";
  for (; *added < size; ++*added) {
    char id[40];
    ae_fingerprint item;
    int length = snprintf(id, sizeof id, "%08x-0000-4000-a000-%012x", *added, *added);
    if (!ae_fingerprint_make(set, (ae_slice){ source, sizeof source - 1 },
                             (ae_slice){ id, (size_t)length }, &item) ||
        ae_fingerprints_add(set, &item) != AE_ADDED)
      bench_fail("an id cannot be added");
  }
}

int main (int count, char **words) {
  ae_fingerprints *set = ae_fingerprints_new();
  uint32_t added = 0;
  if (count != 3 || set == NULL) bench_fail("usage: remembered FIRST LAST");
  for (double size = atof(words[1]); size <= atof(words[2]); size *= 1.1) {
    size_t bytes, items;
    add_until(set, &added, (uint32_t)size);
    items = ae_fingerprints_count(set, &bytes);
    printf("bytes=%.2f\n", (double)bytes / (double)items);
  }
  ae_fingerprints_free(set);
  return 0;
}
