/*
** timer.h: what the C programs of the benchmark share: a clock and the
** lines of a file in memory.
*/
#ifndef ALTINN_EVENTS_BENCH_TIMER_H
#define ALTINN_EVENTS_BENCH_TIMER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Bytes after each line that may be read (SIMD readers do). */
#define BENCH_PADDING 64

typedef struct bench_line { char *text; size_t length; } bench_line;

typedef struct bench_lines { bench_line *list; size_t count; } bench_lines;

static inline double bench_now (void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void bench_fail (const char *message) {
  fprintf(stderr, "%s\n", message);
  exit(1);
}

static inline void *bench_room (size_t size) {
  void *memory = calloc(1, size);
  if (memory == NULL) bench_fail("not enough memory");
  return memory;
}

/* Each line in memory of its own. */
static inline bench_lines bench_read (const char *path) {
  static char line[4096];
  bench_lines lines = { NULL, 0 };
  FILE *file = fopen(path, "r");
  if (file == NULL) bench_fail("the file of events cannot be read");
  lines.list = (bench_line *)bench_room(65536 * sizeof *lines.list);
  while (lines.count < 65536 && fgets(line, sizeof line, file) != NULL) {
    bench_line *each = &lines.list[lines.count++];
    each->length = strcspn(line, "\n");
    each->text = (char *)bench_room(each->length + BENCH_PADDING);
    memcpy(each->text, line, each->length);
  }
  fclose(file);
  return lines;
}

#endif
