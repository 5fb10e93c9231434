/*
** inbox.c: the queue of works and the writer thread; see inbox.h.
*/
#include "inbox/private.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#define QUEUE_LIMIT 65536u
#define RUNS_LIMIT 2048u
#define BYTES_LIMIT (64u << 20)
#define GROUP_LIMIT 4096u /* works in one transaction */
#define DOZE_MS 200       /* longest sleep: another program may change the file */

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

bool ae_copy_add (ae_copy *copy, ae_slice bytes) {
  if (!ae_room(&copy->data, &copy->capacity, copy->length + bytes.length + 1, 1)) return false;
  if (bytes.length > 0) memcpy(copy->data + copy->length, bytes.data, bytes.length);
  copy->length += bytes.length;
  return true;
}

ae_slice ae_copy_slice (const ae_copy *copy) {
  return (ae_slice){copy->data, copy->length};
}

int64_t ae_inbox_now (const ae_inbox *inbox) {
  return ae_clock_wall_ms(inbox->options.clock);
}

void ae_inbox_set_health (ae_inbox *inbox, const ae_error *error) {
  pthread_mutex_lock(&inbox->lock);
  if (error != NULL) inbox->health = *error;
  else inbox->health.code = AE_OK;
  pthread_mutex_unlock(&inbox->lock);
}

void ae_inbox_failed (ae_inbox *inbox) {
  ae_error error;
  (void)ae_store_explain(inbox->store, &error);
  ae_store_rollback(inbox->store);
  ae_inbox_set_health(inbox, &error);
}

/* Takes the works of one group from the queue. With the lock held. */
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

/* How long the writer may sleep if no work comes: until a run is due. */
static int64_t pause_ms (const ae_inbox *inbox) {
  int64_t left = inbox->loaded == INT64_MAX ? inbox->next_due - ae_inbox_now(inbox) : DOZE_MS;
  return left < 0 ? 0 : left < DOZE_MS ? left : DOZE_MS;
}

/* Sleeps until there is work or a run is due. With the lock held. */
static void doze (ae_inbox *inbox) {
  struct timespec until;
  int64_t pause = pause_ms(inbox);
  if (inbox->first != NULL || inbox->closing || inbox->rescan) return;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += pause * 1000000;
  if (until.tv_nsec >= 1000000000) {
    until.tv_sec++;
    until.tv_nsec -= 1000000000;
  }
  inbox->asleep = true;
  (void)pthread_cond_timedwait(&inbox->more, &inbox->lock, &until);
  inbox->asleep = false;
}

static void checkpoint (ae_inbox *inbox) {
  ae_error warning;
  if (ae_store_checkpoint(inbox->store, &warning) && inbox->options.warn != NULL)
    inbox->options.warn(inbox->options.context, warning.message);
}

/* The writer's own duties, between two groups: acts by hand, the scan, due runs,
** dispatch, the checkpoint. True: there is more to do at once. */
static bool keep_up (ae_inbox *inbox) {
  bool more = false;
  ae_look(inbox);
  if (inbox->rebuild) {
    ae_scan_rebuild(inbox);
    (void)ae_look_numbers(inbox);
  }
  if (inbox->scanning || inbox->visit_count > 0)
    more = ae_scan_step(inbox) && (inbox->scanning || inbox->visit_count > 0);
  more |= ae_look_due(inbox);
  more |= ae_runs_fill(inbox);
  ae_runs_tell(inbox);
  inbox->options.dispatched(inbox->options.context);
  checkpoint(inbox);
  return more;
}

/* No run is in flight or in a backlog, and no scan is under way: every run that is
** left waits for its time or for an operator. */
static bool is_idle (const ae_inbox *inbox) {
  return inbox->flights.count == 0 && inbox->lanes.backlog == 0 && !inbox->scanning &&
         inbox->visit_count == 0 && !inbox->rebuild && inbox->loaded == INT64_MAX &&
         !inbox->more_due;
}

/* One turn of the writer; false: the end. */
static bool turn (ae_inbox *inbox, bool *busy) {
  ae_work *works;
  bool rescan, end;
  pthread_mutex_lock(&inbox->lock);
  if (!*busy) doze(inbox);
  works = take(inbox);
  rescan = inbox->rescan;
  inbox->rescan = false;
  inbox->idle = false;
  end = inbox->closing && works == NULL;
  pthread_mutex_unlock(&inbox->lock);
  if (end) return false;
  if (works != NULL) ae_group_run(inbox, works);
  if (rescan) ae_scan_rules(inbox);
  *busy = keep_up(inbox);
  pthread_mutex_lock(&inbox->lock);
  inbox->idle = is_idle(inbox);
  pthread_mutex_unlock(&inbox->lock);
  return true;
}

static void *writer_main (void *argument) {
  bool busy = true;
  while (turn(argument, &busy)) continue;
  return NULL;
}

/* Gives memory back to the system: while the tables of fingerprints grew, their
** old, smaller blocks were freed. */
static void trim (void) {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

/* Notes the rules that remember anything. */
static bool load_memory (ae_inbox *inbox) {
  ae_slice after = AE_LITERAL(""), rule;
  int more;
  while ((more = ae_store_remembers_next(inbox->store, after, &rule)) == 1) {
    ae_lane *lane = ae_lanes_get(&inbox->lanes, rule);
    if (lane == NULL) return false;
    lane->remembers = true;
    after = ae_lane_rule(lane);
  }
  return more == 0;
}

/* Loads all fingerprints, and the numbers that the writer goes on from. */
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
      !ae_store_number_read(inbox->store, AE_NUMBER_ACT, &inbox->act) ||
      !ae_store_number_read(inbox->store, AE_NUMBER_VERSION, &inbox->version) ||
      !load_memory(inbox) || !ae_timers_load(inbox) || !ae_look_numbers(inbox))
    return ae_store_explain(inbox->store, error);
  inbox->begun = inbox->sequence;
  inbox->started = ae_inbox_now(inbox);
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
  if (inbox->options.bytes_limit == 0) inbox->options.bytes_limit = BYTES_LIMIT;
  ae_flights_init(&inbox->flights);
  ae_scan_rebuild(inbox);
  prepare_lock(inbox);
  inbox->seen = ae_fingerprints_new(AE_FINGERPRINT_SIZE);
  return inbox;
}

/* Frees all. The writer thread has ended or was never started. */
static void inbox_free (ae_inbox *inbox) {
  ae_store_close(inbox->store);
  ae_fingerprints_free(inbox->seen);
  ae_meanings_free(&inbox->meanings);
  ae_map_free(&inbox->unreadable);
  ae_map_free(&inbox->cancels);
  ae_lines_free(&inbox->lines);
  ae_lanes_free(&inbox->lanes);
  ae_flights_free(&inbox->flights);
  ae_group_free(&inbox->group);
  free(inbox->rules);
  free(inbox->names.data);
  free(inbox->before.data);
  free(inbox->having.data);
  free(inbox->body.data);
  free(inbox->due_rule.data);
  free(inbox->thing.data);
  free(inbox->visits);
  pthread_cond_destroy(&inbox->more);
  pthread_mutex_destroy(&inbox->lock);
  free(inbox);
}

static ae_code start (ae_inbox *inbox, ae_error *error) {
  const ae_store_options store = {inbox->options.path, inbox->options.manual,
                                  inbox->options.key};
  ae_code code;
  if (inbox->seen == NULL)
    return ae_fail(error, AE_MEMORY, 0, "not enough memory for the inbox");
  code = ae_store_open(&store, &inbox->store, error);
  if (code == AE_OK) code = ae_meanings_load(&inbox->meanings, inbox->store, error);
  if (code == AE_OK) code = load(inbox, error);
  if (code == AE_OK && !inbox->options.manual &&
      pthread_create(&inbox->writer, NULL, writer_main, inbox) != 0)
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
  accepted = !inbox->closing && !inbox->dead && inbox->queued < inbox->options.queue_limit;
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

uint64_t ae_inbox_claim (ae_inbox *inbox, int64_t sequence, ae_slice rule, bool *holds) {
  return ae_flights_claim(&inbox->flights, sequence, rule, holds);
}

/* The caller's function, and what it gets. */
typedef struct flying {
  void (*visit)(void *context, ae_slice rule, int64_t sequence, int64_t began);
  void *context;
} flying;

static void visit_flight (void *context, const ae_flight *flight) {
  const flying *to = context;
  to->visit(to->context, ae_lane_rule(flight->lane), flight->sequence, flight->began);
}

void ae_inbox_flying (ae_inbox *inbox,
                      void (*visit)(void *context, ae_slice rule, int64_t sequence,
                                    int64_t began),
                      void *context) {
  flying to = {visit, context};
  ae_flights_each(&inbox->flights, visit_flight, &to);
}

const unsigned char *ae_inbox_key (const ae_inbox *inbox) {
  return inbox->meanings.key; /* does not change */
}

bool ae_inbox_is_idle (ae_inbox *inbox) {
  bool idle;
  pthread_mutex_lock(&inbox->lock);
  idle = inbox->idle && inbox->first == NULL && !inbox->rescan;
  pthread_mutex_unlock(&inbox->lock);
  return idle;
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
  if (inbox->options.manual) (void)writer_main(inbox);
  else pthread_join(inbox->writer, NULL);
  inbox_free(inbox);
}

void ae_inbox_look_at_clock (ae_inbox *inbox) {
  pthread_mutex_lock(&inbox->lock);
  pthread_cond_signal(&inbox->more);
  pthread_mutex_unlock(&inbox->lock);
}

/* {====================================================================
** A manual inbox
** ===================================================================== */

bool ae_inbox_turn (ae_inbox *inbox) {
  bool busy = true;
  assert(inbox->options.manual);
  if (inbox->dead) return false;
  (void)turn(inbox, &busy);
  return !inbox->dead && (busy || inbox->first != NULL || inbox->rescan);
}

static void fail_all (ae_inbox *inbox) {
  while (inbox->first != NULL) ae_group_fail(inbox, take(inbox));
}

void ae_inbox_attend (ae_inbox *inbox) {
  while (inbox->options.manual && !inbox->dead && inbox->first != NULL)
    (void)ae_inbox_turn(inbox);
  if (inbox->dead) fail_all(inbox); /* who waits for them is not kept waiting */
}

void ae_inbox_look (ae_inbox *inbox) {
  inbox->look = true;
}

int64_t ae_inbox_next_due (ae_inbox *inbox) {
  int64_t due = INT64_MAX;
  if (inbox->dead || ae_store_next_due(inbox->store, inbox->horizon, &due)) return due;
  ae_inbox_failed(inbox);
  return INT64_MAX;
}

void ae_inbox_drop (ae_inbox *inbox) {
  inbox->dead = true;
  fail_all(inbox);
  ae_store_leave(inbox->store);
  inbox_free(inbox);
}

/* }==================================================================== */
