/*
** heads.c: heads come and go while others match; what a head takes; what
** the worst heads cost. Prints facts as name=number.
*/
#include "core/match.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define READERS 3
#define CHANGES 300u
#define MOST_CHANGES 10000000u

static void fail (const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static ae_slice slice_of (const char *text) { return (ae_slice){ text, strlen(text) }; }

static void add (ae_matcher *matcher, uint32_t number, const ae_condition *conditions, size_t count) {
  if (ae_matcher_add(matcher, number, conditions, count, NULL) != AE_OK) fail("a head is refused");
}

static void parse (ae_event *event, char *text) {
  static ae_faults faults;
  if (ae_event_parse(event, text, strlen(text), NULL, &faults, NULL) != AE_OK) fail("the event is refused");
}

/* {====================================================================
** Heads that come and go
** ===================================================================== */

static struct {
  pthread_mutex_t lock;
  ae_matcher *now;
  unsigned users;      /* of `now` */
  pthread_cond_t idle; /* nobody uses it */
  bool over;
  unsigned seen;       /* a bit for each number of heads found */
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER, .idle = PTHREAD_COND_INITIALIZER };

/* Head 0 is always there, head 1 never matches, head 2 comes and goes. */
static void *reader (void *unused) {
  char text[] = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/\",\"type\":\"t\",\"x\":\"a\"}";
  ae_attribute attributes[8];
  ae_event event = { .attributes = attributes, .capacity = 8 };
  ae_faults faults;
  (void)unused;
  if (ae_event_parse(&event, text, sizeof text - 1, NULL, &faults, NULL) != AE_OK) fail("the event is refused");
  for (bool over = false; !over; ) {
    uint32_t found[4];
    pthread_mutex_lock(&shared.lock);
    const ae_matcher *matcher = shared.now;
    shared.users++;
    pthread_mutex_unlock(&shared.lock);
    size_t count = ae_matcher_match(matcher, &event, found, 4);
    if (count < 1 || count > 2 || found[0] != 0 || (count == 2 && found[1] != 2)) fail("a wrong head was found");
    pthread_mutex_lock(&shared.lock);
    shared.seen |= 1u << count;
    if (--shared.users == 0) pthread_cond_signal(&shared.idle);
    over = shared.over;
    pthread_mutex_unlock(&shared.lock);
  }
  return NULL;
}

/* Puts a copy with one head more or less where the readers find it. False:
** they have not yet seen both. */
static bool change (uint32_t turn, const ae_condition *condition) {
  ae_matcher *next = ae_matcher_copy(shared.now), *last = shared.now;
  if (!next) fail("no copy");
  if (turn % 2 == 0) add(next, 2, condition, 1);
  else if (!ae_matcher_remove(next, 2)) fail("the head was not there");
  pthread_mutex_lock(&shared.lock);
  while (shared.users > 0) pthread_cond_wait(&shared.idle, &shared.lock);
  shared.now = next;
  bool both = shared.seen == 6;
  pthread_mutex_unlock(&shared.lock);
  ae_matcher_free(last);
  return both;
}

static void come_and_go (void) {
  pthread_t threads[READERS];
  ae_alternative a = { false, AE_LITERAL("a") }, b = { true, AE_LITERAL("b") };
  ae_condition is_a = { AE_LITERAL("x"), AE_IS, &a, 1 }, begins_b = { AE_LITERAL("x"), AE_IS, &b, 1 };
  uint32_t turn = 0;
  bool both = false;
  shared.now = ae_matcher_new();
  if (!shared.now) fail("no memory");
  add(shared.now, 0, &is_a, 1);
  add(shared.now, 1, &begins_b, 1);
  for (int i = 0; i < READERS; i++)
    if (pthread_create(&threads[i], NULL, reader, NULL) != 0) fail("no thread");
  while (turn < CHANGES || (!both && turn < MOST_CHANGES)) both = change(turn++, &is_a);
  pthread_mutex_lock(&shared.lock);
  shared.over = true;
  pthread_mutex_unlock(&shared.lock);
  for (int i = 0; i < READERS; i++) pthread_join(threads[i], NULL);
  printf("changes=%u seen=%u\n", turn, shared.seen >> 1);
  ae_matcher_free(shared.now);
}

/* }==================================================================== */

/* A head may be replaced by its own conditions. */
static void renew (void) {
  char text[] = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/\",\"type\":\"t\",\"x\":\"abc\"}";
  ae_alternative is[] = { { false, AE_LITERAL("abc") }, { true, AE_LITERAL("b") } };
  ae_condition condition = { AE_LITERAL("x"), AE_IS, is, 2 };
  ae_attribute attributes[8];
  ae_event event = { .attributes = attributes, .capacity = 8 };
  ae_matcher *matcher = ae_matcher_new();
  const ae_condition *own;
  uint32_t found[2];
  if (!matcher) fail("no memory");
  parse(&event, text);
  add(matcher, 3, &condition, 1);
  for (int i = 0; i < 100; i++) {
    size_t count = ae_matcher_conditions(matcher, 3, &own);
    add(matcher, 3, own, count);
  }
  if (ae_matcher_match(matcher, &event, found, 2) != 1 || found[0] != 3) fail("a head is lost by its renewal");
  ae_matcher_free(matcher);
}

/* {====================================================================
** Costs
** ===================================================================== */

static ae_matcher *equalities (uint32_t count) {
  ae_matcher *matcher = ae_matcher_new();
  if (!matcher) fail("no memory");
  for (uint32_t i = 0; i < count; i++) {
    char resource[64];
    snprintf(resource, sizeof resource, "urn:altinn:resource:acme-%06u", i);
    ae_alternative type = { false, AE_LITERAL("no.altinn.correspondence.correspondencepublished") };
    ae_alternative one = { false, slice_of(resource) };
    ae_condition conditions[] = { { AE_LITERAL("type"), AE_IS, &type, 1 }, { AE_LITERAL("resource"), AE_IS, &one, 1 } };
    add(matcher, i, conditions, 2);
  }
  return matcher;
}

static double nanoseconds (const ae_matcher *matcher, const ae_event *event, size_t *count) {
  static uint32_t found[65536];
  struct timespec a, b;
  double best = 1e18;
  for (int i = 0; i < 20; i++) {
    clock_gettime(CLOCK_MONOTONIC, &a);
    *count = ae_matcher_match(matcher, event, found, 65536);
    clock_gettime(CLOCK_MONOTONIC, &b);
    double spent = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
    if (spent < best) best = spent;
  }
  return best;
}

/* Prefixes of all lengths on ten attributes, which differ from an event's
** value in their last byte only, joined with equalities of all subsets of ten
** more: as many kinds of keys as there can be. Every twentieth holds. */
static ae_matcher *worst (uint32_t count) {
  static char text[201];
  ae_matcher *matcher = ae_matcher_new();
  if (!matcher) fail("no memory");
  for (uint32_t i = 0; i < count; i++) {
    char names[12][8];
    ae_alternative long_prefix = { true, { text, 1 + i % 200 } }, one = { false, AE_LITERAL("y") };
    ae_condition conditions[12];
    size_t used = 1;
    memset(text, 'x', 200);
    if (i % 20 != 0) text[i % 200] = 'z';
    snprintf(names[0], sizeof names[0], "p%u", i / 200 % 10);
    conditions[0] = (ae_condition){ slice_of(names[0]), AE_IS, &long_prefix, 1 };
    for (uint32_t bit = 0; bit < 10; bit++) {
      if ((i * 2654435761u >> (10 + bit) & 1) == 0) continue;
      snprintf(names[used], sizeof names[used], "e%u", bit);
      conditions[used] = (ae_condition){ slice_of(names[used]), AE_IS, &one, 1 };
      used++;
    }
    add(matcher, i, conditions, used);
  }
  return matcher;
}

static void costs (void) {
  static char members[8192];
  ae_attribute attributes[64];
  ae_event event = { .attributes = attributes, .capacity = 64 };
  size_t count, at;
  ae_matcher *matcher = equalities(10000);
  printf("bytes_per_head=%zu\n", ae_matcher_bytes(matcher) / 10000);
  ae_matcher_free(matcher);
  at = (size_t)snprintf(members, sizeof members, "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/\",\"type\":\"t\"");
  for (int i = 0; i < 10; i++)
    at += (size_t)snprintf(members + at, sizeof members - at, ",\"p%d\":\"%0200d\",\"e%d\":\"y\"", i, 0, i);
  for (size_t i = 0; i < at; i++)
    if (members[i] == '0' && members[i - 1] != '.' && members[i - 1] != 'p' && members[i - 1] != 'e') members[i] = 'x';
  snprintf(members + at, sizeof members - at, "}");
  parse(&event, members);
  matcher = worst(20000);
  printf("worst_ns=%.0f", nanoseconds(matcher, &event, &count));
  printf(" worst_found=%zu\n", count);
  for (uint32_t i = 0; i < 20000; i++)
    if (!ae_matcher_remove(matcher, i)) fail("a head was not there");
  (void)nanoseconds(matcher, &event, &count);
  printf("left=%zu\n", count);
  ae_matcher_free(matcher);
}

/* }==================================================================== */

int main (void) {
  come_and_go();
  renew();
  costs();
  return 0;
}
