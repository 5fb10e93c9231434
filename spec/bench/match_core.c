/*
** match_core.c: from JSON to the list of matching rules, with few and with
** many heads: equality (type and resource) and prefixes (type and subject).
** Usage: match_core EVENTS ROUNDS SECONDS; prints ns an event of each set.
*/
#include "core/match.h"
#include "timer.h"

#define FEW 10u
#define MANY 10000u

static const char *const types[] = {
  "attachmentpublished", "correspondenceinitialized", "correspondencepublished",
  "correspondencepurged", "correspondencepublishfailed", "correspondencereceiverread",
  "correspondencereceiverconfirmed", "correspondencereceiverneverread"
};

static const char *const beginnings[] = { "attachment", "correspondence", "notification" };

static uint64_t hits;

static ae_slice slice_of (const char *text) {
  return (ae_slice){ text, strlen(text) };
}

static void add (ae_matcher *matcher, uint32_t head, bool prefix,
                 const char *type, const char *attribute, const char *text) {
  ae_alternative first = { prefix, slice_of(type) }, second = { prefix, slice_of(text) };
  ae_condition conditions[2] = {
    { AE_LITERAL("type"), AE_IS, &first, 1 }, { slice_of(attribute), AE_IS, &second, 1 }
  };
  if (ae_matcher_add(matcher, head, conditions, 2, NULL) != AE_OK)
    bench_fail("a head is refused");
}

/* Head i: one type, one of 10,000 resources. */
static void add_equal (ae_matcher *matcher, uint32_t i) {
  char type[96], resource[96];
  snprintf(type, sizeof type, "no.altinn.correspondence.%s", types[i % 8]);
  snprintf(resource, sizeof resource,
           "urn:altinn:resource:altinn-correspondence-test-resource-%u", i + 1);
  add(matcher, i, false, type, "resource", resource);
}

/* Head i: the types of one kind, organisations whose number begins so. */
static void add_prefix (ae_matcher *matcher, uint32_t i) {
  char type[96], subject[96];
  snprintf(type, sizeof type, "no.altinn.correspondence.%s", beginnings[i % 3]);
  snprintf(subject, sizeof subject, "urn:altinn:organization:identifier-no:%u",
           10000 + i * 9);
  add(matcher, i, true, type, "subject", subject);
}

static ae_matcher *matcher_of (uint32_t count, void (*add_head) (ae_matcher *, uint32_t)) {
  ae_matcher *matcher = ae_matcher_new();
  if (matcher == NULL) bench_fail("not enough memory");
  for (uint32_t i = 0; i < count; i++) add_head(matcher, i);
  return matcher;
}

static void judge (const ae_matcher *matcher, const bench_line *line) {
  static ae_attribute attributes[16];
  static ae_faults faults;
  uint32_t heads[64];
  ae_event event = { .attributes = attributes, .capacity = 16 };
  if (ae_event_parse(&event, line->text, line->length, NULL, &faults, NULL) != AE_OK)
    bench_fail("the core refuses an event");
  hits += ae_matcher_match(matcher, &event, heads, 64);
}

static double round_of (const ae_matcher *matcher, const bench_lines *lines,
                        double seconds) {
  size_t count = 0;
  double start = bench_now(), spent;
  do {
    for (size_t i = 0; i < lines->count; i++) judge(matcher, &lines->list[i]);
    count += lines->count;
    spent = bench_now() - start;
  } while (spent < seconds);
  return spent / (double)count * 1e9;
}

int main (int count, char **words) {
  ae_matcher *sets[4];
  const char *names[4] = { "equal_few", "equal_many", "prefix_few", "prefix_many" };
  bench_lines lines;
  if (count != 4) bench_fail("usage: match_core EVENTS ROUNDS SECONDS");
  lines = bench_read(words[1]);
  sets[0] = matcher_of(FEW, add_equal);
  sets[1] = matcher_of(MANY, add_equal);
  sets[2] = matcher_of(FEW, add_prefix);
  sets[3] = matcher_of(MANY, add_prefix);
  for (int round = atoi(words[2]); round > 0; round--)
    for (int i = 0; i < 4; i++)
      printf("%s=%.1f\n", names[i], round_of(sets[i], &lines, atof(words[3])));
  for (int i = 0; i < 4; i++) {
    hits = 0;
    for (size_t line = 0; line < lines.count; line++) judge(sets[i], &lines.list[line]);
    printf("hits_%s=%llu\n", names[i], (unsigned long long)hits);
    ae_matcher_free(sets[i]);
  }
  return 0;
}
