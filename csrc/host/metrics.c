/*
** metrics.c: see metrics.h. Text format 0.0.4 of Prometheus.
*/
#include "host/metrics.h"

#include "host/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const double bounds[AE_BUCKETS] = {0.0001, 0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60};

void ae_metrics_init (ae_metrics *metrics, const char *version) {
  memset(metrics, 0, sizeof *metrics);
  snprintf(metrics->version, sizeof metrics->version, "%s", version);
  metrics->reloaded = true;
  metrics->loaded = (int64_t)time(NULL);
  pthread_mutex_init(&metrics->lock, NULL);
}

void ae_metrics_free (ae_metrics *metrics) {
  size_t i;
  for (i = 0; i < AE_METRIC_SLOTS; i++) {
    while (metrics->slots[i] != NULL) {
      ae_metric *metric = metrics->slots[i];
      metrics->slots[i] = metric->next;
      free(metric);
    }
  }
  pthread_mutex_destroy(&metrics->lock);
}

static uint32_t hash_text (uint32_t hash, const char *text) {
  for (; *text != '\0'; text++) hash = (hash ^ (uint8_t)*text) * 16777619u;
  return (hash ^ 0xffu) * 16777619u;
}

static ae_metric *metric_new (ae_metric_kind kind, uint32_t hash, const char *first,
                              const char *second) {
  size_t a = strlen(first) + 1, b = strlen(second) + 1;
  ae_metric *metric = calloc(1, sizeof *metric + a + b);
  if (metric == NULL) return NULL;
  metric->kind = kind;
  metric->hash = hash;
  metric->first = (char *)(metric + 1);
  metric->second = metric->first + a;
  memcpy(metric->first, first, a);
  memcpy(metric->second, second, b);
  return metric;
}

/* With the lock held. */
static ae_metric *find (ae_metrics *metrics, ae_metric_kind kind, const char *first,
                        const char *second) {
  uint32_t hash = hash_text(hash_text(2166136261u + (uint32_t)kind, first), second);
  ae_metric **slot = &metrics->slots[hash % AE_METRIC_SLOTS], *metric;
  for (metric = *slot; metric != NULL; metric = metric->next)
    if (metric->hash == hash && metric->kind == kind && strcmp(metric->first, first) == 0 &&
        strcmp(metric->second, second) == 0)
      return metric;
  metric = metric_new(kind, hash, first, second);
  if (metric == NULL) return NULL;
  metric->next = *slot;
  *slot = metric;
  return metric;
}

void ae_metrics_add (ae_metrics *metrics, ae_metric_kind kind, const char *first,
                     const char *second, double seconds) {
  ae_metric *metric;
  size_t i;
  pthread_mutex_lock(&metrics->lock);
  metric = find(metrics, kind, first, second);
  if (metric != NULL) {
    metric->count++;
    metric->sum += seconds;
    for (i = 0; kind == AE_SECONDS && i < AE_BUCKETS; i++)
      if (seconds <= bounds[i]) metric->buckets[i]++;
  }
  pthread_mutex_unlock(&metrics->lock);
}

void ae_metrics_expect (ae_metrics *metrics, ae_metric_kind kind, const char *first,
                        const char *second) {
  pthread_mutex_lock(&metrics->lock);
  (void)find(metrics, kind, first, second);
  pthread_mutex_unlock(&metrics->lock);
}

void ae_metrics_reload (ae_metrics *metrics, bool done) {
  pthread_mutex_lock(&metrics->lock);
  metrics->reloads[done]++;
  metrics->reloaded = done;
  if (done) metrics->loaded = (int64_t)time(NULL);
  pthread_mutex_unlock(&metrics->lock);
}

void ae_metrics_count (ae_metrics *metrics, ae_metric_kind kind, const char *first,
                       const char *second, uint64_t count) {
  ae_metric *metric;
  pthread_mutex_lock(&metrics->lock);
  metric = find(metrics, kind, first, second);
  if (metric != NULL) metric->count += count;
  pthread_mutex_unlock(&metrics->lock);
}

/* Writes a label; escapes backslash, quote and line feed in its value. */
static void label (FILE *out, const char *name, const char *text) {
  fprintf(out, "%s=\"", name);
  for (; *text != '\0'; text++) {
    if (*text == '\n') fputs("\\n", out);
    else if (*text == '"' || *text == '\\') fprintf(out, "\\%c", *text);
    else fputc(*text, out);
  }
  fputc('"', out);
}

static void head (FILE *out, const char *name, const char *type, const char *help) {
  fprintf(out, "# HELP altinn_events_%s %s\n# TYPE altinn_events_%s %s\n", name, help, name,
          type);
}

static void plain (FILE *out, const char *name, const char *type, const char *help,
                   uint64_t value) {
  head(out, name, type, help);
  fprintf(out, "altinn_events_%s %" PRIu64 "\n", name, value);
}

static void write_pairs (FILE *out, const ae_metrics *metrics, ae_metric_kind kind,
                         const char *name, const char *first, const char *second) {
  size_t i;
  const ae_metric *metric;
  for (i = 0; i < AE_METRIC_SLOTS; i++) {
    for (metric = metrics->slots[i]; metric != NULL; metric = metric->next) {
      if (metric->kind != kind) continue;
      fprintf(out, "altinn_events_%s{", name);
      label(out, first, metric->first);
      fputc(',', out);
      label(out, second, metric->second);
      fprintf(out, "} %" PRIu64 "\n", metric->count);
    }
  }
}

static void write_histogram (FILE *out, const ae_metric *metric) {
  size_t i;
  for (i = 0; i < AE_BUCKETS; i++) {
    fputs("altinn_events_run_seconds_bucket{", out);
    label(out, "rule", metric->first);
    fprintf(out, ",le=\"%g\"} %" PRIu64 "\n", bounds[i], metric->buckets[i]);
  }
  fputs("altinn_events_run_seconds_bucket{", out);
  label(out, "rule", metric->first);
  fprintf(out, ",le=\"+Inf\"} %" PRIu64 "\naltinn_events_run_seconds_sum{", metric->count);
  label(out, "rule", metric->first);
  fprintf(out, "} %.9g\naltinn_events_run_seconds_count{", metric->sum);
  label(out, "rule", metric->first);
  fprintf(out, "} %" PRIu64 "\n", metric->count);
}

static void write_seconds (FILE *out, const ae_metrics *metrics) {
  size_t i;
  const ae_metric *metric;
  head(out, "run_seconds", "histogram", "Time from the start of a run to its verdict");
  for (i = 0; i < AE_METRIC_SLOTS; i++)
    for (metric = metrics->slots[i]; metric != NULL; metric = metric->next)
      if (metric->kind == AE_SECONDS) write_histogram(out, metric);
}

/* With the lock held. */
static void write_program (FILE *out, const ae_metrics *metrics) {
  head(out, "build_info", "gauge", "1; the label says which program it is");
  fputs("altinn_events_build_info{", out);
  label(out, "version", metrics->version);
  fputs("} 1\n", out);
  head(out, "reloads_total", "counter", "Times that rules were to be loaded anew");
  fprintf(out, "altinn_events_reloads_total{result=\"done\"} %" PRIu64 "\n",
          metrics->reloads[true]);
  fprintf(out, "altinn_events_reloads_total{result=\"refused\"} %" PRIu64 "\n",
          metrics->reloads[false]);
  plain(out, "reload_successful", "gauge", "1 unless the last reload was refused",
        metrics->reloaded);
  plain(out, "reload_timestamp_seconds", "gauge", "When the rules in force were loaded",
        (uint64_t)metrics->loaded);
}

static void write_workers (FILE *out, ae_metrics *metrics) {
  pthread_mutex_lock(&metrics->lock);
  head(out, "verdicts_total", "counter", "Verdicts of rules");
  write_pairs(out, metrics, AE_VERDICTS, "verdicts_total", "rule", "verdict");
  head(out, "effects_total", "counter", "Effects sent to targets");
  write_pairs(out, metrics, AE_EFFECTS, "effects_total", "target", "outcome");
  write_seconds(out, metrics);
  write_program(out, metrics);
  pthread_mutex_unlock(&metrics->lock);
}

static void write_receiver (FILE *out, const ae_webhook *receiver) {
  ae_webhook_counts counts;
  int code;
  memset(&counts, 0, sizeof counts);
  if (receiver != NULL) ae_webhook_counts_read(receiver, &counts);
  plain(out, "received_total", "counter", "Requests that brought events", counts.received);
  plain(out, "answered_total", "counter", "Requests answered with 2xx", counts.answered_2xx);
  plain(out, "timeouts_total", "counter", "Requests cut at the deadline", counts.timeouts);
  head(out, "last_event_timestamp_seconds", "gauge",
       "When events were last accepted; 0: not since the start");
  fprintf(out, "altinn_events_last_event_timestamp_seconds %.3f\n", (double)counts.last / 1e3);
  head(out, "refused_total", "counter", "Requests refused, by code");
  for (code = AE_OK + 1; code < AE_CODE_COUNT; code++)
    fprintf(out, "altinn_events_refused_total{code=\"%s\"} %" PRIu64 "\n",
            ae_code_name((ae_code)code), counts.refused[code]);
}

/* Seconds since `ms` (ms since 1970); 0 when `ms` is 0: there is no such time. */
static double age_of (int64_t ms) {
  struct timespec t;
  double age;
  if (ms == 0) return 0;
  clock_gettime(CLOCK_REALTIME, &t);
  age = (double)t.tv_sec + (double)t.tv_nsec / 1e9 - (double)ms / 1e3;
  return age > 0 ? age : 0;
}

static void write_inbox (FILE *out, ae_inbox *inbox) {
  ae_inbox_counts counts;
  ae_inbox_counts_read(inbox, &counts);
  plain(out, "stored_total", "counter", "Events stored", counts.stored);
  plain(out, "duplicates_total", "counter", "Events known before", counts.duplicates);
  plain(out, "storage_failures_total", "counter", "Works not stored", counts.failed);
  plain(out, "commits_total", "counter", "Transactions committed", counts.groups);
  plain(out, "unmatched_total", "counter", "Events that no rule wanted", counts.unmatched);
  plain(out, "waiting", "gauge",
        "Events with a run that is not over, also those that wait as a rule wished",
        counts.waiting);
  head(
    out, "oldest_waiting_seconds", "gauge",
    "Age of the first event with a run that is due or tried again, not of one that waits as "
    "its rule wished");
  fprintf(out, "altinn_events_oldest_waiting_seconds %.3f\n", age_of(counts.oldest));
  plain(out, "dead", "gauge", "Dead letters", counts.dead);
}

static void write_breaker (void *context, const ae_breaker *breaker) {
  FILE *out = context;
  fputs("altinn_events_breaker_open{", out);
  label(out, "target", breaker->target);
  fprintf(out, "} %d\n", breaker->pause != 0);
}

static void write_breakers (FILE *out, ae_breakers *breakers) {
  head(out, "breaker_open", "gauge",
       "1 while a target that failed several times is tried now and then only");
  ae_breakers_each(breakers, write_breaker, out);
}

char *ae_metrics_text (ae_metrics *metrics, ae_inbox *inbox, const ae_webhook *receiver,
                       ae_breakers *breakers, size_t *length) {
  char *text = NULL;
  FILE *out = open_memstream(&text, length);
  if (out == NULL) return NULL;
  write_receiver(out, receiver);
  if (inbox != NULL) write_inbox(out, inbox);
  write_workers(out, metrics);
  write_breakers(out, breakers);
  plain(out, "log_dropped_total", "counter", "Lines that the log could not take or write",
        ae_log_dropped());
  if (fclose(out) != 0) {
    free(text);
    return NULL;
  }
  return text;
}
