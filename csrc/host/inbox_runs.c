/*
** inbox_runs.c: which rules want an event, and when their runs go out.
**
** A run goes out when its event is durable and its lane has room; else its
** lane owes it. An event is in `unsettled` with the number of its runs that
** have no final verdict, gone out or owed, and in the table `waiting` until
** there is none. Waiting events that are not in `unsettled` are found by a
** scan, in order; while it goes on, new events are left to it, so that
** they do not overtake.
*/
#include "inbox_private.h"

#include <stdlib.h>

#define SCAN_EVENTS 256

bool ae_runs_match (ae_inbox *inbox, ae_slice body, size_t *count) {
  void *context = inbox->options.context;
  *count = inbox->options.match(context, body, inbox->rules, inbox->rule_capacity);
  if (*count <= inbox->rule_capacity) return true;
  if (!ae_room(&inbox->rules, &inbox->rule_capacity, *count, sizeof(ae_slice)))
    return false;
  *count = inbox->options.match(context, body, inbox->rules, inbox->rule_capacity);
  if (*count > inbox->rule_capacity) *count = inbox->rule_capacity;
  return true;
}

static void hand_out (ae_inbox *inbox, ae_lane *lane, const ae_run *run) {
  lane->under_way++;
  inbox->options.dispatch(inbox->options.context, run);
}

/* Without memory for the lane the run is out of reach until the next start:
** it is counted as unsettled, so its event stays in the file. */
void ae_runs_dispatch (ae_inbox *inbox, const ae_run *run) {
  ae_lane *lane = ae_lanes_get(&inbox->lanes, run->rule);
  if (lane == NULL) return;
  if (lane->count == 0 && lane->under_way < inbox->options.runs_limit)
    hand_out(inbox, lane, run);
  else
    (void)ae_lane_owe(lane, run->sequence);
}

/* The oldest event that is owed. False: the file does not give it now. */
static bool pay (ae_inbox *inbox, ae_lane *lane) {
  int64_t sequence = lane->owed[lane->first];
  ae_slice rule = { lane->rule, lane->length };
  ae_store_event event;
  ae_store_run known;
  int found = ae_store_event_find(&inbox->store, sequence, &event);
  if (found == 1 && ae_store_run_find(&inbox->store, sequence, rule, &known)) {
    ae_run run = { sequence, event.received, event.body, event.subscription,
                   rule, known.attempt, known.due };
    hand_out(inbox, lane, &run);
  } else if (found != 0) {
    ae_store_event_end(&inbox->store);
    return false;
  }
  (void)ae_lane_take(lane);
  ae_store_event_end(&inbox->store);
  return true;
}

/* Half a lane at a time: fewer reads in between. */
void ae_runs_settled (ae_inbox *inbox, ae_slice rule) {
  ae_lane *lane = ae_lanes_get(&inbox->lanes, rule);
  if (lane == NULL) return;
  if (lane->under_way > 0) lane->under_way--;
  if (lane->under_way > inbox->options.runs_limit / 2) return;
  while (lane->count > 0 && lane->under_way < inbox->options.runs_limit)
    if (!pay(inbox, lane)) return;
}

/* What the file knows of the event's runs, in inbox->known. */
static bool look_up (ae_inbox *inbox, int64_t sequence, size_t count) {
  if (!ae_room(&inbox->known, &inbox->known_capacity, count, sizeof *inbox->known))
    return false;
  for (size_t i = 0; i < count; i++)
    if (!ae_store_run_find(&inbox->store, sequence, inbox->rules[i],
                           &inbox->known[i]))
      return false;
  return true;
}

/* Runs of a waiting event that have no final verdict go out; their number. */
static size_t resume (ae_inbox *inbox, const ae_store_event *event, size_t count) {
  size_t runs = 0;
  for (size_t i = 0; i < count; i++) {
    const ae_store_run *known = &inbox->known[i];
    ae_run run = { event->sequence, event->received, event->body,
                   event->subscription, inbox->rules[i], known->attempt,
                   known->due };
    if (known->settled) continue;
    ae_runs_dispatch(inbox, &run);
    runs++;
  }
  return runs;
}

static bool scan_event (ae_inbox *inbox, const ae_store_event *event) {
  size_t runs, count;
  if (ae_map_get(&inbox->unsettled, (uint64_t)event->sequence) != NULL)
    return true;
  if (!ae_map_reserve(&inbox->unsettled, 1) ||
      !ae_room(&inbox->finished, &inbox->finished_capacity,
               inbox->finished_count + 1, sizeof *inbox->finished) ||
      !ae_runs_match(inbox, event->body, &count) ||
      !look_up(inbox, event->sequence, count))
    return false;
  runs = resume(inbox, event, count);
  if (runs > 0)
    ae_map_put(&inbox->unsettled, (uint64_t)event->sequence, runs);
  else
    inbox->finished[inbox->finished_count++] = event->sequence;
  return true;
}

/* Events that nobody waits for any more leave the table of waiting ones. */
static bool finish (ae_inbox *inbox) {
  bool fine = inbox->finished_count == 0 || ae_store_begin(&inbox->store);
  if (inbox->finished_count == 0) return true;
  for (size_t i = 0; fine && i < inbox->finished_count; i++)
    fine = ae_store_finish(&inbox->store, inbox->finished[i]);
  fine = fine && ae_store_commit(&inbox->store);
  if (!fine) return false;
  pthread_mutex_lock(&inbox->lock);
  inbox->counts.waiting -= inbox->finished_count < inbox->counts.waiting
                             ? inbox->finished_count : inbox->counts.waiting;
  pthread_mutex_unlock(&inbox->lock);
  return true;
}

/* What was not finished is scanned again. */
static bool failed (ae_inbox *inbox, int64_t from) {
  ae_error error;
  inbox->cursor = from;
  (void)ae_store_explain(&inbox->store, &error);
  ae_store_waiting_end(&inbox->store);
  ae_store_rollback(&inbox->store);
  ae_inbox_judge(inbox, &error);
  return false;
}

bool ae_runs_scan (ae_inbox *inbox) {
  ae_store_event event;
  int more, seen = 0;
  const int64_t from = inbox->cursor;
  inbox->finished_count = 0;
  ae_store_waiting_from(&inbox->store, inbox->cursor, SCAN_EVENTS);
  while ((more = ae_store_waiting_next(&inbox->store, &event)) == 1) {
    if (!scan_event(inbox, &event)) return failed(inbox, from);
    inbox->cursor = event.sequence;
    seen++;
  }
  if (more < 0) return failed(inbox, from);
  ae_store_waiting_end(&inbox->store);
  if (!finish(inbox)) return failed(inbox, from);
  inbox->scanning = seen == SCAN_EVENTS;
  inbox->options.dispatched(inbox->options.context);
  return true;
}
