/*
** metrics.h: counts verdicts, effects and durations, and writes all numbers of the host
** as the text that Prometheus reads. A counter whose labels are known beforehand is
** created at 0: an alarm cannot see the growth of a counter that begins above 0.
*/
#ifndef ALTINN_EVENTS_HOST_METRICS_H
#define ALTINN_EVENTS_HOST_METRICS_H

#include <pthread.h>

#include "host/breaker.h"
#include "host/webhook.h"

#define AE_BUCKETS 10

typedef enum ae_metric_kind {
  AE_VERDICTS, /* first = rule, second = verdict */
  AE_EFFECTS,  /* first = target, second = outcome */
  AE_SECONDS   /* first = rule; a histogram */
} ae_metric_kind;

typedef struct ae_metric {
  struct ae_metric *next;
  ae_metric_kind kind;
  uint32_t hash;
  uint64_t count, buckets[AE_BUCKETS];
  double sum;
  char *first, *second; /* in the same block */
} ae_metric;

#define AE_METRIC_SLOTS 1024

typedef struct ae_metrics {
  pthread_mutex_t lock;
  ae_metric *slots[AE_METRIC_SLOTS];
  char version[32];
  uint64_t reloads[2]; /* refused, done */
  bool reloaded;       /* whether the last reload was done */
  int64_t loaded;      /* seconds since 1970: when the rules in force were loaded */
} ae_metrics;

/* Begins without counters; the time of the last load of rules is now. */
void ae_metrics_init (ae_metrics *metrics, const char *version);
/* Frees the counters; no function of metrics may be called afterwards. */
void ae_metrics_free (ae_metrics *metrics);
/* Adds 1 to a counter or, with AE_SECONDS, `seconds` to a histogram. Any thread. */
void ae_metrics_add (ae_metrics *metrics, ae_metric_kind kind, const char *first,
                     const char *second, double seconds);
/* Creates a counter at 0 unless it exists. Any thread. */
void ae_metrics_expect (ae_metrics *metrics, ae_metric_kind kind, const char *first,
                        const char *second);
/* Counts a reload of the rules: done, or refused. Any thread. */
void ae_metrics_reload (ae_metrics *metrics, bool done);
/* Adds `count` to a counter. Any thread. */
void ae_metrics_count (ae_metrics *metrics, ae_metric_kind kind, const char *first,
                       const char *second, uint64_t count);
/* The text, malloc'ed; NULL: no memory. The receiver may be NULL. */
char *ae_metrics_text (ae_metrics *metrics, ae_inbox *inbox, const ae_webhook *receiver,
                       ae_breakers *breakers, size_t *length);

#endif
