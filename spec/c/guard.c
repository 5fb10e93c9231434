/*
** guard.c: events in mappings of exactly their size, with a page that may
** not be touched right behind them and right before them, writable and not,
** and every way of sweeping for marks against the plainest one.
** Usage: guard FILE, where FILE holds texts as "LENGTH\nTEXT". Prints a
** verdict's code for each text.
*/
#include "core/event.h"
#include "core/marks.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES 64u

static size_t page;
static char *middle;  /* PAGES pages between two that may not be touched */

static void fail (const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static void map_pages (void) {
  page = (size_t)sysconf(_SC_PAGESIZE);
  char *all = mmap(NULL, (PAGES + 2) * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (all == MAP_FAILED) fail("no memory can be mapped");
  middle = all + page;
  if (mprotect(middle, PAGES * page, PROT_READ | PROT_WRITE) != 0) fail("mprotect");
}

/* The text where its last byte is the last before the guard, or its first
** the first behind it. */
static char *put (const char *text, size_t length, bool at_end) {
  char *place = at_end ? middle + PAGES * page - length : middle;
  if (length > 0) memcpy(place, text, length);
  return place;
}

static void allow (int what) {
  if (mprotect(middle, PAGES * page, what) != 0) fail("mprotect");
}

/* Reading where nothing can be written comes to the same, unless there are
** escapes. */
static ae_code judge (char *text, size_t length) {
  static ae_attribute attributes[256];
  static ae_faults faults;
  ae_event event = { .attributes = attributes, .capacity = 256 };
  allow(PROT_READ);
  ae_code seen = ae_event_read(&event, text, length, NULL, &faults, NULL);
  bool escapes = length > 0 && memchr(text, '\\', length) != NULL;
  allow(PROT_READ | PROT_WRITE);
  ae_code code = ae_event_parse(&event, text, length, NULL, &faults, NULL);
  if (seen != code && (seen != AE_MEMORY || !escapes)) fail("the verdict depends on who may write");
  return code;
}

/* Each sweep finds the same marks. */
static void compare_sweeps (const char *text, size_t length) {
  static ae_marks plain, other;
  ae_slice all = { text, length };
  size_t step = length < 400 ? 1 : 61;
  for (size_t from = 0; from < length; from += step) {
    ae_marks_sweep(&plain, all, from, AE_SWEEP_WORDS);
    for (ae_sweep how = AE_SWEEP_SSE2; how <= AE_SWEEP_BEST; how++) {
      size_t i = 0;
      ae_marks_sweep(&other, all, from, how);
      if (other.end != plain.end) fail("the windows differ");
      do if (other.at[i] != plain.at[i]) fail("the marks differ");
      while (plain.at[i++] != plain.end);
      for (size_t more = 1; more < AE_MARKS_END; more++)
        if (other.at[i - 1 + more] != plain.end) fail("too few ends");
    }
  }
}

static void one (const char *text, size_t length) {
  ae_code code = judge(put(text, length, true), length);
  if (judge(put(text, length, false), length) != code) fail("the verdict depends on the place");
  compare_sweeps(put(text, length, true), length);
  compare_sweeps(put(text, length, false), length);
  printf("%s\n", ae_code_name(code));
}

/* Every length up to some blocks, of every kind of byte. */
static void all_lengths (void) {
  static char text[300];
  uint32_t state = 1;
  for (size_t length = 0; length <= sizeof text; length++) {
    for (size_t i = 0; i < length; i++) {
      state = state * 1664525u + 1013904223u;
      text[i] = (char)(state >> 24);
      if ((state >> 16 & 3) == 0) text[i] = '"';
    }
    compare_sweeps(put(text, length, true), length);
    (void)judge(put(text, length, true), length);
    memset(text, '"', length);
    compare_sweeps(put(text, length, true), length);
  }
}

int main (int count, char **words) {
  static char text[65536];
  size_t length;
  FILE *file = count == 2 ? fopen(words[1], "rb") : NULL;
  if (!file) fail("usage: guard FILE");
  map_pages();
  all_lengths();
  while (fscanf(file, "%zu", &length) == 1) {
    if (length > sizeof text || fgetc(file) != '\n' || fread(text, 1, length, file) != length)
      fail("the file is malformed");
    one(text, length);
  }
  fclose(file);
  return 0;
}
