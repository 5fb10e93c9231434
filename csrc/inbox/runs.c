/*
** inbox_runs.c: which rules want an event, and when their runs go out.
**
** A run goes out when its event is durable and its lane has room; else its
** lane owes it. An event is in `unsettled` with the number of its runs that
** have no final verdict, gone out or owed, and in the table `waiting` until
** there is none. Waiting events that are not in `unsettled` are found by a
** scan, in order; while it goes on, new events are left to it, so that
** they do not overtake. It finds runs too that were put back by hand while
** others of their event go on.
*/
#include "inbox/private.h"

#include <stdlib.h>
#include <time.h>

#define SCAN_EVENTS 256

bool ae_runs_match (ae_inbox *inbox, ae_slice body, size_t *count) {
  void *context = inbox->options.context;
  *count = inbox->options.match(context, body, inbox->rules, inbox->rule_capacity);
  if (*count <= inbox->rule_capacity || *count == AE_MATCH_UNREADABLE) return true;
  if (*count == AE_MATCH_MEMORY) return false;
  if (!ae_room(&inbox->rules, &inbox->rule_capacity, *count, sizeof(ae_slice))) return false;
  *count = inbox->options.match(context, body, inbox->rules, inbox->rule_capacity);
  if (*count > inbox->rule_capacity) *count = inbox->rule_capacity;
  return true;
}

/* False: no memory. */
static bool hand_out (ae_inbox *inbox, ae_lane *lane, const ae_run *run) {
  if (!ae_map_reserve(&lane->under_way, 1)) return false;
  ae_map_put(&lane->under_way, (uint64_t)run->sequence, 1);
  inbox->options.dispatch(inbox->options.context, run);
  return true;
}

/* Without memory for the lane the run is out of reach until the next start:
** it is counted as unsettled, so its event stays in the file. */
void ae_runs_dispatch (ae_inbox *inbox, const ae_run *run) {
  ae_lane *lane = ae_lanes_get(&inbox->lanes, run->rule);
  if (lane == NULL) return;
  if (lane->count == 0 && lane->under_way.count < inbox->options.runs_limit)
    (void)hand_out(inbox, lane, run);
  else (void)ae_lane_owe(lane, run->sequence);
}

/* A run that is owed is not to be done any more: a scan ends the waiting of
** its event when it was the last one. */
static void forgo (ae_inbox *inbox, int64_t sequence) {
  uint64_t *runs = ae_map_get(&inbox->unsettled, (uint64_t)sequence);
  if (runs == NULL) return;
  if (*runs > 1) {
    --*runs;
    return;
  }
  (void)ae_map_remove(&inbox->unsettled, (uint64_t)sequence);
  if (!inbox->scanning || inbox->cursor >= sequence) inbox->cursor = sequence - 1;
  inbox->scanning = true;
}

/* The run that is owed goes out, unless it was settled by hand meanwhile. */
static bool pay_run (ae_inbox *inbox, ae_lane *lane, const ae_store_event *event) {
  ae_slice rule = {lane->rule, lane->length};
  ae_store_run known;
  if (!ae_store_run_find(inbox->store, event->sequence, rule, &known)) return false;
  if (known.settled) {
    forgo(inbox, event->sequence);
  } else {
    ae_run run = {event->sequence, event->received, event->body, event->subscription, rule,
                  known.attempt,   known.due};
    return hand_out(inbox, lane, &run);
  }
  return true;
}

/* The oldest event that is owed. False: the file does not give it now. */
static bool pay (ae_inbox *inbox, ae_lane *lane) {
  int64_t sequence = lane->owed[lane->first];
  ae_store_event event;
  int found = ae_store_event_find(inbox->store, sequence, &event);
  bool fine = found == 1 ? pay_run(inbox, lane, &event) : found == 0;
  if (found == 0) forgo(inbox, sequence);
  if (fine) (void)ae_lane_take(lane);
  ae_store_event_end(inbox->store);
  return fine;
}

/* Half a lane at a time: fewer reads in between. */
void ae_runs_settled (ae_inbox *inbox, int64_t sequence, ae_slice rule) {
  ae_lane *lane = ae_lanes_get(&inbox->lanes, rule);
  if (lane == NULL) return;
  (void)ae_map_remove(&lane->under_way, (uint64_t)sequence);
  if (lane->under_way.count > inbox->options.runs_limit / 2) return;
  while (lane->count > 0 && lane->under_way.count < inbox->options.runs_limit)
    if (!pay(inbox, lane)) return;
}

/* What the file knows of the event's runs, in inbox->known. */
static bool look_up (ae_inbox *inbox, int64_t sequence, size_t count) {
  if (!ae_room(&inbox->known, &inbox->known_capacity, count, sizeof *inbox->known))
    return false;
  for (size_t i = 0; i < count; i++)
    if (!ae_store_run_find(inbox->store, sequence, inbox->rules[i], &inbox->known[i]))
      return false;
  return true;
}

static bool in_lane (ae_inbox *inbox, int64_t sequence, ae_slice rule) {
  const ae_lane *lane = ae_lanes_get(&inbox->lanes, rule);
  return lane != NULL && ae_lane_has(lane, sequence);
}

/* Runs of a waiting event that have no final verdict go out; their number.
** `some`: others of the event are under way or owed; then those that are to
** be done again are looked at alone. */
static size_t resume (ae_inbox *inbox, const ae_store_event *event, size_t count, bool some) {
  size_t runs = 0;
  for (size_t i = 0; i < count; i++) {
    const ae_store_run *known = &inbox->known[i];
    ae_run run = {event->sequence, event->received, event->body, event->subscription,
                  inbox->rules[i], known->attempt,  known->due};
    if (known->settled) continue;
    if (some && (!known->known || in_lane(inbox, event->sequence, run.rule))) continue;
    ae_runs_dispatch(inbox, &run);
    runs++;
  }
  return runs;
}

/* The event goes on waiting, for somebody may mend it. */
static bool unreadable (ae_inbox *inbox, int64_t sequence) {
  if (ae_map_get(&inbox->unreadable, (uint64_t)sequence) != NULL) return true;
  if (!ae_map_reserve(&inbox->unreadable, 1)) return false;
  ae_map_put(&inbox->unreadable, (uint64_t)sequence, 1);
  inbox->options.unreadable(inbox->options.context, sequence);
  return true;
}

static int64_t wall_ms (void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* An event with runs under way or owed: one that was put back by hand goes
** out beside them. */
static bool scan_known (ae_inbox *inbox, const ae_store_event *event) {
  size_t runs, count;
  bool any;
  uint64_t *known;
  if (!ae_store_any_due(inbox->store, event->sequence, wall_ms(), &any)) return false;
  if (!any) return true;
  if (!ae_runs_match(inbox, event->body, &count)) return false;
  if (count == AE_MATCH_UNREADABLE) return unreadable(inbox, event->sequence);
  if (!look_up(inbox, event->sequence, count)) return false;
  runs = resume(inbox, event, count, true);
  known = ae_map_get(&inbox->unsettled, (uint64_t)event->sequence);
  if (known != NULL) *known += runs;
  return true;
}

static bool scan_event (ae_inbox *inbox, const ae_store_event *event) {
  size_t runs, count;
  if (ae_map_get(&inbox->unsettled, (uint64_t)event->sequence) != NULL)
    return scan_known(inbox, event);
  if (!ae_map_reserve(&inbox->unsettled, 1) ||
      !ae_room(&inbox->finished, &inbox->finished_capacity, inbox->finished_count + 1,
               sizeof *inbox->finished) ||
      !ae_runs_match(inbox, event->body, &count))
    return false;
  if (count == AE_MATCH_UNREADABLE) return unreadable(inbox, event->sequence);
  if (!look_up(inbox, event->sequence, count)) return false;
  runs = resume(inbox, event, count, false);
  if (runs > 0) ae_map_put(&inbox->unsettled, (uint64_t)event->sequence, runs);
  else inbox->finished[inbox->finished_count++] = event->sequence;
  return true;
}

/* Events that nobody waits for any more leave the table of waiting ones. */
static bool finish (ae_inbox *inbox) {
  bool fine = inbox->finished_count == 0 || ae_store_begin(inbox->store);
  pthread_mutex_lock(&inbox->lock);
  inbox->counts.unreadable = inbox->unreadable.count;
  pthread_mutex_unlock(&inbox->lock);
  if (inbox->finished_count == 0) return true;
  for (size_t i = 0; fine && i < inbox->finished_count; i++)
    fine = ae_store_finish(inbox->store, inbox->finished[i]);
  fine = fine && ae_store_commit(inbox->store);
  if (!fine) return false;
  pthread_mutex_lock(&inbox->lock);
  inbox->counts.waiting -= inbox->finished_count < inbox->counts.waiting
                             ? inbox->finished_count
                             : inbox->counts.waiting;
  pthread_mutex_unlock(&inbox->lock);
  return true;
}

/* What was not finished is scanned again; runs that are out already go on. */
static bool failed (ae_inbox *inbox, int64_t from) {
  ae_error error;
  inbox->cursor = from;
  (void)ae_store_explain(inbox->store, &error);
  ae_store_waiting_end(inbox->store);
  ae_store_rollback(inbox->store);
  ae_inbox_judge(inbox, &error);
  inbox->options.dispatched(inbox->options.context);
  return false;
}

bool ae_runs_scan (ae_inbox *inbox) {
  ae_store_event event;
  int more, seen = 0;
  const int64_t from = inbox->cursor;
  inbox->finished_count = 0;
  ae_store_waiting_from(inbox->store, inbox->cursor, SCAN_EVENTS);
  while ((more = ae_store_waiting_next(inbox->store, &event)) == 1) {
    if (!scan_event(inbox, &event)) return failed(inbox, from);
    inbox->cursor = event.sequence;
    seen++;
  }
  if (more < 0) return failed(inbox, from);
  ae_store_waiting_end(inbox->store);
  if (!finish(inbox)) return failed(inbox, from);
  inbox->scanning = seen == SCAN_EVENTS;
  inbox->options.dispatched(inbox->options.context);
  return true;
}
