/*
** loop.c: the thread that runs libmicrohttpd, the connections, and their
** deadlines.
**
** The daemon runs in a thread of ours for two reasons in libmicrohttpd 0.9.75. Its own
** timeout counts from the last byte, so a byte now and then would keep a request for
** ever. Its own thread sleeps although there is work when exactly 128 events come at
** once (MHD_epoll waits again before it looks at them). MHD_run never waits. But
** MHD_run may lose the wake-up of a connection that is resumed while it runs: so we
** have an eventfd of our own.
**
** The connections are in a list, in the order in which their present state began, so
** that those that wait longest come first.
*/
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http/private.h"

#define TICK_MS 100
#define FINISH_MS 1000
#define RUSH 512 /* this many connections at a time are a rush */

/* How long connections may wait when all are taken. */
#define PATIENCE_IDLE_MS 100
#define PATIENCE_FIRST_MS 500
#define PATIENCE_READING_MS 2000
/* At most one in this many is ended in one tick. */
#define ENDED_PART 4

static int64_t monotonic_ms (void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* {====================================================================
** Connections
** ===================================================================== */

static void link_newest (ae_exchange *e) {
  ae_http *http = e->http;
  e->older = http->newest;
  e->newer = NULL;
  if (http->newest != NULL) http->newest->newer = e;
  else http->oldest = e;
  http->newest = e;
}

static void unlink_exchange (ae_exchange *e) {
  ae_http *http = e->http;
  if (e->newer != NULL) e->newer->older = e->older;
  else http->newest = e->older;
  if (e->older != NULL) e->older->newer = e->newer;
  else http->oldest = e->newer;
}

void ae_http_enter (ae_exchange *e, ae_state state) {
  e->state = state;
  e->since = monotonic_ms();
  if (e->newer == NULL) return;
  unlink_exchange(e);
  link_newest(e);
}

static size_t size_of (const ae_http *http) {
  return sizeof(ae_exchange) + http->options.state_size;
}

/* Maps the memory of an exchange, so that it goes back to the system after a rush. */
static ae_exchange *mapped (const ae_http *http) {
  void *memory = mmap(NULL, size_of(http), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                      -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

/* A connection without memory has no exchange: its requests are refused. */
static ae_exchange *exchange_new (ae_http *http, struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(
    connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  ae_exchange *e = info == NULL ? NULL : mapped(http);
  if (e == NULL) return NULL;
  e->http = http;
  e->connection = connection;
  e->descriptor = info->connect_fd;
  e->state = AE_FIRST;
  e->since = monotonic_ms();
  link_newest(e);
  if (++http->count > http->peak) http->peak = http->count;
  return e;
}

static void exchange_free (ae_exchange *e) {
  ae_http *http = e->http;
  unlink_exchange(e);
  http->count--;
  if (http->options.handlers.closed != NULL)
    http->options.handlers.closed(http->options.context, e->user);
  free(e->body);
  (void)munmap(e, size_of(http));
}

void ae_http_notify (void *http, struct MHD_Connection *connection, void **context,
                     enum MHD_ConnectionNotificationCode code) {
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    *context = exchange_new(http, connection);
  } else if (*context != NULL) {
    exchange_free(*context);
    *context = NULL;
  }
}

/* }==================================================================== */

/* {====================================================================
** Deadlines
** ===================================================================== */

/* Cuts a connection: shuts its socket, so that the daemon sees the end and drops it. */
static void cut (ae_exchange *e) {
  if (e->cut) return;
  e->cut = true;
  shutdown(e->descriptor, SHUT_RDWR);
  if (e->state != AE_IDLE) atomic_fetch_add(&e->http->timeouts, 1);
}

static int64_t allowed_ms (const ae_http *http, ae_state state) {
  int64_t deadline = (int64_t)http->options.deadline * 1000;
  if (deadline == 0 || state == AE_HELD) return INT64_MAX;
  return state == AE_IDLE ? deadline + AE_KEEP_ALIVE_SECONDS * 1000 : deadline;
}

/* Cuts connections past their deadline. The deadline of a request is the shortest, so
** the walk ends at the first connection that is younger. */
static void cut_late (ae_http *http, int64_t now) {
  int64_t least = allowed_ms(http, AE_READING);
  for (ae_exchange *e = http->oldest; e != NULL && now - e->since > least; e = e->newer)
    if (now - e->since > allowed_ms(http, e->state)) cut(e);
}

static int64_t patience_ms (ae_state state) {
  switch (state) {
    case AE_IDLE: return PATIENCE_IDLE_MS;
    case AE_FIRST: return PATIENCE_FIRST_MS;
    case AE_LINE:
    case AE_READING:
    case AE_DROPPING: return PATIENCE_READING_MS;
    default: return INT64_MAX; /* its answer is being made or sent */
  }
}

/* All connections are taken, and clients may be waiting: ends the oldest. */
static void make_room (ae_http *http, int64_t now) {
  size_t ended = 0, most = http->count / ENDED_PART + 1;
  for (ae_exchange *e = http->oldest; e != NULL && ended < most; e = e->newer) {
    if (e->cut || now - e->since < patience_ms(e->state)) continue;
    cut(e);
    ended++;
  }
}

/* Gives the memory of a rush back to the system, in steps as its connections
** end: each time when a quarter of them is left. */
static void trim (ae_http *http) {
  if (http->peak >= RUSH) http->rushed = true;
  if (!http->rushed || http->count > http->peak / 4) return;
  http->peak = http->count;
  if (http->count < RUSH / 16) http->rushed = false;
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

static void sweep (ae_http *http) {
  int64_t now = monotonic_ms();
  if (now - http->swept < TICK_MS) return;
  http->swept = now;
  trim(http);
  cut_late(http, now);
  if (http->count >= http->capacity) make_room(http, now);
}

/* }==================================================================== */

/* {====================================================================
** The thread
** ===================================================================== */

static int pause_ms (ae_http *http) {
  MHD_UNSIGNED_LONG_LONG timeout;
  if (MHD_get_timeout(http->daemon, &timeout) != MHD_YES || timeout > TICK_MS) return TICK_MS;
  return (int)timeout;
}

/* After this the exchange is the server thread's, and the server may be freed: so the
** count of held exchanges is changed last. */
void ae_http_resume (ae_exchange *e) {
  ae_http *http = e->http;
  uint64_t one = 1;
  MHD_resume_connection(e->connection);
  if (!atomic_exchange(&http->woken, true) &&
      write(http->wake, &one, sizeof one) != sizeof one)
    atomic_store(&http->woken, false);
  atomic_fetch_sub(&http->held, 1);
}

/* An exchange that is resumed after this writes to the eventfd again. */
static void lower_signal (ae_http *http) {
  uint64_t value;
  if (read(http->wake, &value, sizeof value) == sizeof value)
    atomic_store(&http->woken, false);
}

/* One turn: waits for sockets and resumed exchanges, and runs the daemon. */
static void turn (ae_http *http, int epoll) {
  struct pollfd events[2] = {{epoll, POLLIN, 0}, {http->wake, POLLIN, 0}};
  (void)poll(events, 2, pause_ms(http));
  if (events[1].revents != 0) lower_signal(http);
  (void)MHD_run(http->daemon);
  if (http->options.handlers.turned != NULL)
    http->options.handlers.turned(http->options.context);
  sweep(http);
}

static int epoll_of (const ae_http *http) {
  return MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

/* Signals are for other threads. SIGPIPE too must be blocked: libmicrohttpd may use
** sendfile, which has no MSG_NOSIGNAL. */
static void block_signals (void) {
  sigset_t set;
  sigfillset(&set);
  (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void *loop_main (void *argument) {
  ae_http *http = argument;
  int epoll = epoll_of(http);
  block_signals();
  while (atomic_load(&http->running)) turn(http, epoll);
  return NULL;
}

bool ae_http_loop_start (ae_http *http) {
  http->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (http->wake < 0) return false;
  atomic_store(&http->running, true);
  http->started = pthread_create(&http->thread, NULL, loop_main, http) == 0;
  return http->started;
}

void ae_http_loop_stop (ae_http *http) {
  uint64_t one = 1;
  atomic_store(&http->running, false);
  if (!http->started) return;
  if (write(http->wake, &one, sizeof one) != sizeof one) one = 0; /* it looks soon anyway */
  pthread_join(http->thread, NULL);
}

static bool unanswered (const ae_http *http) {
  for (const ae_exchange *e = http->oldest; e != NULL; e = e->newer)
    if (e->state == AE_HELD || e->state == AE_ANSWERING) return true;
  return false;
}

void ae_http_loop_finish (ae_http *http) {
  int64_t end = monotonic_ms() + FINISH_MS;
  if (http->started)
    for (int epoll = epoll_of(http); unanswered(http) && monotonic_ms() < end;)
      turn(http, epoll);
  http->started = false;
  if (http->wake >= 0) close(http->wake);
  http->wake = -1;
}

/* }==================================================================== */
