/*
** http.h: an HTTP server. One thread reads requests and calls its user's
** handlers; a handler answers at once, or holds the exchange until any
** thread answers it. Nothing of the library underneath shows here.
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
** Deadlines. A request has `deadline` seconds from its connection's first
** byte, or on a kept connection from its line, until it is whole; a kept
** connection may then be idle for 75 s. When all connections are taken, those
** that nothing came on are ended first, and requests that are not whole after
** two seconds: the longest waiting first. An exchange that is held is never
** cut.
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
  bool now;         /* from `head`: the body's end is uncertain, it is not read */
} ae_http_reply;

/*
** The handlers, called on the server's thread; NULL where there is nothing to
** do. `whole` and `unread` must answer or hold. A request that `head` has
** answered is not given to them: its body is read and dropped, within
** `discard_bytes`, so that the client gets to the answer.
*/
typedef struct ae_http_handlers {
  void (*head)(ae_exchange *exchange);  /* line and headers are there */
  void (*whole)(ae_exchange *exchange); /* and the body is */
  void (*unread)(ae_exchange *exchange,
                 ae_code why);                /* it cannot be: AE_TOO_LARGE, AE_MEMORY */
  void (*ended)(ae_exchange *exchange);       /* answered, or the connection is lost */
  void (*closed)(void *context, void *state); /* the connection is gone */
  void (*turned)(void *context);              /* after each turn of the thread,
                                                          at least ten times a second */
} ae_http_handlers;

typedef struct ae_http_options {
  const char *name;     /* of the server, in messages: "the receiver" */
  const char *host;     /* "127.0.0.1", "::1", "0.0.0.0" */
  uint16_t port;        /* 0 = any free one */
  size_t max_bytes;     /* of a body */
  size_t discard_bytes; /* of a body that nobody wants: beyond, the connection ends */
  uint32_t connections; /* most at once; fewer where the process may not open so many */
  uint32_t share;       /* of all descriptors of the process: one in so many */
  uint32_t deadline;    /* seconds for a request; 0 = none */
  size_t state_size;    /* bytes of the user's own in each connection, zeroed when it begins */
  ae_http_handlers handlers;
  void *context; /* the user's */
} ae_http_options;

/* Starts the server; it listens when this returns. AE_NETWORK when the
** address cannot be had. */
ae_code ae_http_start (const ae_http_options *options, ae_http **http, ae_error *error);

/* The port that it listens on, the real one when 0 was asked for. */
uint16_t ae_http_port (const ae_http *http);

/* Whether it listens on every address of the machine ("0.0.0.0", "::"). */
bool ae_http_everywhere (const ae_http *http);

/* Requests that were cut at a deadline. Any thread. */
uint64_t ae_http_timeouts (const ae_http *http);

/* Ends it. Waits until whoever holds exchanges has answered them; answers
** under way get a second. NULL is allowed. */
void ae_http_stop (ae_http *http);

/* Of an exchange, while it has not been answered. Texts live until `ended`. */
void *ae_exchange_context (const ae_exchange *exchange);
void *ae_exchange_state (ae_exchange *exchange);
const char *ae_exchange_method (const ae_exchange *exchange);
const char *ae_exchange_version (const ae_exchange *exchange); /* "HTTP/1.1" */
/* Decoded; an encoded NUL stands there as DEL, so that it ends no text. */
const char *ae_exchange_path (const ae_exchange *exchange);
/* Calls `each` for every header, or every parameter, in order of arrival. */
void ae_exchange_each (ae_exchange *exchange, ae_http_kind kind, ae_http_each each,
                       void *context);
/* The header of that name, in any case of letters; NULL: there is none. */
const char *ae_exchange_header (ae_exchange *exchange, const char *name);
/* The body; from `whole` on. */
ae_slice ae_exchange_body (const ae_exchange *exchange);

/* From `whole` only: the exchange waits, and is answered by any one thread. */
void ae_exchange_hold (ae_exchange *exchange);

/*
** Answers; once. AE_INVALID: a header that HTTP cannot carry, AE_STORAGE: the
** file cannot be read, AE_MEMORY: the exchange has then not been answered.
** After AE_OK the exchange is no longer the caller's if it was held.
*/
ae_code ae_exchange_answer (ae_exchange *exchange, const ae_http_reply *reply,
                            ae_error *error);

#endif
