/*
** calls.c: what the inbox asks of its host: which rules want an event, which worker gets a
** run. The functions are called on the writer thread.
*/
#include "lua/host/host.h"

#include <inttypes.h>
#include <stdio.h>

#include "host/log.h"
#include "inbox/hash.h"

static size_t on_match (void *context, ae_slice body, const ae_event *event, ae_slice *rules,
                        size_t capacity) {
  ae_host *host = context;
  return ae_routes_match(&host->routes, body, event, rules, capacity);
}

static const ae_event *on_parse (void *context, ae_slice body) {
  ae_host *host = context;
  return ae_routes_event(&host->routes, body);
}

static bool on_in_force (void *context, ae_slice rule) {
  ae_host *host = context;
  return ae_routes_in_force(&host->routes, rule);
}

static uint64_t on_line (void *context, ae_slice body, const ae_event *event, ae_slice rule) {
  ae_host *host = context;
  ae_slice key = ae_routes_key(&host->routes, body, event, rule);
  return key.data == NULL ? 0 : ae_hash_line(rule, key);
}

static bool on_meaning (void *context, ae_slice body, const ae_event *event,
                        ae_slice parts[AE_MEANING_PARTS]) {
  ae_host *host = context;
  return ae_routes_meaning(&host->routes, body, event, parts);
}

static size_t on_at_once (void *context, ae_slice rule) {
  ae_host *host = context;
  return ae_routes_at_once(&host->routes, rule);
}

/* All runs of a line go to the same worker. */
static size_t on_dispatch (void *context, const ae_run *run) {
  ae_host *host = context;
  size_t worker = (run->line == 0 ? host->round++ : (size_t)run->line) % host->count;
  ae_run_message *message = ae_run_message_new(run);
  if (message == NULL) return AE_NO_WORKER;
  ae_queue_push(&host->workers[worker].queue, &message->head, false);
  return worker;
}

static bool on_cancel (void *context, size_t worker, int64_t sequence, ae_slice rule,
                       uint64_t claim) {
  ae_host *host = context;
  ae_cancel *cancel = ae_cancel_new(sequence, rule, claim);
  if (cancel == NULL) return false;
  ae_queue_push(&host->workers[worker].queue, &cancel->head, true);
  return true;
}

static void on_abandoned (void *context, ae_slice rule, uint64_t runs, bool gone) {
  ae_host *host = context;
  char name[256], count[24];
  ae_slice reason =
    gone ? AE_LITERAL("no rule of this name is in force; inbox list --state abandoned shows "
                      "its runs, inbox retry puts one back")
         : AE_LITERAL("the rule does not want these events any more; inbox list --state "
                      "abandoned shows them, inbox retry puts one back");
  ae_log_field fields[] = {{"rule", rule}, {"runs", {count, 0}}, {"reason", reason}};
  fields[1].text.length = (size_t)snprintf(count, sizeof count, "%" PRIu64, runs);
  snprintf(name, sizeof name, "%.*s", (int)(rule.length < 255 ? rule.length : 255), rule.data);
  ae_metrics_count(&host->shared.metrics, AE_VERDICTS, name, "abandoned", runs);
  ae_log_fact(AE_WARN, "abandoned", fields, 3);
}

static void on_unreadable (void *context, int64_t sequence) {
  char number[24];
  int length = snprintf(number, sizeof number, "%lld", (long long)sequence);
  ae_log_field fields[] = {
    {"event", {number, length > 0 ? (size_t)length : 0}},
    {"reason", AE_LITERAL("the stored event cannot be read: it waits until it is mended")}};
  (void)context;
  ae_log_fact(AE_ERROR, "inbox", fields, 2);
}

static void on_forced (void *context) {
  ae_host *host = context;
  atomic_store(&host->forced, true);
}

static void on_warn (void *context, const char *sentence) {
  (void)context;
  ae_log_reason(AE_WARN, "inbox", sentence);
}

static void on_dispatched (void *context) {
  ae_host *host = context;
  size_t i;
  for (i = 0; i < host->count; i++) ae_queue_wake(&host->workers[i].queue);
  ae_routes_release(&host->routes);
}

static bool on_passes (void *context, ae_inbox_place place, const ae_work *works) {
  const ae_host *host = context;
  return host->passes(host->passes_context, place, works);
}

ae_code ae_host_open_inbox (ae_host *host, const ae_host_options *options, ae_error *error) {
  ae_inbox_options inbox;
  memset(&inbox, 0, sizeof inbox);
  inbox.path = options->inbox;
  inbox.match = on_match;
  inbox.parse = on_parse;
  inbox.in_force = on_in_force;
  inbox.line = on_line;
  inbox.meaning = on_meaning;
  inbox.at_once = on_at_once;
  inbox.dispatch = on_dispatch;
  inbox.cancel = on_cancel;
  inbox.abandoned = on_abandoned;
  inbox.unreadable = on_unreadable;
  inbox.forced = on_forced;
  inbox.warn = on_warn;
  inbox.dispatched = on_dispatched;
  inbox.context = host;
  inbox.passes = options->passes == NULL ? NULL : on_passes;
  inbox.clock = host->shared.clock;
  inbox.manual = options->manual;
  inbox.key = options->key;
  return ae_inbox_open(&inbox, &host->shared.inbox, error);
}
