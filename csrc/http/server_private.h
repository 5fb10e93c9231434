/*
** server_private.h: what server.c (requests and replies) and server_loop.c
** (the thread) share.
*/
#ifndef ALTINN_EVENTS_SERVER_PRIVATE_H
#define ALTINN_EVENTS_SERVER_PRIVATE_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "http/libraries.h"

#include <microhttpd.h>

#include "http/server.h"

/* A request and its reply. `lock` of the server guards `next`; all else is
** the thread's until it is queued, then the caller's until the reply. */
typedef struct ae_exchange ae_exchange;
struct ae_exchange {
  ae_server_request request;
  ae_server *server;
  struct MHD_Connection *connection;
  ae_exchange *next;
  char *fields; /* one block: fields and their texts */
  char *body;
  size_t length, capacity, discarded;
  bool decided; /* status and response are there */
  unsigned status;
  struct MHD_Response *response;
};

struct ae_server {
  struct MHD_Daemon *daemon;
  uint16_t port;
  size_t max_bytes;
  pthread_mutex_t lock;
  ae_exchange *first, *last; /* waiting */
  ae_exchange *taken;
  uint64_t ids;
  bool closing;
  atomic_long open;      /* requests that are not completed */
  int ready;             /* eventfd: something waits */
  int wake;              /* eventfd: for the thread */
  int signal_descriptor; /* signalfd, or -1 */
  atomic_int signal;
  sigset_t mask; /* before the signals were taken */
  struct sigaction pipe;
  bool signals;
  atomic_bool running;
  pthread_t thread;
  bool started;
};

/* Takes the process's signals; before any thread is started. */
bool ae_server_take_signals (ae_server *server);
/* Gives them back. */
void ae_server_leave_signals (ae_server *server);
/* Starts the thread that runs the daemon. False: there is none to have. */
bool ae_server_loop_start (ae_server *server);
/* A connection was resumed: the thread must look; any thread. */
void ae_server_loop_wake (ae_server *server);
/* Ends and joins the thread. */
void ae_server_loop_stop (ae_server *server);

#endif
