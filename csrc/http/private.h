/*
** private.h: shared by the files of the HTTP server: http.c (requests and answers),
** reply.c (responses of libmicrohttpd), loop.c (the thread, the connections and their
** deadlines).
*/
#ifndef ALTINN_EVENTS_HTTP_PRIVATE_H
#define ALTINN_EVENTS_HTTP_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "http/libraries.h"

#include <microhttpd.h>

#include "http/http.h"

#define AE_KEEP_ALIVE_SECONDS 75u

/* The state of an exchange; only the server's thread changes it. */
typedef enum ae_state {
  AE_FIRST,    /* nothing came on the connection, or a part of the first head */
  AE_IDLE,     /* between two requests */
  AE_LINE,     /* the request line has come */
  AE_READING,  /* the headers have come; the body is being read */
  AE_DROPPING, /* answered before the end of the body, whose rest is read first */
  AE_HELD,     /* suspended until somebody answers */
  AE_ANSWERING /* libmicrohttpd has the answer */
} ae_state;

struct ae_exchange {
  ae_http *http;
  struct MHD_Connection *connection;
  const ae_http_request *request; /* of a server without a socket; NULL: of a connection */
  ae_exchange *older, *newer;     /* connections by `since` */
  int descriptor;
  ae_state state;
  int64_t since; /* ms, monotonic: when the state, or the request, began */
  bool cut;      /* the connection was shut down */

  /* The request. */
  const char *method, *path, *version;
  char *body;
  size_t length, capacity, dropped;

  /* The answer; while the exchange is held, its holder sets it. */
  bool answered, now;
  unsigned status;
  struct MHD_Response *response; /* NULL: none, the connection ends */

  _Alignas(max_align_t) char user[]; /* state_size bytes */
};

struct ae_http {
  ae_http_options options;
  struct MHD_Daemon *daemon;
  struct MHD_Response *empty; /* without headers and body */
  uint16_t port;
  bool everywhere;
  uint32_t capacity; /* connections */
  atomic_bool running;
  atomic_long held;
  int wake;          /* eventfd: exchanges were resumed */
  atomic_bool woken; /* `wake` has been written to */
  pthread_t thread;
  bool started;
  ae_exchange *oldest, *newest; /* the thread's, as are the next three */
  size_t count, peak;           /* connections; their maximum since memory was given back */
  bool rushed;                  /* memory of a rush is still to be given back */
  int64_t swept;                /* ms, monotonic */
  _Atomic uint64_t timeouts;
};

/* inside.c: the functions of exchanges that have no connection. The one that answers a held
** exchange ends it. */
void ae_http_inside_answer (ae_exchange *exchange, const ae_http_reply *reply);
void ae_http_inside_hold (ae_exchange *exchange);
const char *ae_http_inside_header (const ae_http_request *request, const char *name);

/* reply.c: makes the answer a response of libmicrohttpd. Errors as for
** ae_exchange_answer. *response is NULL for status 0. */
ae_code ae_http_response (const ae_http_reply *reply, struct MHD_Response **response,
                          ae_error *error);

/* loop.c */

/* A connection comes or goes (MHD_NotifyConnectionCallback). */
void ae_http_notify (void *http, struct MHD_Connection *connection, void **context,
                     enum MHD_ConnectionNotificationCode code);
/* Enters a state whose time counts from now on. */
void ae_http_enter (ae_exchange *exchange, ae_state state);
/* Starts the thread that runs the daemon. False: there is none to have. */
bool ae_http_loop_start (ae_http *http);
/* Resumes a held exchange, which the caller must not touch afterwards. Any thread. */
void ae_http_resume (ae_exchange *exchange);
/* Ends and joins the thread. Those who hold exchanges may still resume them;
** ae_http_loop_finish sends their answers. */
void ae_http_loop_stop (ae_http *http);
/* Sends the answers that are left, for a second at most. To be called when the thread
** has ended and no exchange is held. */
void ae_http_loop_finish (ae_http *http);

#endif
