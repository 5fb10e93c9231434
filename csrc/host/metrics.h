/*
** metrics.h: the counters of the workers, and all numbers of the host as the
** text that Prometheus reads. A counter whose labels are known beforehand
** stands there from 0 on: an alarm can only see it grow from there.
*/
#ifndef ALTINN_EVENTS_HOST_METRICS_H
#define ALTINN_EVENTS_HOST_METRICS_H

#include <pthread.h>

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
  bool reloaded;       /* the last one was done */
  int64_t loaded;      /* seconds since 1970: the rules in force are from then */
} ae_metrics;

/* Begins with all counters absent; the rules are loaded now. */
void ae_metrics_init (ae_metrics *metrics, const char *version);
/* Frees the counters; nobody may count any more. */
void ae_metrics_free (ae_metrics *metrics);
/* Any thread. `seconds` counts for AE_SECONDS only. */
void ae_metrics_add (ae_metrics *metrics, ae_metric_kind kind, const char *first,
                     const char *second, double seconds);
/* Any thread. The counter exists, from 0 on. */
void ae_metrics_expect (ae_metrics *metrics, ae_metric_kind kind, const char *first,
                        const char *second);
/* Any thread. Rules were to be loaded anew: done, or refused. */
void ae_metrics_reload (ae_metrics *metrics, bool done);
/* Any thread. Adds many at once to a counter. */
void ae_metrics_count (ae_metrics *metrics, ae_metric_kind kind, const char *first,
                       const char *second, uint64_t count);
/* The text, malloc'ed; NULL: no memory. The receiver may be NULL. */
char *ae_metrics_text (ae_metrics *metrics, ae_inbox *inbox, const ae_webhook *receiver,
                       size_t *length);

#endif
