/*
** parts.c: the tables of the inbox against plain models of them, under random
** changes; and the throttle of the log on a clock of the program's own.
**
**     parts WORD SEED    WORD: map, lines, lanes, fingerprints or throttle
**
** Says "WORD: fine", or which step went wrong, with the seed.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/throttle.h"
#include "inbox/fingerprints.h"
#include "inbox/lanes.h"
#include "inbox/lines.h"
#include "inbox/map.h"

static unsigned long seed;

static uint64_t random_below (uint64_t bound) {
  static uint64_t state;
  if (state == 0) state = seed * 2 + 1;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state % bound;
}

static void must (int holds, const char *sentence, long step) {
  if (holds) return;
  printf("step %ld of seed %lu: %s\n", step, seed, sentence);
  exit(1);
}

/* Few keys for the table, so that chains are long and are cut often. */
#define KEYS 400

static void try_map (void) {
  static uint64_t model[KEYS + 1]; /* 0: the key is not there */
  ae_map map = {0};
  size_t count = 0;
  for (long step = 0; step < 40000; step++) {
    uint64_t key = 1 + random_below(KEYS), value = 1 + random_below(1000);
    if (random_below(2) == 0) {
      must(ae_map_reserve(&map, 1), "no room", step);
      ae_map_put(&map, key, value);
      count += model[key] == 0;
      model[key] = value;
    } else {
      must(ae_map_remove(&map, key) == (model[key] != 0), "removed what was not there", step);
      count -= model[key] != 0;
      model[key] = 0;
    }
    must(map.count == count, "the count is another one", step);
    for (uint64_t each = 1; step % 16 == 0 && each <= KEYS; each++) {
      const uint64_t *found = ae_map_get(&map, each);
      must(found == NULL ? model[each] == 0 : *found == model[each], "a key is lost", step);
    }
  }
  ae_map_free(&map);
}

static ae_fingerprint fingerprint_of (uint64_t number) {
  ae_fingerprint item = {{0}};
  uint64_t spread = number % 37 * 0x1000000u + 1; /* many want the same place */
  memcpy(item.bytes + 1, &spread, sizeof spread);
  memcpy(item.bytes + 9, &number, 3);
  return item;
}

static void try_fingerprints (void) {
  static int model[KEYS];
  ae_fingerprints *set = ae_fingerprints_new();
  size_t count = 0, bytes;
  must(set != NULL, "no memory", 0);
  for (long step = 0; step < 40000; step++) {
    uint64_t number = random_below(KEYS);
    ae_fingerprint item = fingerprint_of(number);
    if (random_below(2) == 0) {
      ae_adding what = ae_fingerprints_add(set, &item);
      must(what == (model[number] ? AE_PRESENT_ALREADY : AE_ADDED), "it was known wrongly",
           step);
      count += !model[number];
      model[number] = 1;
    } else {
      ae_fingerprints_remove(set, &item);
      count -= (size_t)model[number];
      model[number] = 0;
    }
    must(ae_fingerprints_count(set, &bytes) == count, "the count is another one", step);
  }
  ae_fingerprints_free(set);
}

/* Runs in one lane's ring, which grows while its first place is anywhere. */
static void try_lanes (void) {
  ae_lanes lanes = {0};
  ae_lane *lane = ae_lanes_get(&lanes, AE_LITERAL("rule"));
  int64_t first = 1, last = 0;
  must(lane != NULL, "no memory", 0);
  must(lane == ae_lanes_get(&lanes, AE_LITERAL("rule")), "a rule has two lanes", 0);
  for (long step = 0; step < 40000; step++) {
    uint64_t more = step % 8000 < 5000 ? 3 : 1; /* of 4: it grows, and shrinks */
    if (last < first || random_below(4) < more) {
      ae_lane_item item = {++last, (uint64_t)last * 3};
      must(ae_lanes_push(&lanes, lane, item), "no memory", step);
    } else {
      ae_lane_item item = ae_lane_first(lane);
      must(item.sequence == first && item.line == (uint64_t)first * 3, "another run", step);
      ae_lanes_pop(&lanes, lane);
      first++;
    }
    must(lane->count == (size_t)(last - first + 1) && lanes.backlog == lane->count,
         "the count is another one", step);
  }
  ae_lanes_free(&lanes);
}

#define LINES 20
#define LENGTH 4000

/* Runs that come to lines, sleep, wake up and leave: first come, first served. */
static void try_lines (void) {
  static int64_t line[LINES + 1][LENGTH];
  static int first[LINES + 1], last[LINES + 1], asleep[LINES + 1];
  static char owner[LINES + 1];
  ae_lines lines = {0};
  int64_t sequence = 0;
  for (long step = 0; step < 30000; step++) {
    uint64_t at = 1 + random_below(LINES), what = random_below(5);
    int empty = first[at] == last[at];
    int64_t next = 0, head = empty ? 0 : line[at][first[at]];
    void *whose = NULL;
    if (what < 2 && last[at] < LENGTH) {
      ae_line_place place = ae_lines_enter(&lines, at, ++sequence, &owner[at]);
      must(place == (empty ? AE_LINE_HEAD : AE_LINE_BEHIND), "it came to another place", step);
      line[at][last[at]++] = sequence;
    } else if (what == 2 && !empty) {
      ae_lines_sleep(&lines, at, head);
      asleep[at] = 1;
    } else if (what == 3 && !empty) {
      ae_line_place place = ae_lines_enter(&lines, at, head, &owner[at]);
      must(place == (asleep[at] ? AE_LINE_HEAD : AE_LINE_RUNS), "the head is not as it was",
           step);
      asleep[at] = 0;
    } else if (what == 4 && !empty) {
      bool more = ae_lines_leave(&lines, at, head, &next, &whose);
      first[at]++;
      asleep[at] = 0;
      must(more == (first[at] < last[at]), "nobody is next, or somebody", step);
      must(!more || (next == line[at][first[at]] && whose == &owner[at]), "another is next",
           step);
    } else if (what == 4) {
      must(!ae_lines_leave(&lines, at, 1, &next, &whose), "somebody left an empty line", step);
    }
  }
  ae_lines_free(&lines);
}

/* The clock of throttle.c: this one stands before that of the C library. */
static int64_t the_second;

int clock_gettime (clockid_t clock, struct timespec *t) {
  (void)clock;
  t->tv_sec = (time_t)the_second;
  t->tv_nsec = 0;
  return 0;
}

static void try_throttle (void) {
  ae_throttle throttle = {0};
  for (the_second = 100; the_second < 110; the_second++) {
    int allowed = 0;
    must(ae_throttle_told(&throttle, false) == (the_second == 100 ? 0 : 7), "7 are missing",
         the_second);
    must(ae_throttle_told(&throttle, false) == 0, "they are told of twice", the_second);
    for (int i = 0; i < 12; i++) allowed += ae_throttle_allows(&throttle, 5);
    must(allowed == 5, "not 5 in a second", the_second);
    must(ae_throttle_told(&throttle, false) == 0, "told before the second was over",
         the_second);
  }
  the_second = 109;
  must(ae_throttle_told(&throttle, true) == 7, "not told at the end", 0);
  must(ae_throttle_told(&throttle, true) == 0, "told twice at the end", 0);
}

int main (int count, char **words) {
  static const struct {
    const char *word;
    void (*call)(void);
  } parts[] = {{"map", try_map},
               {"fingerprints", try_fingerprints},
               {"lanes", try_lanes},
               {"lines", try_lines},
               {"throttle", try_throttle}};
  if (count < 3) return 2;
  seed = strtoul(words[2], NULL, 10);
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    if (strcmp(parts[i].word, words[1]) != 0) continue;
    parts[i].call();
    printf("%s: fine\n", words[1]);
    return 0;
  }
  return 2;
}
