/*
** runs.c: the path of a run: into its line, into the backlog, dispatch to a
** worker, and its end. See private.h for the places where a run may be.
*/
#include "inbox/private.h"

#include <assert.h>

#define PART 64 /* runs of a lane that are dispatched in one turn of the writer */

bool ae_runs_match (ae_inbox *inbox, ae_slice body, const ae_event *event, size_t *count) {
  void *context = inbox->options.context;
  *count = inbox->options.match(context, body, event, inbox->rules, inbox->rule_capacity);
  if (*count <= inbox->rule_capacity || *count == AE_MATCH_UNREADABLE) return true;
  if (*count == AE_MATCH_MEMORY) return false;
  if (!ae_room(&inbox->rules, &inbox->rule_capacity, *count, sizeof(ae_slice))) return false;
  *count = inbox->options.match(context, body, event, inbox->rules, inbox->rule_capacity);
  if (*count == AE_MATCH_MEMORY) return false;
  if (*count != AE_MATCH_UNREADABLE && *count > inbox->rule_capacity)
    *count = inbox->rule_capacity;
  return true;
}

bool ae_runs_join (ae_inbox *inbox, size_t count) {
  inbox->names.length = 0;
  for (size_t i = 0; i < count; i++)
    if ((i > 0 && !ae_copy_add(&inbox->names, AE_LITERAL("\n"))) ||
        !ae_copy_add(&inbox->names, inbox->rules[i]))
      return false;
  return true;
}

bool ae_runs_note_memory (ae_inbox *inbox, ae_slice rule) {
  ae_lane *lane = ae_lanes_get(&inbox->lanes, rule);
  if (lane == NULL) return false;
  lane->remembers = true;
  return true;
}

/* Puts a run into its lane's backlog. Without memory the run is in the file only:
** the rebuild finds it again. */
static void push (ae_inbox *inbox, ae_lane *lane, int64_t sequence, uint64_t line) {
  if (!ae_lanes_push(&inbox->lanes, lane, (ae_lane_item){sequence, line}))
    inbox->rebuild = true;
}

/* Puts a run into its line. True: it may start, as the head or without a line. */
static bool enter (ae_inbox *inbox, ae_lane *lane, int64_t sequence, uint64_t line) {
  ae_line_place place;
  if (line == 0) return true;
  place = ae_lines_enter(&inbox->lines, line, sequence, lane);
  if (place == AE_LINE_NO_ROOM) inbox->rebuild = true;
  return place == AE_LINE_HEAD;
}

void ae_runs_admit (ae_inbox *inbox, ae_lane *lane, int64_t sequence, uint64_t line) {
  if (enter(inbox, lane, sequence, line)) push(inbox, lane, sequence, line);
}

/* Removes a run from its line; the next run of the line may start. */
static void leave (ae_inbox *inbox, int64_t sequence, uint64_t line) {
  int64_t next;
  void *owner;
  if (ae_lines_leave(&inbox->lines, line, sequence, &next, &owner))
    push(inbox, owner, next, line);
}

/* How many runs of the lane may be in flight: at least one. */
static size_t window_of (const ae_inbox *inbox, const ae_lane *lane) {
  const ae_inbox_options *options = &inbox->options;
  size_t at_once = options->at_once == NULL
                     ? 0
                     : options->at_once(options->context, ae_lane_rule(lane));
  return at_once == 0 || at_once > options->runs_limit ? options->runs_limit : at_once;
}

static bool has_room (const ae_inbox *inbox, ae_lane *lane) {
  if (lane->window == 0) lane->window = window_of(inbox, lane);
  return lane->in_flight < lane->window && lane->bytes < inbox->options.bytes_limit;
}

/* Dispatches a run. False: no memory. */
static bool launch (ae_inbox *inbox, ae_lane *lane, ae_run *run) {
  ae_flight flight = {.sequence = run->sequence, .lane = lane, .line = run->line};
  const ae_flight *added;
  size_t worker;
  flight.began = ae_inbox_now(inbox);
  flight.since = run->since == 0 ? flight.began : run->since;
  flight.tries = run->tries;
  flight.bytes = run->body.length;
  added = ae_flights_add(&inbox->flights, &flight);
  if (added == NULL) return false;
  run->claim = added->claim;
  worker = inbox->options.dispatch(inbox->options.context, run);
  if (worker == AE_NO_WORKER) {
    ae_flights_remove(&inbox->flights, run->sequence, lane->hash);
    return false;
  }
  ae_flights_assign(&inbox->flights, run->sequence, lane->hash, worker);
  lane->in_flight++;
  lane->bytes += flight.bytes;
  return true;
}

void ae_runs_admit_new (ae_inbox *inbox, const ae_plan *plan) {
  const ae_work *work = plan->work;
  ae_lane *lane = ae_lanes_get(&inbox->lanes, plan->rule);
  ae_run run = {.sequence = work->sequence,
                .received = work->time,
                .body = work->body,
                .subscription = work->subscription,
                .rule = plan->rule,
                .repeats = work->repeats,
                .line = plan->line};
  if (lane != NULL) run.fresh = !lane->remembers;
  if (lane == NULL) {
    inbox->rebuild = true;
    return;
  }
  if (!enter(inbox, lane, run.sequence, run.line)) return;
  if (lane->count > 0 || !has_room(inbox, lane) || !launch(inbox, lane, &run))
    push(inbox, lane, run.sequence, run.line);
}

/* Ends a flight; returns a copy of it. */
static ae_flight land (ae_inbox *inbox, const ae_flight *flight) {
  const ae_flight landed = *flight;
  ae_lane *lane = landed.lane;
  assert(lane->in_flight > 0 && lane->bytes >= landed.bytes);
  lane->in_flight--;
  lane->bytes -= landed.bytes;
  ae_flights_remove(&inbox->flights, landed.sequence, lane->hash);
  return landed;
}

const ae_flight *ae_runs_flight (ae_inbox *inbox, const ae_work *work) {
  const ae_lane *lane = ae_lanes_get(&inbox->lanes, work->rule);
  const ae_flight *flight = lane == NULL
                              ? NULL
                              : ae_flights_find(&inbox->flights, work->sequence, lane->hash);
  return flight != NULL && flight->claim == work->claim ? flight : NULL;
}

/* From now on the file alone holds the run, until it is due. */
static void fall_asleep (ae_inbox *inbox, int64_t sequence, uint64_t line, int64_t due) {
  ae_lines_sleep(&inbox->lines, line, sequence);
  if (due < inbox->next_due) inbox->next_due = due;
}

/* The same for a run that stands in no line meanwhile: a timer, or held aside. */
static void step_out (ae_inbox *inbox, int64_t sequence, uint64_t line, int64_t due) {
  leave(inbox, sequence, line);
  if (due < inbox->next_due) inbox->next_due = due;
}

/* A run waits for its time again. */
static void wait_again (ae_inbox *inbox, int64_t sequence, uint64_t line,
                        const ae_store_run *run) {
  if (run->free) step_out(inbox, sequence, line, run->due);
  else fall_asleep(inbox, sequence, line, run->due);
}

void ae_runs_settled (ae_inbox *inbox, const ae_work *work) {
  const ae_flight *flight = ae_runs_flight(inbox, work);
  if (flight == NULL) return;
  (void)land(inbox, flight);
  if (!work->changed || ae_run_state_is_final(work->run_state)) {
    leave(inbox, work->sequence, work->line);
    return;
  }
  if (ae_work_is_aside(work)) {
    step_out(inbox, work->sequence, work->line, work->due);
    return;
  }
  fall_asleep(inbox, work->sequence, work->line, work->due);
}

/* The run was taken back by an act, which is in the file, or because its rule is
** gone: then the run is abandoned when its turn in the backlog comes. */
void ae_runs_released (ae_inbox *inbox, const ae_work *work) {
  const ae_flight *flight = ae_runs_flight(inbox, work);
  ae_store_run run;
  ae_flight landed;
  if (flight == NULL) return;
  landed = land(inbox, flight);
  if (!ae_store_run_find(inbox->store, work->sequence, work->rule, &run))
    run.state = AE_RUN_NONE; /* the backlog asks the file again */
  if (run.state == AE_RUN_NONE && landed.sequence > inbox->begun)
    inbox->begun = landed.sequence;
  if (ae_run_state_is_final(run.state)) leave(inbox, landed.sequence, landed.line);
  else if (run.state != AE_RUN_NONE && run.due > inbox->horizon)
    wait_again(inbox, landed.sequence, landed.line, &run);
  else push(inbox, landed.lane, landed.sequence, landed.line);
}

void ae_runs_end (ae_inbox *inbox, ae_lane *lane, int64_t sequence, uint64_t line) {
  if (ae_flights_find(&inbox->flights, sequence, lane->hash) != NULL)
    ae_flights_recall(&inbox->flights, sequence, lane->hash);
  else leave(inbox, sequence, line);
}

static bool wants (ae_inbox *inbox, size_t count, ae_slice rule) {
  for (size_t i = 0; i < count; i++)
    if (ae_slice_equal(inbox->rules[i], rule)) return true;
  return false;
}

typedef enum taken {
  GONE_OUT, /* it was dispatched, or is in flight or not due: out of the backlog */
  ENDED,    /* it is over: out of its line too */
  UNWANTED, /* the rules in force do not want the event */
  STUCK     /* no memory, or the store fails: it stays in the backlog */
} taken;

/* Dispatches the oldest run of the backlog if it is still to run. */
static taken take (ae_inbox *inbox, ae_lane *lane, ae_lane_item item,
                   const ae_store_event *event) {
  ae_store_run known;
  ae_store_entry entry = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
  ae_run run;
  size_t count;
  int64_t repeats;
  if (!ae_store_run_find(inbox->store, item.sequence, ae_lane_rule(lane), &known))
    return STUCK;
  if (ae_run_state_is_final(known.state)) return ENDED;
  if (ae_flights_find(&inbox->flights, item.sequence, lane->hash) != NULL) return GONE_OUT;
  if (known.state != AE_RUN_NONE && known.due > inbox->horizon) {
    wait_again(inbox, item.sequence, item.line, &known);
    return GONE_OUT;
  }
  if (!ae_runs_match(inbox, event->body, NULL, &count) ||
      !ae_meanings_repeats(&inbox->meanings, inbox->store, item.sequence, &repeats))
    return STUCK;
  if (count == AE_MATCH_UNREADABLE || !wants(inbox, count, ae_lane_rule(lane)))
    return UNWANTED;
  if (known.state != AE_RUN_NONE &&
      ae_store_entry_find(inbox->store, item.sequence, ae_lane_rule(lane), &entry) < 0)
    return STUCK;
  run = (ae_run){.sequence = event->sequence,
                 .received = event->received,
                 .body = event->body,
                 .subscription = event->subscription,
                 .rule = ae_lane_rule(lane),
                 .attempt = known.attempt,
                 .tries = known.tries,
                 .since = known.since,
                 .due = known.due,
                 .repeats = repeats,
                 .line = item.line,
                 .entry = entry.entry,
                 .timer = entry.timer,
                 .cause = entry.cause};
  run.fresh = known.state == AE_RUN_NONE && event->sequence > inbox->begun && !lane->remembers;
  return launch(inbox, lane, &run) ? GONE_OUT : STUCK;
}

/* Handles the oldest run of the backlog. False: no memory, or the store fails. */
static bool fill_one (ae_inbox *inbox, ae_lane *lane) {
  const ae_lane_item item = ae_lane_first(lane);
  ae_store_event event;
  int found = ae_store_event_find(inbox->store, item.sequence, &event);
  taken what = found < 0 ? STUCK : found == 0 ? ENDED : take(inbox, lane, item, &event);
  ae_store_event_end(inbox->store);
  ae_store_entry_end(inbox->store);
  if (what == STUCK) return false;
  ae_lanes_pop(&inbox->lanes, lane);
  if (what != GONE_OUT) leave(inbox, item.sequence, item.line);
  if (what == UNWANTED) ae_scan_visit(inbox, item.sequence, lane);
  return true;
}

bool ae_runs_fill (ae_inbox *inbox) {
  bool more = false;
  if (inbox->lanes.backlog == 0) return false;
  for (ae_lane *lane = inbox->lanes.all; lane != NULL; lane = lane->next_lane) {
    int part = PART;
    while (part > 0 && lane->count > 0 && has_room(inbox, lane)) {
      if (!fill_one(inbox, lane)) return false;
      part--;
    }
    more |= lane->count > 0 && has_room(inbox, lane);
  }
  return more;
}

static void tell_workers (ae_inbox *inbox) {
  size_t at = 0;
  const ae_flight *flight;
  while (inbox->flights.recalled > 0 &&
         (flight = ae_flights_next(&inbox->flights, &at)) != NULL) {
    if (flight->holds || flight->told) continue;
    if (!inbox->options.cancel(inbox->options.context, flight->worker, flight->sequence,
                               ae_lane_rule(flight->lane), flight->claim))
      return;
    ae_flights_told(&inbox->flights, flight);
  }
}

/* Reports abandoned runs, once for each rule, when the scan is complete. */
static void tell_abandoned (ae_inbox *inbox) {
  if (!inbox->forgetful || inbox->scanning || inbox->visit_count > 0) return;
  inbox->forgetful = false;
  for (ae_lane *lane = inbox->lanes.all; lane != NULL; lane = lane->next_lane) {
    if (lane->abandoned == 0) continue;
    inbox->options.abandoned(
      inbox->options.context, ae_lane_rule(lane), lane->abandoned,
      !inbox->options.in_force(inbox->options.context, ae_lane_rule(lane)));
    lane->abandoned = 0;
  }
}

void ae_runs_tell (ae_inbox *inbox) {
  tell_workers(inbox);
  tell_abandoned(inbox);
}
