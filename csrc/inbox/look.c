/*
** look.c: the writer's periodic checks: runs that are due, acts by hand, a clock
** that was set back, a file that works again.
*/
#include "inbox/private.h"

#define LOOK_MS 200   /* between two looks for changes by other programs */
#define MOVED_MS 1000 /* between two checks that the file is still under its name */
#define CLOCK_BACK_MS 1000
#define DUE_RUNS 256
#define ACTS 256
#define OLDEST 8192 /* events searched for the oldest in one step */

bool ae_look_numbers (ae_inbox *inbox) {
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

/* Runs that are due. */

/* Computes the line of a run that was put back by hand: the file does not have it.
** False: the event cannot be read, the line is not known. */
static bool line_of (ae_inbox *inbox, int64_t sequence, ae_slice rule, uint64_t *line) {
  ae_store_event event;
  int found = ae_store_event_find(inbox->store, sequence, &event);
  *line = 0;
  if (found == 1) *line = inbox->options.line(inbox->options.context, event.body, NULL, rule);
  ae_store_event_end(inbox->store);
  return found == 1;
}

static bool take_up (ae_inbox *inbox, const ae_store_due *due) {
  ae_lane *lane = ae_lanes_get(&inbox->lanes, due->rule);
  uint64_t line = due->line;
  inbox->due_rule.length = 0;
  if (lane == NULL || !ae_copy_add(&inbox->due_rule, due->rule)) return false;
  if (due->has_line || line_of(inbox, due->sequence, due->rule, &line))
    ae_runs_admit(inbox, lane, due->sequence, line);
  inbox->due = *due;
  inbox->due.rule = ae_copy_slice(&inbox->due_rule);
  return true;
}

/* All runs that are due by the horizon are in memory: looks up the next due time. */
static bool reached (ae_inbox *inbox) {
  inbox->more_due = false;
  inbox->due = (ae_store_due){.due = inbox->horizon, .sequence = INT64_MAX};
  return ae_store_next_due(inbox->store, inbox->horizon, &inbox->next_due);
}

static bool take_up_part (ae_inbox *inbox) {
  ae_store_due due;
  int more, count = 0;
  ae_store_due_from(inbox->store, inbox->horizon, &inbox->due, DUE_RUNS);
  while ((more = ae_store_due_next(inbox->store, &due)) == 1) {
    if (!take_up(inbox, &due)) break;
    count++;
  }
  ae_store_due_end(inbox->store);
  if (more != 0) return false;
  return count == DUE_RUNS || reached(inbox);
}

bool ae_look_due (ae_inbox *inbox) {
  const int64_t now = ae_inbox_now(inbox);
  if (inbox->loaded != INT64_MAX) return false; /* the scan finds them */
  if (!inbox->more_due) {
    if (now < inbox->next_due || now <= inbox->horizon) return false;
    inbox->horizon = now;
    inbox->more_due = true;
  }
  if (take_up_part(inbox)) return inbox->more_due;
  ae_inbox_failed(inbox);
  return false;
}

/* Acts by hand. The command has changed the runs in the file already; here memory
** and the workers follow. */

/* An act that concerns a rule, and no run of it. */
static void apply_to_rule (ae_inbox *inbox) {
  if (inbox->options.forced != NULL) inbox->options.forced(inbox->options.context);
}

static bool apply (ae_inbox *inbox, const ae_store_act *act) {
  ae_lane *lane = ae_lanes_get(&inbox->lanes, act->rule);
  const ae_flight *flight;
  ae_store_run run;
  uint64_t line;
  if (lane == NULL || !ae_store_run_find(inbox->store, act->sequence, act->rule, &run))
    return false;
  if (run.state == AE_RUN_NONE) return true;
  flight = ae_flights_find(&inbox->flights, act->sequence, lane->hash);
  if (flight != NULL) { /* a run dispatched after the act goes on */
    if (ae_run_state_is_final(run.state) || flight->began < act->time)
      ae_flights_recall(&inbox->flights, act->sequence, lane->hash);
    return true;
  }
  line = run.line;
  if (!run.has_line && !line_of(inbox, act->sequence, act->rule, &line)) return true;
  if (ae_run_state_is_final(run.state)) ae_runs_end(inbox, lane, act->sequence, line);
  else if (run.due <= inbox->horizon) ae_runs_admit(inbox, lane, act->sequence, line);
  else if (run.due < inbox->next_due) inbox->next_due = run.due;
  return true;
}

/* Applies a part of the new acts. False: the store fails or there is no memory;
** the acts are applied again later. */
static bool apply_acts (ae_inbox *inbox, int *count) {
  ae_store_act act;
  int more;
  *count = 0;
  ae_store_acts_from(inbox->store, inbox->act, ACTS);
  while ((more = ae_store_acts_next(inbox->store, &act)) == 1) {
    if (act.sequence == 0) apply_to_rule(inbox);
    else if (act.sequence <= inbox->loaded && act.rule.data != NULL && !apply(inbox, &act))
      break;
    inbox->act = act.number;
    ++*count;
  }
  ae_store_acts_end(inbox->store);
  return more == 0;
}

static bool all_acts (ae_inbox *inbox) {
  int count;
  do {
    if (!apply_acts(inbox, &count)) return false;
  } while (count == ACTS);
  return true;
}

/* Tries a write, and sets the health by its outcome. */
static void probe (ae_inbox *inbox) {
  if (ae_store_begin(inbox->store) && ae_store_touch(inbox->store) &&
      ae_store_commit(inbox->store))
    ae_inbox_set_health(inbox, NULL);
  else ae_inbox_failed(inbox);
}

/* Searches a part of the events for the oldest, for the metrics. When the file
** cannot be read, the last result stays. */
static void look_at_oldest (ae_inbox *inbox) {
  int64_t oldest = 0;
  int found = ae_store_oldest(inbox->store, &inbox->oldest_from, ae_inbox_now(inbox), OLDEST,
                              &oldest);
  if (found < 0 || inbox->oldest_from != 0) return; /* the search goes on in a second */
  pthread_mutex_lock(&inbox->lock);
  inbox->counts.oldest = oldest;
  pthread_mutex_unlock(&inbox->lock);
}

static void look_at_file (ae_inbox *inbox, int64_t now) {
  if (now - inbox->moved < MOVED_MS) return;
  inbox->moved = now;
  if (!inbox->options.manual) look_at_oldest(inbox);
  ae_timers_look(inbox);
  if (ae_inbox_health(inbox, NULL) != AE_OK || ae_store_moved(inbox->store)) probe(inbox);
}

void ae_look (ae_inbox *inbox) {
  const int64_t now = ae_clock_steady_ms(inbox->options.clock);
  int64_t version;
  if (inbox->options.manual ? !inbox->look : now - inbox->looked < LOOK_MS) return;
  inbox->looked = now;
  inbox->look = false;
  if (ae_inbox_now(inbox) < inbox->horizon - CLOCK_BACK_MS) inbox->rebuild = true;
  look_at_file(inbox, now);
  if (!ae_store_number_read(inbox->store, AE_NUMBER_VERSION, &version)) return;
  if (version == inbox->version) return;
  if (!all_acts(inbox) || !ae_look_numbers(inbox)) return;
  inbox->version = version;
  ae_scan_unreadable(inbox);
}
