/*
** server.h: an HTTP server for a caller with a loop of its own. Each whole request is
** held and queued; the caller takes it, and replies to it by number at any time. All
** functions are for one thread, the caller's.
*/
#ifndef ALTINN_EVENTS_HTTP_SERVER_H
#define ALTINN_EVENTS_HTTP_SERVER_H

#include "http/http.h"

typedef struct ae_server ae_server;

typedef struct ae_server_options {
  const char *host;     /* "127.0.0.1", "::1", "0.0.0.0" */
  uint16_t port;        /* 0 = any free one */
  size_t max_bytes;     /* of a request's body; 0 = 8 MiB */
  uint32_t connections; /* most at once; 0 = 1024 */
  bool signals;         /* take SIGTERM, SIGINT, SIGHUP of the process */
} ae_server_options;

/* A header, or a parameter of the query, decoded. */
typedef struct ae_server_field {
  ae_http_kind kind;
  ae_slice name, value;
} ae_server_field;

/* A whole request. It lives until the reply. */
typedef struct ae_server_request {
  uint64_t id;
  const char *method, *path, *version; /* "GET", decoded path, "HTTP/1.1" */
  const ae_server_field *fields;       /* in order of arrival */
  size_t field_count;
  ae_slice body;
} ae_server_request;

/* Starts the server on a thread of its own; it listens when this returns.
** AE_NETWORK when the address cannot be had. */
ae_code ae_server_start (const ae_server_options *options, ae_server **server,
                         ae_error *error);

/* The port that it listens on, the real one when 0 was asked for. */
uint16_t ae_server_port (const ae_server *server);

/* A descriptor that is readable while requests wait or a signal came. */
int ae_server_descriptor (const ae_server *server);

/* The oldest request that waits, without taking it; NULL: none. */
const ae_server_request *ae_server_peek (ae_server *server);
/* Takes the request that ae_server_peek returned: from now on only a reply ends it. */
void ae_server_take (ae_server *server);

/* Waits up to so many seconds for a request or a signal. */
void ae_server_wait (ae_server *server, double seconds);

/* The number of the last signal that came since the last call, or 0. */
int ae_server_signal (ae_server *server);

/* Answers the request with this number. AE_NOT_FOUND: no request of this number was
** taken and waits for its reply. The other errors are those of ae_exchange_answer. */
ae_code ae_server_reply (ae_server *server, uint64_t id, const ae_http_reply *reply,
                         ae_error *error);

/* Stops the server. Answers that are being sent get a second; waiting requests end
** without an answer. */
void ae_server_stop (ae_server *server);

#endif
