/*
** inbox.c: the queue of works and the writer thread; see inbox.h.
*/
#include "inbox/private.h"

#include <stdlib.h>
#include <time.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#define QUEUE_LIMIT 65536u
#define RUNS_LIMIT 16384u
#define GROUP_LIMIT 4096u /* works in one transaction */
#define LOOK_MS 1000      /* how often the file is looked at */

bool ae_room (void *list, size_t *capacity, size_t wanted, size_t size) {
  size_t more = *capacity == 0 ? 64 : *capacity;
  void *old, *bigger;
  if (wanted <= *capacity) return true;
  while (more < wanted) {
    if (more > SIZE_MAX / 2 / size) return false;
    more *= 2;
  }
  memcpy(&old, list, sizeof old);
  bigger = realloc(old, more * size);
  if (bigger == NULL) return false;
  memcpy(list, &bigger, sizeof bigger);
  *capacity = more;
  return true;
}

static int64_t now_ms (void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void ae_inbox_judge (ae_inbox *inbox, const ae_error *error) {
  pthread_mutex_lock(&inbox->lock);
  if (error != NULL) inbox->health = *error;
  else inbox->health.code = AE_OK;
  pthread_mutex_unlock(&inbox->lock);
}

/* What somebody else changed: numbers, and runs to be done again. */
static bool read_numbers (ae_inbox *inbox) {
  int64_t waiting, dead;
  if (!ae_store_number_read(inbox->store, AE_NUMBER_WAITING, &waiting) ||
      !ae_store_number_read(inbox->store, AE_NUMBER_DEAD, &dead))
    return false;
  pthread_mutex_lock(&inbox->lock);
  inbox->counts.waiting = (uint64_t)waiting;
  inbox->counts.dead = (uint64_t)dead;
  pthread_mutex_unlock(&inbox->lock);
  return true;
}

/* Whether the file works again. */
static void probe (ae_inbox *inbox) {
  ae_error error;
  bool fine = ae_store_begin(inbox->store) && ae_store_touch(inbox->store) &&
              ae_store_commit(inbox->store);
  if (!fine) {
    (void)ae_store_explain(inbox->store, &error);
    ae_store_rollback(inbox->store);
  }
  ae_inbox_judge(inbox, fine ? NULL : &error);
}

/* What could not be read is told of again. */
static void scan_anew (ae_inbox *inbox) {
  ae_map_free(&inbox->unreadable);
  inbox->scanning = true;
  inbox->cursor = 0;
}

/* Once a second: did somebody else write, and does it work again? */
static void look (ae_inbox *inbox) {
  int64_t version;
  if (now_ms() - inbox->looked < LOOK_MS) return;
  inbox->looked = now_ms();
  if (ae_inbox_health(inbox, NULL) != AE_OK || ae_store_moved(inbox->store)) probe(inbox);
  if (!ae_store_number_read(inbox->store, AE_NUMBER_VERSION, &version)) return;
  if (version == inbox->version || !read_numbers(inbox)) return;
  inbox->version = version;
  scan_anew(inbox);
}

/* Takes works of the queue, at most one group of them; with the lock held. */
static ae_work *take (ae_inbox *inbox) {
  ae_work *works = inbox->first, **end = &works;
  uint32_t count = 0;
  while (*end != NULL && count < GROUP_LIMIT) {
    for (const ae_work *work = *end; work != NULL; work = work->with) count++;
    end = &(*end)->next;
  }
  inbox->first = *end;
  *end = NULL;
  if (inbox->first == NULL) inbox->last = &inbox->first;
  inbox->queued -= count;
  return works;
}

/* With the lock held: until there is work, at most a second. */
static void doze (ae_inbox *inbox, bool busy) {
  struct timespec until;
  if (busy || inbox->first != NULL || inbox->closing || inbox->rescan) return;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += LOOK_MS / 1000;
  inbox->asleep = true;
  (void)pthread_cond_timedwait(&inbox->more, &inbox->lock, &until);
  inbox->asleep = false;
}

/* One turn of the writer; false: the end. */
static bool turn (ae_inbox *inbox, bool *busy) {
  ae_work *works;
  bool rescan, end;
  pthread_mutex_lock(&inbox->lock);
  doze(inbox, *busy);
  works = take(inbox);
  rescan = inbox->rescan;
  inbox->rescan = false;
  end = inbox->closing && works == NULL;
  pthread_mutex_unlock(&inbox->lock);
  if (end) return false;
  if (works != NULL) ae_group_run(inbox, works);
  if (rescan) scan_anew(inbox);
  look(inbox);
  *busy = inbox->scanning && ae_runs_scan(inbox) && inbox->scanning;
  return true;
}

static void *writer_main (void *argument) {
  bool busy = true;
  while (turn(argument, &busy)) continue;
  return NULL;
}

/* The tables of the set grew while others did: what they left is given
** back to the system. */
static void trim (void) {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

/* All fingerprints of the file into memory. */
static ae_code load (ae_inbox *inbox, ae_error *error) {
  ae_slice bytes;
  int more;
  while ((more = ae_store_remembered_next(inbox->store, &bytes)) == 1) {
    size_t count = bytes.length / AE_FINGERPRINT_SIZE;
    for (size_t i = 0; i < count; i++) {
      ae_fingerprint item;
      memcpy(item.bytes, bytes.data + i * AE_FINGERPRINT_SIZE, sizeof item.bytes);
      if (ae_fingerprints_add(inbox->seen, &item) == AE_NO_ROOM)
        return ae_fail(error, AE_MEMORY, 0,
                       "not enough memory for the ids that "
                       "the inbox remembers");
    }
  }
  if (more < 0 || !ae_store_number_read(inbox->store, AE_NUMBER_LAST, &inbox->sequence) ||
      !ae_store_number_read(inbox->store, AE_NUMBER_VERSION, &inbox->version) ||
      !read_numbers(inbox))
    return ae_store_explain(inbox->store, error);
  trim();
  return AE_OK;
}

static void prepare_lock (ae_inbox *inbox) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_mutex_init(&inbox->lock, NULL);
  pthread_cond_init(&inbox->more, &attributes);
  pthread_condattr_destroy(&attributes);
}

static ae_inbox *inbox_new (const ae_inbox_options *options) {
  ae_inbox *inbox = calloc(1, sizeof *inbox);
  if (inbox == NULL) return NULL;
  inbox->options = *options;
  if (inbox->options.queue_limit == 0) inbox->options.queue_limit = QUEUE_LIMIT;
  if (inbox->options.runs_limit == 0) inbox->options.runs_limit = RUNS_LIMIT;
  inbox->last = &inbox->first;
  inbox->scanning = true;
  prepare_lock(inbox);
  inbox->seen = ae_fingerprints_new();
  return inbox;
}

/* The writer has ended, or never begun. */
static void inbox_free (ae_inbox *inbox) {
  ae_store_close(inbox->store);
  ae_fingerprints_free(inbox->seen);
  ae_map_free(&inbox->unreadable);
  ae_map_free(&inbox->unsettled);
  ae_lanes_free(&inbox->lanes);
  ae_group_free(&inbox->group);
  free(inbox->rules);
  free(inbox->known);
  free(inbox->finished);
  pthread_cond_destroy(&inbox->more);
  pthread_mutex_destroy(&inbox->lock);
  free(inbox);
}

static ae_code start (ae_inbox *inbox, ae_error *error) {
  ae_code code;
  if (inbox->seen == NULL)
    return ae_fail(error, AE_MEMORY, 0, "not enough memory for the inbox");
  code = ae_store_open(inbox->options.path, &inbox->store, error);
  if (code == AE_OK) code = load(inbox, error);
  if (code == AE_OK && pthread_create(&inbox->writer, NULL, writer_main, inbox) != 0)
    code = ae_fail(error, AE_MEMORY, 0, "cannot start the inbox's thread");
  return code;
}

ae_code ae_inbox_open (const ae_inbox_options *options, ae_inbox **inbox, ae_error *error) {
  ae_code code;
  *inbox = inbox_new(options);
  if (*inbox == NULL) return ae_fail(error, AE_MEMORY, 0, "not enough memory for the inbox");
  code = start(*inbox, error);
  if (code == AE_OK) return AE_OK;
  inbox_free(*inbox);
  *inbox = NULL;
  return code;
}

bool ae_inbox_queue (ae_inbox *inbox, ae_work *work) {
  uint32_t count = 1;
  bool accepted;
  for (const ae_work *each = work->with; each != NULL; each = each->with) count++;
  work->next = NULL;
  pthread_mutex_lock(&inbox->lock);
  accepted = !inbox->closing && inbox->queued < inbox->options.queue_limit;
  if (accepted) {
    *inbox->last = work;
    inbox->last = &work->next;
    inbox->queued += count;
  }
  pthread_mutex_unlock(&inbox->lock);
  return accepted;
}

void ae_inbox_wake (ae_inbox *inbox) {
  pthread_mutex_lock(&inbox->lock);
  if (inbox->asleep && inbox->first != NULL) pthread_cond_signal(&inbox->more);
  pthread_mutex_unlock(&inbox->lock);
}

bool ae_inbox_submit (ae_inbox *inbox, ae_work *work) {
  bool accepted = ae_inbox_queue(inbox, work);
  if (accepted) ae_inbox_wake(inbox);
  return accepted;
}

ae_code ae_inbox_health (ae_inbox *inbox, ae_error *error) {
  ae_code code;
  pthread_mutex_lock(&inbox->lock);
  code = inbox->health.code;
  if (code != AE_OK && error != NULL) *error = inbox->health;
  pthread_mutex_unlock(&inbox->lock);
  return code;
}

void ae_inbox_rescan (ae_inbox *inbox) {
  pthread_mutex_lock(&inbox->lock);
  inbox->rescan = true;
  pthread_cond_signal(&inbox->more);
  pthread_mutex_unlock(&inbox->lock);
}

void ae_inbox_counts_read (ae_inbox *inbox, ae_inbox_counts *counts) {
  pthread_mutex_lock(&inbox->lock);
  *counts = inbox->counts;
  pthread_mutex_unlock(&inbox->lock);
}

void ae_inbox_close (ae_inbox *inbox) {
  pthread_mutex_lock(&inbox->lock);
  inbox->closing = true;
  pthread_cond_signal(&inbox->more);
  pthread_mutex_unlock(&inbox->lock);
  pthread_join(inbox->writer, NULL);
  inbox_free(inbox);
}
