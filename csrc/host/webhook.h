/*
** webhook.h: the receiver: judges what is posted to /events, hands it to the
** inbox, and answers 2xx only after the commit.
*/
#ifndef ALTINN_EVENTS_HOST_WEBHOOK_H
#define ALTINN_EVENTS_HOST_WEBHOOK_H

#include "http/http.h"
#include "inbox/inbox.h"

typedef struct ae_webhook ae_webhook;

/* The highest max_bytes: what the inbox can hold, also after base64. */
#define AE_MOST_BYTES (1 << 28)

typedef struct ae_webhook_options {
  const char *host;        /* "127.0.0.1", "::1", "0.0.0.0"; NULL: no socket, requests
                              come by ae_webhook_carry */
  uint16_t port;           /* 0 = any free one */
  const ae_slice *secrets; /* accepted secrets; none: /events and
                              /events/{anything} are open */
  size_t secret_count;
  size_t max_bytes;          /* of a body, at most AE_MOST_BYTES; 0 = 256 KiB */
  uint32_t connection_limit; /* 0 = 4096 */
  uint32_t deadline;         /* seconds for a whole request; 0 = 30 */
  ae_inbox *inbox;           /* NULL: judge only, store nothing (bench) */
  ae_clock *clock;           /* NULL: the system's clocks */
} ae_webhook_options;

/* Starts the server on a thread of its own; it answers when this returns.
** AE_NETWORK when the address cannot be had. */
ae_code ae_webhook_start (const ae_webhook_options *options, ae_webhook **hook,
                          ae_error *error);

/* The port that it listens on, the real one when 0 was asked for. */
uint16_t ae_webhook_port (const ae_webhook *hook);

/* Takes a request from within the process, where the receiver has no socket: see
** ae_http_carry. */
bool ae_webhook_carry (ae_webhook *hook, const ae_http_request *request);

/* From now on a request that brings events gets 503 with Retry-After (shutting down).
** Any thread. */
void ae_webhook_drain (ae_webhook *hook);

/* Drains, waits until the inbox has answered for all events that it has, and stops the
** server. The inbox must still be open. */
void ae_webhook_stop (ae_webhook *hook);

typedef struct ae_webhook_counts {
  uint64_t received, answered_2xx;
  uint64_t refused[AE_CODE_COUNT]; /* by code */
  uint64_t timeouts;               /* requests cut at the deadline */
  int64_t last; /* ms since 1970: when events were last accepted; 0 = never */
} ae_webhook_counts;

/* Reads the counts as they are now. Any thread. */
void ae_webhook_counts_read (const ae_webhook *hook, ae_webhook_counts *counts);

#endif
