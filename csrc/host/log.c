/*
** log.c: the log's buffer and its thread; see log.h. log_line.c formats the lines of
** facts.
*/
#include "host/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES ((size_t)4 << 10) /* longer lines than this are made in the heap */
#define RING_BYTES ((size_t)1 << 20)
#define CHUNK_BYTES ((size_t)64 << 10)
#define GATHER_NS 2000000 /* pause after the buffer was emptied: lines gather */
#define PAUSE_MS 200
#define PATIENCE_MS 500

/* The log of the process. `ring` is a circular buffer with `length` bytes from `start`
** on: whole lines, except that a part of the first may have been written. */
static struct {
  pthread_mutex_t lock;
  pthread_cond_t more, less;
  char *ring;
  size_t start, length;
  bool started, asleep;
  bool broken;        /* the last byte written did not end a line */
  uint64_t dropped;   /* lines dropped, in all */
  uint64_t unwritten; /* lines lost in writing, and not reported yet */
  uint64_t untaken;   /* lines that found no room, and not reported yet */
  bool json;
} the_log = {.lock = PTHREAD_MUTEX_INITIALIZER,
             .more = PTHREAD_COND_INITIALIZER,
             .less = PTHREAD_COND_INITIALIZER};

void ae_log_descriptors (void) {
  for (int i = 0; i <= 2; i++)
    if (fcntl(i, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) < 0) return;
}

/* {====================================================================
** The writer's thread
** ===================================================================== */

/* Writes all bytes; waits while the descriptor would block. False: the write fails.
** *done: bytes written. */
static bool write_all (const char *bytes, size_t size, size_t *done) {
  *done = 0;
  while (*done < size) {
    ssize_t count = write(STDERR_FILENO, bytes + *done, size - *done);
    if (count > 0) *done += (size_t)count;
    else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      struct pollfd descriptor = {STDERR_FILENO, POLLOUT, 0};
      (void)poll(&descriptor, 1, PAUSE_MS);
    } else if (count == 0 || errno != EINTR) return false;
  }
  return true;
}

static uint64_t lines_in (const char *bytes, size_t size) {
  uint64_t count = 0;
  for (size_t i = 0; i < size; i++) count += bytes[i] == '\n';
  return count;
}

/* Makes a line that tells how many lines are missing at its place. Returns its length. */
static size_t make_gap (char line[LINE_BYTES + 1], uint64_t lines, bool json) {
  char reason[80];
  ae_log_field field = {"reason", {reason, 0}};
  const ae_log_fields fields = {&field, NULL, 1};
  int length = snprintf(reason, sizeof reason, "%llu lines of the log were lost here",
                        (unsigned long long)lines);
  size_t size;
  field.text.length = length > 0 ? (size_t)length : 0;
  size = ae_log_make(line, json, AE_WARN, AE_LITERAL("log"), &fields);
  line[size++] = '\n';
  return size;
}

/* Writes a line that reports lost lines. False: it cannot be written either. *broken:
** whether the last byte written does not end a line; read and set. */
static bool tell (uint64_t lines, bool *broken, bool json) {
  char line[LINE_BYTES + 2];
  size_t done, size = 0;
  bool told;
  if (*broken) line[size++] = '\n';
  size += make_gap(line + size, lines, json);
  told = write_all(line, size, &done);
  if (done > 0) *broken = line[done - 1] != '\n';
  return told;
}

/* Writes one chunk. With the lock held, which is released during the write. */
static void write_chunk (void) {
  size_t size = the_log.length, done = 0;
  const char *bytes = the_log.ring + the_log.start;
  uint64_t untold = the_log.unwritten;
  bool broken = the_log.broken, json = the_log.json, written;
  if (size > RING_BYTES - the_log.start) size = RING_BYTES - the_log.start;
  if (size > CHUNK_BYTES) size = CHUNK_BYTES;
  pthread_mutex_unlock(&the_log.lock);
  written = untold == 0 || tell(untold, &broken, json);
  if (!written) untold = 0;
  else if (!write_all(bytes, size, &done)) written = false;
  if (done > 0) broken = bytes[done - 1] != '\n';
  pthread_mutex_lock(&the_log.lock);
  the_log.broken = broken;
  the_log.unwritten -= untold;
  if (!written) {
    uint64_t lost = lines_in(bytes + done, size - done);
    the_log.dropped += lost;
    the_log.unwritten += lost;
  }
  the_log.start = (the_log.start + size) % RING_BYTES;
  the_log.length -= size;
  if (the_log.length == 0) the_log.start = 0; /* a log with few lines touches few pages */
  pthread_cond_broadcast(&the_log.less);
}

/* Pauses, so that lines that come fast are written together, and do not each wake this
** thread. With the lock held, which is released during the pause. */
static void gather (void) {
  const struct timespec pause = {0, GATHER_NS};
  pthread_mutex_unlock(&the_log.lock);
  nanosleep(&pause, NULL);
  pthread_mutex_lock(&the_log.lock);
}

static void *writer_main (void *argument) {
  (void)argument;
  pthread_mutex_lock(&the_log.lock);
  for (;;) {
    while (the_log.length == 0) {
      the_log.asleep = true;
      pthread_cond_wait(&the_log.more, &the_log.lock);
    }
    the_log.asleep = false;
    write_chunk();
    if (the_log.length == 0) gather();
  }
  return NULL;
}

/* }==================================================================== */

/* {====================================================================
** Everybody's threads
** ===================================================================== */

static void at_exit (void) {
  (void)ae_log_flush();
}

/* Starts the thread, once. With the lock held. The thread blocks all signals: signals
** of the process are for other threads, and without SIGPIPE a pipe that nobody reads
** is an error of write. False: no memory, or no thread. */
static bool start (void) {
  sigset_t all, before;
  pthread_t thread;
  if (the_log.started) return true;
  if (the_log.ring == NULL) the_log.ring = malloc(RING_BYTES);
  if (the_log.ring == NULL) return false;
  sigfillset(&all);
  (void)pthread_sigmask(SIG_BLOCK, &all, &before);
  the_log.started = pthread_create(&thread, NULL, writer_main, NULL) == 0;
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!the_log.started) return false;
  (void)pthread_detach(thread);
  return atexit(at_exit) == 0 || the_log.started;
}

static void put (const char *bytes, size_t size) {
  size_t at = (the_log.start + the_log.length) % RING_BYTES, first = RING_BYTES - at;
  if (first > size) first = size;
  memcpy(the_log.ring + at, bytes, first);
  memcpy(the_log.ring, bytes + first, size - first);
  the_log.length += size;
}

/* Whether the ring has room for `size` bytes. With the lock held. */
static bool has_room (size_t size) {
  return size <= RING_BYTES - the_log.length;
}

static bool take (ae_slice line) {
  char gap[LINE_BYTES + 1];
  size_t size = 0;
  if (!start()) return false;
  if (the_log.untaken > 0) size = make_gap(gap, the_log.untaken, the_log.json);
  if (line.length >= RING_BYTES - size || !has_room(size + line.length + 1)) return false;
  if (size > 0) put(gap, size);
  the_log.untaken = 0;
  if (line.length > 0) put(line.data, line.length);
  put("\n", 1);
  return true;
}

bool ae_log_line (ae_slice line) {
  bool taken;
  pthread_mutex_lock(&the_log.lock);
  taken = take(line);
  if (!taken) {
    the_log.dropped++;
    the_log.untaken++;
  } else if (the_log.asleep) {
    pthread_cond_signal(&the_log.more);
  }
  pthread_mutex_unlock(&the_log.lock);
  return taken;
}

void ae_log_json (bool json) {
  pthread_mutex_lock(&the_log.lock);
  the_log.json = json;
  pthread_mutex_unlock(&the_log.lock);
}

static bool drop (void) {
  pthread_mutex_lock(&the_log.lock);
  the_log.dropped++;
  the_log.untaken++;
  pthread_mutex_unlock(&the_log.lock);
  return false;
}

static _Thread_local ae_log_diversion diverted;

ae_log_diversion ae_log_divert (ae_log_diversion to) {
  const ae_log_diversion before = diverted;
  diverted = to;
  return before;
}

bool ae_log_write (bool json, ae_level level, ae_slice message, const ae_log_fields *fields) {
  char line[LINE_BYTES], *text = line;
  const size_t bound = ae_log_bound(message, fields);
  bool taken;
  if (diverted.take != NULL) {
    diverted.take(diverted.context, level, message, fields);
    return true;
  }
  if (bound > sizeof line) text = malloc(bound);
  if (text == NULL) return drop();
  taken = ae_log_line((ae_slice){text, ae_log_make(text, json, level, message, fields)});
  if (text != line) free(text);
  return taken;
}

void ae_log_fact (ae_level level, const char *message, const ae_log_field *fields,
                  size_t count) {
  const ae_log_fields all = {fields, NULL, count};
  bool json;
  pthread_mutex_lock(&the_log.lock);
  json = the_log.json;
  pthread_mutex_unlock(&the_log.lock);
  (void)ae_log_write(json, level, (ae_slice){message, strlen(message)}, &all);
}

void ae_log_reason (ae_level level, const char *message, const char *reason) {
  ae_log_field field = {"reason", {reason, strlen(reason)}};
  ae_log_fact(level, message, &field, 1);
}

uint64_t ae_log_dropped (void) {
  uint64_t dropped;
  pthread_mutex_lock(&the_log.lock);
  dropped = the_log.dropped;
  pthread_mutex_unlock(&the_log.lock);
  return dropped;
}

bool ae_log_flush (void) {
  bool all;
  pthread_mutex_lock(&the_log.lock);
  while (the_log.length > 0) {
    size_t before = the_log.length;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += PATIENCE_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    (void)pthread_cond_timedwait(&the_log.less, &the_log.lock, &until);
    if (the_log.length >= before) break;
  }
  all = the_log.length == 0;
  pthread_mutex_unlock(&the_log.lock);
  return all;
}

/* }==================================================================== */
