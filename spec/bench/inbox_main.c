/*
** inbox_main.c: the inbox against a plain table of SQLite.
** Usage: inbox compare EVENTS FOLDER STORED COUNT ROUNDS, where STORED
** events are there before and COUNT are added in each round; prints events
** a second. Or: inbox fill EVENTS FILE COUNT.
*/
#include "inbox_sides.h"

static uint64_t random_bits (bench_source *source) {
  uint64_t z = source->state += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
  return z ^ z >> 31;
}

static void write_id (bench_source *source, char *id) {
  static const char digits[] = "0123456789abcdef";
  uint64_t high = random_bits(source), low = random_bits(source);
  for (int i = 0; i < BENCH_ID; i++) {
    uint64_t *bits = i < 18 ? &high : &low;
    if (i == 8 || i == 13 || i == 18 || i == 23) continue;
    id[i] = digits[*bits & 15];
    *bits >>= 4;
  }
}

static ae_slice find (const char *text, const char *name) {
  const char *start = strstr(text, name);
  if (start == NULL) bench_fail("an event lacks an attribute");
  start += strlen(name);
  return (ae_slice){ start, strcspn(start, "\"") };
}

void bench_next (bench_source *source, bench_event *event) {
  const bench_line *line = &source->lines.list[source->at++ % source->lines.count];
  if (line->length >= sizeof event->text) bench_fail("an event is too long");
  memcpy(event->text, line->text, line->length + 1);
  event->body = (ae_slice){ event->text, line->length };
  event->id = find(event->text, "\"id\":\"");
  event->source = find(event->text, "\"source\":\"");
  write_id(source, event->text + (event->id.data - event->text));
}

static char *path_in (const char *folder, const char *name) {
  size_t size = strlen(folder) + strlen(name) + 2;
  char *path = bench_room(size);
  snprintf(path, size, "%s/%s", folder, name);
  return path;
}

static void compare (char **words, bench_source *source) {
  size_t stored = (size_t)atol(words[4]), count = (size_t)atol(words[5]);
  char *own_path = path_in(words[3], "ours.db"), *plain_path = path_in(words[3], "plain.db");
  ours *own = ours_open(own_path, source);
  plain *other = plain_open(plain_path, source);
  ours_append(own, stored);
  plain_append(other, stored, 4096);
  for (int round = atoi(words[6]); round > 0; round--) {
    unsigned long long groups = ours_groups(own);
    double seconds = ours_append(own, count);
    printf("ours=%.0f\n", (double)count / seconds);
    groups = ours_groups(own) - groups;
    printf("group=%.1f\n", (double)count / (double)(groups ? groups : 1));
    printf("plain=%.0f\n", (double)count / plain_append(other, count, BENCH_GROUP));
  }
  ours_close(own);
  plain_close(other);
  free(own_path);
  free(plain_path);
}

static void fill (char **words, bench_source *source) {
  ours *own = ours_open(words[3], source);
  ours_append(own, (size_t)atol(words[4]));
  ours_close(own);
}

int main (int count, char **words) {
  bench_source source = { { NULL, 0 }, 0, 0 };
  if (count > 2) source.lines = bench_read(words[2]);
  source.state = (uint64_t)(bench_now() * 1e9);
  if (count == 7 && strcmp(words[1], "compare") == 0) compare(words, &source);
  else if (count == 5 && strcmp(words[1], "fill") == 0) fill(words, &source);
  else bench_fail("usage: inbox compare EVENTS FOLDER STORED COUNT ROUNDS | fill EVENTS FILE COUNT");
  return 0;
}
