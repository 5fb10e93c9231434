/*
** webhook_log.c: the receiver's lines of the log. An event that a rule wants is logged
** by its runs. Every other request is logged here: a refusal as a warning, any other
** as information. No line holds a secret; names and values of events are masked.
*/
#include <stdio.h>

#include "core/catalogue.h"
#include "host/log.h"
#include "host/webhook_private.h"

#define WARNINGS 5u /* lines a second, of each code */
#define FACTS 20u   /* lines a second, of each message */

/* Messages of lines that are no refusals. */
static const char *const messages[] = {
#define NAME(kind, message) message,
  AE_NOTICES(NAME)
#undef NAME
};

static ae_slice as_slice (const char *text) {
  return (ae_slice){text, strlen(text)};
}

static ae_slice number (char out[24], uint64_t value) {
  int length = snprintf(out, 24, "%llu", (unsigned long long)value);
  return (ae_slice){out, length > 0 ? (size_t)length : 0};
}

static ae_slice name_of (const ae_delivery *d) {
  if (d->name.length == 0) return (ae_slice){NULL, 0};
  return (ae_slice){d->name.data, d->name.length};
}

static void log_refusal (ae_delivery *d) {
  char status[24];
  bool fault = d->error.code == AE_INVALID || d->error.code == AE_NOT_CLOUDEVENT;
  ae_log_field fields[] = {{"code", as_slice(ae_code_name(d->error.code))},
                           {"status", number(status, d->status)},
                           {"subscription", name_of(d)},
                           {"attribute", {NULL, 0}},
                           {"reason", as_slice(d->error.message)}};
  if (!ae_throttle_allows(&d->hook->refusals[d->error.code], WARNINGS, d->hook->clock)) return;
  if (fault && d->faults.count > 0) fields[3].text = as_slice(d->faults.list[0].attribute);
  ae_log_fact(AE_WARN, "refused", fields, sizeof fields / sizeof fields[0]);
}

static void log_event (ae_delivery *d, ae_notice notice) {
  char sequence[24];
  ae_log_field fields[] = {{"event", {NULL, 0}},
                           {"subscription", name_of(d)},
                           {"type", ae_event_text(&d->event, AE_TYPE)},
                           {"id", ae_event_text(&d->event, AE_ID)}};
  if (!ae_throttle_allows(&d->hook->notices[notice], FACTS, d->hook->clock)) return;
  if (d->works[0].result == AE_WORK_DONE && d->works[0].sequence > 0)
    fields[0].text = number(sequence, (uint64_t)d->works[0].sequence);
  ae_log_fact(AE_INFO, messages[notice], fields, sizeof fields / sizeof fields[0]);
}

static uint64_t duplicates_of (const ae_delivery *d) {
  uint64_t count = 0;
  for (size_t i = 0; i < d->work_count; i++) count += d->works[i].result == AE_WORK_DUPLICATE;
  return count;
}

static uint64_t unmatched_of (const ae_delivery *d) {
  uint64_t count = 0;
  for (size_t i = 0; i < d->work_count; i++)
    count += d->works[i].result == AE_WORK_DONE && d->works[i].wanted == 0;
  return count;
}

/* Logs a batch, unless all of its events have runs, which are logged then. */
static void log_batch (ae_delivery *d) {
  char events[24], known[24], unwanted[24];
  uint64_t duplicates = duplicates_of(d), unmatched = unmatched_of(d);
  ae_log_field fields[] = {{"events", number(events, d->work_count)},
                           {"duplicates", number(known, duplicates)},
                           {"unmatched", number(unwanted, unmatched)},
                           {"subscription", name_of(d)}};
  if (d->work_count > 0 && duplicates + unmatched == 0) return;
  if (ae_throttle_allows(&d->hook->notices[AE_NOTICE_BATCH], FACTS, d->hook->clock))
    ae_log_fact(AE_INFO, messages[AE_NOTICE_BATCH], fields, sizeof fields / sizeof fields[0]);
}

static bool is_validation (const ae_delivery *d) {
  ae_meaning meaning;
  ae_describe(&d->event, &meaning);
  return meaning.validation;
}

static void log_accepted (ae_delivery *d) {
  if (d->hook->inbox == NULL) return;
  if (d->mode == AE_BATCH) log_batch(d);
  else if (is_validation(d)) log_event(d, AE_NOTICE_VALIDATION);
  else if (d->works[0].result == AE_WORK_DUPLICATE) log_event(d, AE_NOTICE_DUPLICATE);
  else if (d->works[0].wanted == 0) log_event(d, AE_NOTICE_UNMATCHED);
}

static void log_handshake (ae_delivery *d) {
  ae_log_field fields[] = {{"subscription", name_of(d)},
                           {"reason", AE_LITERAL("a sender asks whether it may send events")}};
  if (ae_throttle_allows(&d->hook->notices[AE_NOTICE_HANDSHAKE], FACTS, d->hook->clock))
    ae_log_fact(AE_INFO, messages[AE_NOTICE_HANDSHAKE], fields,
                sizeof fields / sizeof fields[0]);
}

static void log_lost (ae_delivery *d) {
  ae_log_field fields[] = {
    {"subscription", name_of(d)},
    {"reason", AE_LITERAL("the connection ended before the request was whole")}};
  if (ae_throttle_allows(&d->hook->notices[AE_NOTICE_LOST], WARNINGS, d->hook->clock))
    ae_log_fact(AE_WARN, messages[AE_NOTICE_LOST], fields, sizeof fields / sizeof fields[0]);
}

void ae_webhook_log (ae_delivery *d) {
  switch (d->fate) {
    case AE_FATE_OPEN: log_lost(d); break;
    case AE_FATE_ACCEPTED: log_accepted(d); break;
    case AE_FATE_HANDSHAKE: log_handshake(d); break;
    case AE_FATE_REFUSED: log_refusal(d); break;
  }
}

static void log_more (ae_level level, const char *message, const char *code, uint64_t count) {
  char reason[40];
  ae_log_field fields[] = {{"code", {NULL, 0}}, {"reason", {reason, 0}}};
  int length = snprintf(reason, sizeof reason, "and %llu more", (unsigned long long)count);
  if (code != NULL) fields[0].text = as_slice(code);
  if (length > 0) fields[1].text.length = (size_t)length;
  ae_log_fact(level, message, fields, 2);
}

void ae_webhook_log_more (ae_webhook *hook, bool end) {
  uint64_t more;
  for (int code = 0; code < AE_CODE_COUNT; code++)
    if ((more = ae_throttle_told(&hook->refusals[code], end, hook->clock)) > 0)
      log_more(AE_WARN, "refused", ae_code_name((ae_code)code), more);
  for (int notice = 0; notice < AE_NOTICE_COUNT; notice++)
    if ((more = ae_throttle_told(&hook->notices[notice], end, hook->clock)) > 0)
      log_more(notice == AE_NOTICE_LOST ? AE_WARN : AE_INFO, messages[notice], NULL, more);
}
