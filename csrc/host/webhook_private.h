/*
** webhook_private.h: shared by the files of the receiver: webhook.c (the path of a
** request), webhook_head.c (may this request bring events?), webhook_body.c (its
** events, as works for the inbox), webhook_reply.c (answers), webhook_log.c (lines of
** the log).
*/
#ifndef ALTINN_EVENTS_HOST_WEBHOOK_PRIVATE_H
#define ALTINN_EVENTS_HOST_WEBHOOK_PRIVATE_H

#include <stdatomic.h>

#include "core/event.h"
#include "host/throttle.h"
#include "host/webhook.h"
#include "http/http.h"

#define AE_HEADER_BYTES (16u * 1024u)
#define AE_NAME_BYTES 128u

/* The decision about a request. */
typedef enum ae_fate {
  AE_FATE_OPEN,      /* not decided yet */
  AE_FATE_ACCEPTED,  /* 200: its events are durable */
  AE_FATE_HANDSHAKE, /* 200: OPTIONS of the CloudEvents webhook specification */
  AE_FATE_REFUSED    /* with `status` and `error` */
} ae_fate;

/* The lines of the log for requests that were not refused. */
#define AE_NOTICES(X) \
  X(AE_NOTICE_HANDSHAKE, "handshake") \
  X(AE_NOTICE_VALIDATION, "validation") \
  X(AE_NOTICE_DUPLICATE, "duplicate") \
  X(AE_NOTICE_UNMATCHED, "unmatched") \
  X(AE_NOTICE_BATCH, "batch") \
  X(AE_NOTICE_LOST, "lost")

#define AE_NOTICE_ENUM(notice, message) notice,
typedef enum ae_notice { AE_NOTICES(AE_NOTICE_ENUM) AE_NOTICE_COUNT } ae_notice;
#undef AE_NOTICE_ENUM

typedef struct ae_buffer {
  char *data;
  size_t length, capacity;
} ae_buffer;

/* The state of a connection: its present request. It belongs to the server's thread
** or, while the inbox has the request, to the inbox's writer thread. */
typedef struct ae_delivery {
  ae_webhook *hook;
  ae_exchange *exchange;
  ae_fate fate;
  unsigned status; /* of a refusal */
  bool uncertain;  /* a refusal after which the end of the message is not known */
  ae_error error;
  ae_faults faults;
  ae_mode mode;
  ae_event event;    /* the event (not of a batch); its texts are in `text` */
  uint32_t index;    /* 1-based element of a batch, 0 = none */
  ae_buffer text;    /* the copy that is parsed; spans point here */
  ae_buffer encoded; /* binary mode: as structured JSON */
  ae_buffer name;    /* of the subscription */
  ae_header *headers;
  size_t header_count, header_capacity;
  ae_attribute *attributes;
  size_t attribute_capacity;
  ae_work *works;
  size_t work_count, work_capacity;
} ae_delivery;

struct ae_webhook {
  ae_http *http;
  ae_slice *secrets; /* own copies */
  size_t secret_count;
  size_t max_bytes;
  ae_inbox *inbox;
  ae_clock *clock;
  atomic_bool draining;
  bool queued; /* works are queued and the inbox is not woken yet; the server thread's,
                  as are the next two */
  ae_throttle refusals[AE_CODE_COUNT], notices[AE_NOTICE_COUNT];
  _Atomic int64_t last; /* ms since 1970: the last request answered with 200; 0 = none */
  _Atomic uint64_t received, answered_2xx;
  _Atomic uint64_t refused[AE_CODE_COUNT];
};

/* webhook_head.c: judges the request line and the headers; leaves the fate open, or
** decides it. */
void ae_head_judge (ae_delivery *d);

/* webhook_body.c */

/* Makes room in a buffer. False: no memory. */
bool ae_buffer_reserve (ae_buffer *buffer, size_t capacity);
/* Frees the memory that only large requests need. */
void ae_body_shrink (ae_delivery *d);
/* Frees all memory. */
void ae_body_free (ae_delivery *d);
/* Reads and judges the events. The fate stays open, with works that are ready for the
** inbox, or becomes refused. */
void ae_body_judge (ae_delivery *d);

/* webhook_log.c */

/* Logs a request that has ended, unless its runs log it. */
void ae_webhook_log (ae_delivery *d);
/* Logs how many lines the throttles held back; `end`: also those of this second. */
void ae_webhook_log_more (ae_webhook *hook, bool end);

/* webhook_reply.c */

/* Decides the fate: refused, and counts the code. `message` NULL: d->error and d->faults
** have the reason already. */
void ae_refuse (ae_delivery *d, unsigned status, ae_code code, const char *message);
/* Refuses because there is no memory: 503. */
void ae_refuse_memory (ae_delivery *d);
/* Refuses because the host stops: 503. */
void ae_refuse_draining (ae_delivery *d);
/* Sends the answer for the fate, which must be decided. After that a request that was
** held is no longer the caller's. */
void ae_reply (ae_delivery *d);

#endif
