/*
** receiver_loop.c: the thread that runs libmicrohttpd, and cuts connections
** that take longer than the deadline.
**
** Two things of libmicrohttpd 0.9.75 are the reason: its own timeout counts
** from the last byte, so that a byte now and then would keep a request for
** ever; and its own thread sleeps, with work to do, when exactly 128 events
** come at once (MHD_epoll waits again before it looks at them). MHD_run
** never waits. But it may swallow the signal of a connection that is resumed
** while it runs; hence a signal of our own.
*/
#include <poll.h>
#include <stdlib.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "host/webhook_private.h"

#define TICK_MS 100
#define FINISH_MS 1000
#define RUSH 512 /* connections at a time */

static int64_t monotonic_ms (void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void ae_loop_phase (ae_connection *c, ae_phase phase) {
  c->since = monotonic_ms();
  c->phase = phase;
}

static void add (ae_receiver *receiver, ae_connection *c) {
  c->next = receiver->connections;
  if (c->next != NULL) c->next->previous = c;
  receiver->connections = c;
  if (++receiver->connection_count > receiver->connection_peak)
    receiver->connection_peak = receiver->connection_count;
}

static void drop (ae_receiver *receiver, ae_connection *c) {
  receiver->connection_count--;
  if (c->next != NULL) c->next->previous = c->previous;
  if (c->previous != NULL) c->previous->next = c->next;
  else receiver->connections = c->next;
}

static void connection_free (ae_connection *c) {
  free(c->body.data);
  free(c->text.data);
  free(c->encoded.data);
  free(c->name.data);
  free(c->headers);
  free(c->attributes);
  free(c->works);
  (void)munmap(c, sizeof *c);
}

/* Mapped, not allocated: after a rush its memory goes back to the system. */
static ae_connection *mapped (void) {
  void *memory = mmap(NULL, sizeof(ae_connection), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

/* A connection without memory has no context: its requests are refused. */
static ae_connection *connection_new (ae_receiver *receiver,
                                      struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(
    connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  ae_connection *c = info == NULL ? NULL : mapped();
  if (c == NULL) return NULL;
  c->receiver = receiver;
  c->connection = connection;
  c->descriptor = info->connect_fd;
  ae_loop_phase(c, AE_PHASE_FIRST);
  return c;
}

void ae_loop_notify (void *receiver, struct MHD_Connection *connection, void **context,
                     enum MHD_ConnectionNotificationCode code) {
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

static int64_t allowed_ms (const ae_receiver *receiver, ae_phase phase) {
  int64_t deadline = (int64_t)receiver->deadline * 1000;
  switch (phase) {
    case AE_PHASE_HELD: return INT64_MAX;
    case AE_PHASE_IDLE: return deadline + AE_KEEP_ALIVE_SECONDS * 1000;
    default: return deadline;
  }
}

/* After a rush its memory goes back to the system. */
static void trim (ae_receiver *receiver) {
  if (receiver->connection_peak < RUSH ||
      receiver->connection_count > receiver->connection_peak / 4)
    return;
  receiver->connection_peak = receiver->connection_count;
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

/* The daemon sees the end of those that are cut, and drops them. */
static void sweep (ae_receiver *receiver) {
  int64_t now = monotonic_ms();
  if (now - receiver->swept < TICK_MS) return;
  receiver->swept = now;
  trim(receiver);
  for (ae_connection *c = receiver->connections; c != NULL; c = c->next) {
    if (now - c->since <= allowed_ms(receiver, c->phase)) continue;
    shutdown(c->descriptor, SHUT_RDWR);
    if (!c->counted) atomic_fetch_add(&receiver->timeouts, 1);
    c->counted = true;
  }
}

static int pause_ms (ae_receiver *receiver) {
  MHD_UNSIGNED_LONG_LONG timeout;
  if (MHD_get_timeout(receiver->daemon, &timeout) != MHD_YES || timeout > TICK_MS)
    return TICK_MS;
  return (int)timeout;
}

void ae_loop_resume (ae_connection *c) {
  ae_receiver *receiver = c->receiver;
  uint64_t one = 1;
  MHD_resume_connection(c->connection);
  if (!atomic_exchange(&receiver->woken, true) &&
      write(receiver->wake, &one, sizeof one) != sizeof one)
    atomic_store(&receiver->woken, false);
}

/* What is resumed from here on raises the signal again. */
static void lower_signal (ae_receiver *receiver) {
  uint64_t value;
  if (read(receiver->wake, &value, sizeof value) == sizeof value)
    atomic_store(&receiver->woken, false);
}

/* One look at what came, and at what was resumed. */
static void turn (ae_receiver *receiver, int epoll) {
  struct pollfd events[2] = {{epoll, POLLIN, 0}, {receiver->wake, POLLIN, 0}};
  (void)poll(events, 2, pause_ms(receiver));
  if (events[1].revents != 0) lower_signal(receiver);
  (void)MHD_run(receiver->daemon);
  if (receiver->queued) ae_inbox_wake(receiver->inbox);
  receiver->queued = false;
  sweep(receiver);
}

static int epoll_of (const ae_receiver *receiver) {
  return MHD_get_daemon_info(receiver->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

static void *loop_main (void *argument) {
  ae_receiver *receiver = argument;
  int epoll = epoll_of(receiver);
  while (atomic_load(&receiver->running)) turn(receiver, epoll);
  return NULL;
}

bool ae_loop_start (ae_receiver *receiver) {
  receiver->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (receiver->wake < 0) return false;
  atomic_store(&receiver->running, true);
  receiver->started = pthread_create(&receiver->thread, NULL, loop_main, receiver) == 0;
  return receiver->started;
}

void ae_loop_stop (ae_receiver *receiver) {
  atomic_store(&receiver->running, false);
  if (receiver->started) pthread_join(receiver->thread, NULL);
}

static bool unanswered (const ae_receiver *receiver) {
  for (const ae_connection *c = receiver->connections; c != NULL; c = c->next)
    if (c->phase == AE_PHASE_HELD || c->phase == AE_PHASE_ANSWERING) return true;
  return false;
}

void ae_loop_finish (ae_receiver *receiver) {
  int64_t end = monotonic_ms() + FINISH_MS;
  if (receiver->started)
    for (int epoll = epoll_of(receiver); unanswered(receiver) && monotonic_ms() < end;)
      turn(receiver, epoll);
  receiver->started = false;
  if (receiver->wake >= 0) close(receiver->wake);
  receiver->wake = -1;
}
