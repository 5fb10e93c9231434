/*
** receiver.h: the webhook's HTTP server (libmicrohttpd). Judges, hands to
** the inbox, and answers 2xx only after the commit.
*/
#ifndef ALTINN_EVENTS_RECEIVER_H
#define ALTINN_EVENTS_RECEIVER_H

#include "inbox/inbox.h"

typedef struct ae_receiver ae_receiver;

/* The highest max_bytes: what the inbox can hold, also after base64. */
#define AE_MOST_BYTES (1 << 28)

typedef struct ae_receiver_options {
  const char *host;        /* "127.0.0.1", "::1", "0.0.0.0" */
  uint16_t port;           /* 0 = any free one */
  const ae_slice *secrets; /* accepted secrets; none: /events and
                                   /events/{anything} are open */
  size_t secret_count;
  size_t max_bytes;          /* of a body, at most AE_MOST_BYTES;
                                   0 = 256 KiB */
  uint32_t connection_limit; /* 0 = 4096 */
  uint32_t deadline;         /* seconds for a whole request; 0 = 30 */
  ae_inbox *inbox;           /* NULL: judge only, store nothing (bench) */
} ae_receiver_options;

/* Starts the server on a thread of its own; it answers when this returns.
** AE_NETWORK when the address cannot be had. */
ae_code ae_receiver_start (const ae_receiver_options *options, ae_receiver **receiver,
                           ae_error *error);

/* The port that it listens on, the real one when 0 was asked for. */
uint16_t ae_receiver_port (const ae_receiver *receiver);

/* From now on every request gets 503 with Retry-After (shutting down). */
void ae_receiver_drain (ae_receiver *receiver);

/* Waits for suspended requests, then stops. */
void ae_receiver_stop (ae_receiver *receiver);

typedef struct ae_receiver_counts {
  uint64_t received, answered_2xx;
  uint64_t refused[AE_CODE_COUNT]; /* by code */
  uint64_t timeouts;               /* requests cut at the deadline */
} ae_receiver_counts;

/* Reads the counts as they are now. Any thread. */
void ae_receiver_counts_read (const ae_receiver *receiver, ae_receiver_counts *counts);

/*
** The admin port: GET /healthz, /readyz, /metrics. `render` writes the body
** of /metrics or the state of readiness as text into `out` and returns the
** HTTP status; it is called on the admin thread.
*/
typedef struct ae_admin ae_admin;
typedef unsigned (*ae_admin_render)(void *context, const char *path, char **body,
                                    size_t *length); /* malloc'ed */
ae_code ae_admin_start (const char *host, uint16_t port, ae_admin_render render, void *context,
                        ae_admin **admin, ae_error *error);
uint16_t ae_admin_port (const ae_admin *admin);
void ae_admin_stop (ae_admin *admin);

#endif
