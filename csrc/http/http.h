/*
** http.h: an HTTP server. Its thread reads requests and calls the user's handlers. A
** handler answers at once, or holds the exchange until any thread answers it. This
** header hides the library underneath.
**
** An exchange is a connection and the one request that it carries:
**
**      connection                     kept for the next request
**          |      +----------------------------------------------+
**          v      v                                              |
**        FIRST  IDLE --line--> READING --whole--> ANSWERING -----+
**          |                   ^     |             ^
**          +-------line--------+     +--> HELD ----+  ae_exchange_answer
**
** Deadlines. A request must be whole `deadline` seconds after the beginning of its
** connection or, on a kept connection, after its request line. A kept connection may
** be idle for 75 s. When all connections are taken, connections that wait for a
** request and requests that are not whole after two seconds are ended early, the
** oldest first. A held exchange is never cut.
*/
#ifndef ALTINN_EVENTS_HTTP_HTTP_H
#define ALTINN_EVENTS_HTTP_HTTP_H

#include "core/event.h"

typedef struct ae_http ae_http;
typedef struct ae_exchange ae_exchange;

/* A header, or a parameter of the query, decoded; both texts end with NUL. */
typedef enum ae_http_kind { AE_HTTP_HEADER, AE_HTTP_QUERY } ae_http_kind;
typedef void (*ae_http_each)(void *context, ae_slice name, ae_slice value);

/* The answer; all in it is copied. */
typedef struct ae_http_reply {
  unsigned status;          /* 200 … 599; 0 = no answer: the connection ends */
  const ae_header *headers; /* C strings; Content-Length and Date are added */
  size_t header_count;
  ae_slice body;
  const char *file; /* not NULL: the body is this file's bytes */
  bool repeat;      /* the body again and again, up to `size` bytes */
  uint64_t size;    /* with repeat: bytes in all */
  uint64_t cut;     /* with repeat: the connection ends after so many bytes;
                       0 = it does not */
  bool close;       /* the connection ends after it */
  bool now;         /* from `head`: do not read the body, its end is not known */
} ae_http_reply;

/*
** The handlers, called on the server's thread; `head`, `ended`, `closed` and `turned`
** may be NULL. `whole` must answer or hold, `unread` must answer. Neither is called
** for a request that `head` has answered: its body is read and dropped, up to
** `discard_bytes`, so that the client sees the answer.
*/
typedef struct ae_http_handlers {
  void (*head)(ae_exchange *exchange);  /* line and headers are there */
  void (*whole)(ae_exchange *exchange); /* the body is there too */
  void (*unread)(ae_exchange *exchange,
                 ae_code why);          /* the body cannot be kept: AE_TOO_LARGE, AE_MEMORY */
  void (*ended)(ae_exchange *exchange); /* answered, or the connection is lost */
  void (*closed)(void *context, void *state); /* the connection is gone */
  void (*turned)(void *context);              /* after each turn of the thread,
                                                          at least ten times a second */
} ae_http_handlers;

typedef struct ae_http_options {
  const char *name;     /* of the server, in messages: "the receiver" */
  const char *host;     /* "127.0.0.1", "::1", "0.0.0.0"; NULL: no socket and no thread,
                           requests come by ae_http_carry */
  uint16_t port;        /* 0 = any free one */
  size_t max_bytes;     /* of a body */
  size_t discard_bytes; /* of a dropped body; with more the connection ends */
  uint32_t connections; /* most at once; fewer where the process may not open so many */
  uint32_t share;       /* the server may use one in `share` descriptors of the process */
  uint32_t deadline;    /* seconds for a request; 0 = none */
  size_t state_size;    /* bytes of the user's state of a connection; zero at first */
  ae_http_handlers handlers;
  void *context; /* the user's */
} ae_http_options;

/* Starts the server; it listens when this returns. AE_NETWORK when the
** address cannot be had. */
ae_code ae_http_start (const ae_http_options *options, ae_http **http, ae_error *error);

/* A request from within the process. It lives until it is answered. */
typedef struct ae_http_request {
  const char *method, *path; /* decoded, as ae_exchange_path gives it */
  const ae_header *headers;  /* C strings */
  size_t header_count;
  ae_slice body;
  void (*answered)(void *context, const ae_http_reply *reply);
  void *context;
} ae_http_request;

/* Carries a request through the handlers of a server without a socket. `answered` is called
** before this returns or, when a handler holds the exchange, on the thread of the one who
** answers it. False: no memory. */
bool ae_http_carry (ae_http *http, const ae_http_request *request);

/* The port that it listens on, the real one when 0 was asked for. */
uint16_t ae_http_port (const ae_http *http);

/* Whether it listens on every address of the machine ("0.0.0.0", "::"). */
bool ae_http_everywhere (const ae_http *http);

/* Requests that were cut at a deadline. Any thread. */
uint64_t ae_http_timeouts (const ae_http *http);

/* Stops the server. Waits until all held exchanges have been answered; answers that are
** being sent get a second. NULL is allowed. */
void ae_http_stop (ae_http *http);

/* The parts of an exchange, to be read until it is answered. Texts live until `ended`. */
void *ae_exchange_context (const ae_exchange *exchange);
void *ae_exchange_state (ae_exchange *exchange);
const char *ae_exchange_method (const ae_exchange *exchange);
const char *ae_exchange_version (const ae_exchange *exchange); /* "HTTP/1.1" */
/* The decoded path. An encoded NUL is decoded to DEL: a NUL would end the text. */
const char *ae_exchange_path (const ae_exchange *exchange);
/* Calls `each` for every header, or every parameter of the query, in order of arrival. */
void ae_exchange_each (ae_exchange *exchange, ae_http_kind kind, ae_http_each each,
                       void *context);
/* The header of that name, in any case of letters; NULL: there is none. */
const char *ae_exchange_header (ae_exchange *exchange, const char *name);
/* The body; from `whole` on. */
ae_slice ae_exchange_body (const ae_exchange *exchange);

/* From `whole` only: the exchange waits, and is answered by any one thread. */
void ae_exchange_hold (ae_exchange *exchange);

/*
** Answers the exchange, once. AE_INVALID: a header that HTTP cannot carry; AE_STORAGE:
** the file cannot be read; AE_MEMORY. After an error the exchange has not been
** answered. After AE_OK an exchange that was held is no longer the caller's.
*/
ae_code ae_exchange_answer (ae_exchange *exchange, const ae_http_reply *reply,
                            ae_error *error);

#endif
