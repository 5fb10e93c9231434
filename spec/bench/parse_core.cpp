/*
** parse_core.cpp: the core's reader with all its checks against simdjson
** on-demand reading the nine strings of an event in their order, unchecked.
** Usage: parse_core EVENTS ROUNDS SECONDS; prints ours= and peer= in ns.
*/
extern "C" {
#include "core/event.h"
}
#include "timer.h"

#include <simdjson.h>

static const char *const names[] = {
  "id", "resource", "resourceinstance", "source", "specversion", "type",
  "subject", "alternativesubject", "time"
};

static size_t sink;

static void read_ours (const bench_line &line) {
  static ae_attribute attributes[16];
  static ae_faults faults;
  ae_event event;
  event.attributes = attributes;
  event.capacity = 16;
  if (ae_event_parse(&event, line.text, line.length, nullptr, &faults, nullptr) != AE_OK)
    bench_fail("the core refuses an event");
  sink += event.count;
}

static void read_peer (const bench_line &line) {
  static simdjson::ondemand::parser parser;
  simdjson::ondemand::document document;
  simdjson::ondemand::object object;
  if (parser.iterate(line.text, line.length, line.length + BENCH_PADDING).get(document) ||
      document.get_object().get(object))
    bench_fail("simdjson refuses an event");
  for (const char *name : names) {
    std::string_view value;
    if (object.find_field(std::string_view(name)).get_string().get(value))
      bench_fail("simdjson misses a string");
    sink += value.size();
  }
}

template <void (*read)(const bench_line &)>
static double round_of (const bench_lines &lines, double seconds) {
  size_t count = 0;
  double start = bench_now(), spent;
  do {
    for (size_t i = 0; i < lines.count; i++) read(lines.list[i]);
    count += lines.count;
    spent = bench_now() - start;
  } while (spent < seconds);
  return spent / static_cast<double>(count) * 1e9;
}

int main (int count, char **words) {
  if (count != 4) bench_fail("usage: parse_core EVENTS ROUNDS SECONDS");
  bench_lines lines = bench_read(words[1]);
  double seconds = atof(words[3]);
  for (int i = atoi(words[2]); i > 0; i--) {
    double ours = round_of<read_ours>(lines, seconds);
    double peer = round_of<read_peer>(lines, seconds);
    printf("ours=%.1f peer=%.1f\n", ours, peer);
  }
  fprintf(stderr, "%zu\n", sink);
  return 0;
}
