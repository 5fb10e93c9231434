/*
** inbox_sides.h: the two sides of the inbox benchmark, and the events that
** both take: each with a random id.
*/
#ifndef ALTINN_EVENTS_BENCH_INBOX_SIDES_H
#define ALTINN_EVENTS_BENCH_INBOX_SIDES_H

#include "core/slice.h"
#include "timer.h"

#define BENCH_ID 36
#define BENCH_GROUP 64

/* An event to be stored; the slices lie in `text`. */
typedef struct bench_event {
  ae_slice source, id, body;
  char text[1024];
} bench_event;

/* Where events come from; one thread's. */
typedef struct bench_source {
  bench_lines lines;
  size_t at;
  uint64_t state;
} bench_source;

/* The next event, different from all before. */
void bench_next (bench_source *source, bench_event *event);

typedef struct ours ours;
ours *ours_open (const char *path, const bench_source *source);
/* Appends with 64 works outstanding until `count` are stored; seconds. */
double ours_append (ours *side, size_t count);
/* Transactions so far. */
unsigned long long ours_groups (ours *side);
void ours_close (ours *side);

typedef struct plain plain;
plain *plain_open (const char *path, const bench_source *source);
/* Inserts, `group` rows in a transaction, until `count` are stored; seconds. */
double plain_append (plain *side, size_t count, size_t group);
void plain_close (plain *side);

#endif
