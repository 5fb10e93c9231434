/*
** parts.c: the tables of the inbox against plain models of them, under random
** changes; and the throttle of the log and the breakers on clocks of the program's own.
**
**     parts WORD SEED    WORD: map, lines, lanes, fingerprints,
**                           throttle or breaker
**
** Says "WORD: fine", or which step went wrong, with the seed.
*/
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/breaker.h"
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
  memcpy(item.bytes + 1, &spread, 4);
  memcpy(item.bytes + 5, &number, 3);
  memcpy(item.bytes + 9, &number, 3);
  return item;
}

static void try_width (size_t width) {
  int model[KEYS] = {0};
  ae_fingerprints *set = ae_fingerprints_new(width);
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

static void try_fingerprints (void) {
  try_width(AE_FINGERPRINT_SIZE);
  try_width(8);
  try_width(9);
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

static void try_throttle (void) {
  ae_throttle throttle = {0};
  ae_clock clock = {0};
  for (int64_t second = 100; second < 110; second++) {
    int allowed = 0;
    ae_clock_set(&clock, second * INT64_C(1000000000));
    must(ae_throttle_told(&throttle, false, &clock) == (second == 100 ? 0 : 7),
         "7 are missing", second);
    must(ae_throttle_told(&throttle, false, &clock) == 0, "they are told of twice", second);
    for (int i = 0; i < 12; i++) allowed += ae_throttle_allows(&throttle, 5, &clock);
    must(allowed == 5, "not 5 in a second", second);
    must(ae_throttle_told(&throttle, false, &clock) == 0, "told before the second was over",
         second);
  }
  must(ae_throttle_told(&throttle, true, &clock) == 7, "not told at the end", 0);
  must(ae_throttle_told(&throttle, true, &clock) == 0, "told twice at the end", 0);
}

static void try_clock (void) {
  const int64_t day = INT64_C(86400) * 1000000000;
  ae_clock clock = {0}, other = {0};
  int64_t wall = ae_clock_wall_ms(&clock), steady = ae_clock_steady_ms(&clock);
  must(llabs(wall - ae_clock_wall_ms(NULL)) < 60000, "it is not the system's", wall);
  ae_clock_advance(&clock, 2 * day);
  must(ae_clock_wall_ms(&clock) - wall >= 2 * 86400000, "the time of day did not move", 0);
  must(ae_clock_steady_ms(&clock) - steady >= 2 * 86400000, "the steady time did not move", 0);
  must(ae_clock_wall_ms(&clock) - wall < 3 * 86400000, "it moved too far", 0);
  for (int64_t ns = 1; ns < day; ns = ns * 7 + 3) {
    ae_clock_set(&other, ns);
    must(ae_clock_steady_ns(&other) == ns, "it does not stand", ns);
    must(ae_clock_wall_ms(&other) == ns / 1000000, "not the same milliseconds", ns);
    ae_clock_advance(&other, day);
    must(ae_clock_steady_ns(&other) == ns + day, "it was not moved", ns);
  }
  must(ae_clock_name(&clock, "one") && ae_clock_name(&other, "other"), "no memory", 0);
  must(ae_clock_of("one") == &clock && ae_clock_of("other") == &other, "the wrong one", 0);
  ae_clock_forget(&clock);
  must(ae_clock_of("one") == NULL && ae_clock_of("other") == &other, "not forgotten", 0);
  ae_clock_forget(&other);
}

static void fail_times (ae_breakers *breakers, int times, int64_t now) {
  for (int i = 0; i < times; i++) ae_breakers_report(breakers, "down", false, now);
}

/* A target that goes down: the pauses double up to a minute, with one attempt after each,
** and a success ends them. */
static void try_pauses (ae_breakers *breakers) {
  int64_t now = 5000, pause = AE_BREAKER_SHORTEST;
  fail_times(breakers, AE_BREAKER_FAILURES - 1, now);
  ae_breakers_report(breakers, "down", true, now);
  fail_times(breakers, AE_BREAKER_FAILURES - 1, now);
  must(ae_breakers_admit(breakers, "down", now) == 0, "it opened too early", 0);
  ae_breakers_report(breakers, "down", false, now);
  for (long round = 0; round < 9; round++) {
    fail_times(breakers, 20, now); /* late failures change nothing */
    must(ae_breakers_admit(breakers, "down", now) == pause, "another pause", round);
    must(ae_breakers_admit(breakers, "down", now + pause - 1) == 1, "not shut", round);
    must(ae_breakers_admit(breakers, "up", now) == 0, "another target is shut", round);
    now += pause;
    must(ae_breakers_admit(breakers, "down", now) == 0, "no attempt", round);
    must(ae_breakers_admit(breakers, "down", now) > 0, "a second attempt", round);
    ae_breakers_report(breakers, "down", false, now);
    pause = pause * 2 < AE_BREAKER_LONGEST ? pause * 2 : AE_BREAKER_LONGEST;
  }
  must(pause == AE_BREAKER_LONGEST, "the longest pause was not reached", 0);
  now += pause;
  must(ae_breakers_admit(breakers, "down", now) == 0, "no attempt at last", 0);
  ae_breakers_report(breakers, "down", true, now);
  must(ae_breakers_admit(breakers, "down", now) == 0, "not closed by a success", 0);
  fail_times(breakers, AE_BREAKER_FAILURES, now);
  must(ae_breakers_admit(breakers, "down", now) == AE_BREAKER_SHORTEST, "not short again", 0);
}

/* An attempt that says nothing is lost after a time: another one is admitted. */
static void try_silence (ae_breakers *breakers) {
  int64_t now = 0, least = AE_BREAKER_SHORTEST;
  for (int i = 0; i < AE_BREAKER_FAILURES; i++)
    ae_breakers_report(breakers, "silent", false, now);
  must(ae_breakers_admit(breakers, "silent", now + least) == 0, "no attempt", 0);
  now += least + AE_BREAKER_PATIENCE;
  must(ae_breakers_admit(breakers, "silent", now - 1) > 0, "lost too early", 0);
  must(ae_breakers_admit(breakers, "silent", now) == 0, "shut for ever", 0);
}

/* An admission that is not used goes to the next one who asks, at once. */
static void try_release (ae_breakers *breakers) {
  int64_t now = 90000000;
  for (int i = 0; i < AE_BREAKER_FAILURES; i++)
    ae_breakers_report(breakers, "left", false, now);
  ae_breakers_release(breakers, "left", now);
  must(ae_breakers_admit(breakers, "left", now) > 0, "a release opened it", 0);
  now += AE_BREAKER_SHORTEST;
  must(ae_breakers_admit(breakers, "left", now) == 0, "no attempt", 0);
  must(ae_breakers_admit(breakers, "left", now) > 0, "a second attempt", 0);
  ae_breakers_release(breakers, "left", now);
  must(ae_breakers_admit(breakers, "left", now) == 0, "the release is lost", 0);
  ae_breakers_report(breakers, "left", true, now);
  ae_breakers_release(breakers, "left", now);
  must(ae_breakers_admit(breakers, "left", now) == 0, "a release shut it", 0);
}

/* Attempts at random times that end at random: a closed breaker admits each, an open one
** admits one in its shortest pause at most. */
static void try_any_times (ae_breakers *breakers) {
  int64_t now = 0, last = -AE_BREAKER_LONGEST;
  bool open = false;
  int failures = 0;
  for (long step = 0; step < 40000; step++) {
    int64_t wait;
    now += (int64_t)random_below(400);
    wait = ae_breakers_admit(breakers, "any", now);
    must(wait >= 0 && wait <= AE_BREAKER_LONGEST, "no span", step);
    must(open || wait == 0, "closed, and it does not admit", step);
    if (wait > 0) continue;
    must(!open || now - last >= AE_BREAKER_SHORTEST, "open, and it admits too much", step);
    last = now;
    failures = random_below(3) == 0 ? 0 : failures + 1;
    ae_breakers_report(breakers, "any", failures == 0, now);
    open = failures >= AE_BREAKER_FAILURES;
  }
}

static void count_open (void *context, const ae_breaker *breaker) {
  *(int *)context += breaker->pause != 0;
}

static void try_breaker (void) {
  ae_breakers breakers;
  int open = 0;
  ae_breakers_init(&breakers);
  ae_breakers_expect(&breakers, "down");
  try_pauses(&breakers);
  try_silence(&breakers);
  try_release(&breakers);
  ae_breakers_each(&breakers, count_open, &open);
  must(open == 2, "not two are open", 0);
  try_any_times(&breakers);
  ae_breakers_free(&breakers);
}

int main (int count, char **words) {
  static const struct {
    const char *word;
    void (*call)(void);
  } parts[] = {{"map", try_map},           {"fingerprints", try_fingerprints},
               {"lanes", try_lanes},       {"lines", try_lines},
               {"throttle", try_throttle}, {"breaker", try_breaker},
               {"clock", try_clock}};
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
