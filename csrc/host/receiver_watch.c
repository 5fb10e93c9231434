/*
** receiver_watch.c: all connections, and the thread that cuts those that
** take longer than the deadline. libmicrohttpd's own timeout counts from
** the last byte, so that a byte now and then would keep a request for ever.
*/
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "receiver_private.h"

#define TICK_MS 100

int64_t ae_monotonic_ms (void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void ae_watch_phase (ae_connection *c, ae_phase phase) {
  atomic_store(&c->since, ae_monotonic_ms());
  atomic_store(&c->phase, (int)phase);
}

static void add (ae_receiver *receiver, ae_connection *c) {
  pthread_mutex_lock(&receiver->lock);
  c->next = receiver->connections;
  if (c->next != NULL) c->next->previous = c;
  receiver->connections = c;
  pthread_mutex_unlock(&receiver->lock);
}

static void drop (ae_receiver *receiver, ae_connection *c) {
  pthread_mutex_lock(&receiver->lock);
  if (c->next != NULL) c->next->previous = c->previous;
  if (c->previous != NULL) c->previous->next = c->next;
  else receiver->connections = c->next;
  pthread_mutex_unlock(&receiver->lock);
}

static void connection_free (ae_connection *c) {
  free(c->body.data);
  free(c->text.data);
  free(c->encoded.data);
  free(c->name.data);
  free(c->headers);
  free(c->attributes);
  free(c->works);
  free(c);
}

/* A connection without memory has no context: its requests are refused. */
static ae_connection *connection_new (ae_receiver *receiver,
                                      struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  ae_connection *c = info == NULL ? NULL : calloc(1, sizeof *c);
  if (c == NULL) return NULL;
  c->receiver = receiver;
  c->connection = connection;
  c->descriptor = info->connect_fd;
  ae_watch_phase(c, AE_PHASE_FIRST);
  return c;
}

/* Called before the descriptor is closed, so that one that was given to
** somebody else is never cut. */
void ae_watch_notify (void *receiver, struct MHD_Connection *connection,
                      void **context, enum MHD_ConnectionNotificationCode code) {
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    ae_connection *c = connection_new(receiver, connection);
    *context = c;
    if (c != NULL) add(receiver, c);
  } else if (*context != NULL) {
    drop(receiver, *context);
    connection_free(*context);
    *context = NULL;
  }
}

static int64_t allowed_ms (const ae_receiver *receiver, int phase) {
  int64_t deadline = (int64_t)receiver->deadline * 1000;
  switch (phase) {
    case AE_PHASE_HELD: return INT64_MAX;
    case AE_PHASE_IDLE: return deadline + AE_KEEP_ALIVE_SECONDS * 1000;
    default: return deadline;
  }
}

static void sweep (ae_receiver *receiver) {
  int64_t now = ae_monotonic_ms();
  pthread_mutex_lock(&receiver->lock);
  for (ae_connection *c = receiver->connections; c != NULL; c = c->next) {
    int phase = atomic_load(&c->phase);
    if (now - atomic_load(&c->since) <= allowed_ms(receiver, phase)) continue;
    shutdown(c->descriptor, SHUT_RDWR);
    if (!c->counted) atomic_fetch_add(&receiver->timeouts, 1);
    c->counted = true;
  }
  pthread_mutex_unlock(&receiver->lock);
}

static void *watch_main (void *argument) {
  ae_receiver *receiver = argument;
  while (atomic_load(&receiver->watching)) {
    struct timespec t = { 0, TICK_MS * 1000000L };
    nanosleep(&t, NULL);
    sweep(receiver);
  }
  return NULL;
}

bool ae_watch_start (ae_receiver *receiver) {
  atomic_store(&receiver->watching, true);
  receiver->watch_started =
    pthread_create(&receiver->watch, NULL, watch_main, receiver) == 0;
  return receiver->watch_started;
}

void ae_watch_stop (ae_receiver *receiver) {
  atomic_store(&receiver->watching, false);
  if (receiver->watch_started) pthread_join(receiver->watch, NULL);
  receiver->watch_started = false;
}
