/*
** scan.c: the scan matches all waiting events with the rules in force. At the
** start memory holds no runs; after a reload it holds the runs of the earlier
** rules. Both cases end in the same way:
**
**     the rule wanted the event,          its run is abandoned
**     and does not any more
**     the rule wants the event,           the rule takes the event over if another
**     and did not before                  rule abandoned it; else it is too late
**     every run of the event is over      the event waits no more
**
** An event belongs to the rules that were in force when it came. A new rule gets
** no runs of earlier events, except those that another rule abandoned. For each
** waiting event the file holds the names of the rules that have the event and,
** each behind a tab, the names of the rules that came too late for it.
**
** The scan goes in parts, each one transaction, between the writer's groups. At
** the start new events are left to the scan, so that they do not overtake.
*/
#include "inbox/private.h"

#include <assert.h>
#include <stdlib.h>

#define LATE '\t' /* before the name of a rule that came too late for the event */

/* The state of the scan for one event. */
typedef struct sight {
  int64_t sequence, runs, now;
  const ae_lane *lost;
  bool loading; /* memory does not hold its runs */
  bool known;   /* `before` is known */
  bool left;    /* a rule that had the event abandons it to others */
} sight;

/* Cuts the first line off. False: there is none. */
static bool next_name (ae_slice *names, ae_slice *name) {
  const char *end;
  if (names->length == 0) return false;
  end = memchr(names->data, '\n', names->length);
  name->data = names->data;
  name->length = end == NULL ? names->length : (size_t)(end - names->data);
  names->data += name->length + (end != NULL);
  names->length -= name->length + (end != NULL);
  return true;
}

static bool has_name (ae_slice names, ae_slice wanted) {
  ae_slice name;
  while (next_name(&names, &name))
    if (ae_slice_equal(name, wanted)) return true;
  return false;
}

/* Whether the name stands behind a tab. */
static bool has_late_name (ae_slice names, ae_slice wanted) {
  ae_slice name;
  while (next_name(&names, &name))
    if (name.length == wanted.length + 1 && name.data[0] == LATE &&
        memcmp(name.data + 1, wanted.data, wanted.length) == 0)
      return true;
  return false;
}

static uint64_t line_of (const ae_inbox *inbox, ae_slice rule) {
  return inbox->options.line(inbox->options.context, ae_copy_slice(&inbox->body), NULL, rule);
}

/* The due time, corrected when the clock was set back: no run waits longer than
** was asked for. A timer is for a time of the clock, and is not corrected. */
static int64_t due_by_clock (const ae_store_run *run, int64_t now) {
  if (run->changed <= now) return run->due;
  return run->due - run->changed < run->due - now ? now + (run->due - run->changed) : run->due;
}

/* Puts a run to sleep, at the head of its line, until it is due. False: the store
** fails. */
static bool put_to_sleep (ae_inbox *inbox, const sight *event, ae_lane *lane,
                          const ae_store_run *run, int64_t due) {
  uint64_t line = run->has_line ? run->line : line_of(inbox, ae_lane_rule(lane));
  if (line != 0 && !ae_lines_block(&inbox->lines, line, event->sequence))
    inbox->rebuild = true;
  if (run->has_line && due == run->due) return true;
  return ae_store_redue(inbox->store, event->sequence, ae_lane_rule(lane), due,
                        due == run->due ? run->changed : event->now, line);
}

/* Takes a run that is not over into memory: into its line and backlog, or asleep
** until it is due. A timer waits in the file only. False: the store fails. */
static bool resume (ae_inbox *inbox, const sight *event, ae_lane *lane,
                    const ae_store_run *run) {
  int64_t due = run->free ? run->due : due_by_clock(run, event->now);
  if (ae_flights_find(&inbox->flights, event->sequence, lane->hash) != NULL) return true;
  if (run->state == AE_RUN_NONE || due <= inbox->horizon) {
    uint64_t line = run->has_line ? run->line : line_of(inbox, ae_lane_rule(lane));
    ae_runs_admit(inbox, lane, event->sequence, line);
    return true;
  }
  if (due < inbox->next_due) inbox->next_due = due;
  return run->free || put_to_sleep(inbox, event, lane, run, due);
}

/* Whether the rule came too late for the event, of which it has no run yet. */
static bool is_late (const ae_inbox *inbox, const sight *event, ae_slice rule) {
  ae_slice before = ae_copy_slice(&inbox->before);
  if (!event->known || has_name(before, rule)) return false;
  return !event->left || has_late_name(before, rule);
}

/* Adds the rule to the list of those that have the event, or came too late for it.
** False: no memory. */
static bool note (ae_inbox *inbox, ae_slice rule, bool late) {
  const char mark = LATE;
  return (inbox->having.length == 0 || ae_copy_add(&inbox->having, AE_LITERAL("\n"))) &&
         (!late || ae_copy_add(&inbox->having, (ae_slice){&mark, 1})) &&
         ae_copy_add(&inbox->having, rule);
}

static bool look_at_wanted (ae_inbox *inbox, sight *event, ae_slice rule) {
  ae_lane *lane = ae_lanes_get(&inbox->lanes, rule);
  ae_store_run run;
  bool held; /* memory has the run already */
  bool late;
  if (lane == NULL || !ae_store_run_find(inbox->store, event->sequence, rule, &run))
    return false;
  late = run.state == AE_RUN_NONE && is_late(inbox, event, rule);
  if (!note(inbox, rule, late)) return false;
  if (late || ae_run_state_is_final(run.state)) return true;
  event->runs++;
  held = !event->loading && lane != event->lost && event->known &&
         has_name(ae_copy_slice(&inbox->before), rule);
  return held || resume(inbox, event, lane, &run);
}

/* Abandons a run whose rule is gone or does not want the event any more. */
static bool abandon (ae_inbox *inbox, const sight *event, ae_slice rule) {
  const ae_slice gone = AE_LITERAL("no rule of this name is in force: it was renamed, "
                                   "removed or switched off");
  const ae_slice unwanted = AE_LITERAL("the rule does not want this event any more");
  ae_lane *lane = ae_lanes_get(&inbox->lanes, rule);
  bool changed, there = inbox->options.in_force(inbox->options.context, rule);
  ae_store_run run;
  if (lane == NULL || !ae_store_run_find(inbox->store, event->sequence, rule, &run) ||
      !ae_store_abandon(inbox->store, event->sequence, rule, there ? unwanted : gone,
                        event->now, &changed))
    return false;
  if (!changed) return true;
  lane->abandoned++;
  inbox->forgetful = true;
  ae_runs_end(inbox, lane, event->sequence, run.has_line ? run.line : line_of(inbox, rule));
  return true;
}

/* Sets event->left when a rule had the event, does not want it now, and its run is
** not over. False: the store fails. */
static bool find_left (ae_inbox *inbox, sight *event) {
  ae_slice before = ae_copy_slice(&inbox->before), name;
  ae_store_run run;
  while (next_name(&before, &name)) {
    if (name.length > 0 && name.data[0] == LATE) continue;
    if (has_name(ae_copy_slice(&inbox->names), name)) continue;
    if (!ae_store_run_find(inbox->store, event->sequence, name, &run)) return false;
    if (!ae_run_state_is_final(run.state)) event->left = true;
  }
  return true;
}

static bool look_at_unwanted (ae_inbox *inbox, sight *event) {
  ae_slice before = ae_copy_slice(&inbox->before), name;
  while (next_name(&before, &name)) {
    if (name.length > 0 && name.data[0] == LATE) continue;
    if (!has_name(ae_copy_slice(&inbox->names), name) && !abandon(inbox, event, name))
      return false;
  }
  return true;
}

/* A file of version 1 does not say which rules an event waits for: takes those
** that have a run which is not over. False: the store fails, or no memory. */
static bool find_before (ae_inbox *inbox, int64_t sequence) {
  ae_store_run run;
  ae_slice rule;
  int more;
  inbox->before.length = 0;
  ae_store_runs_from(inbox->store, sequence);
  while ((more = ae_store_runs_next(inbox->store, &rule, &run)) == 1) {
    if (ae_run_state_is_final(run.state)) continue;
    if ((inbox->before.length > 0 && !ae_copy_add(&inbox->before, AE_LITERAL("\n"))) ||
        !ae_copy_add(&inbox->before, rule))
      break;
  }
  ae_store_runs_end(inbox->store);
  return more == 0;
}

/* Reads a waiting event. Copies the row, because the scan changes it meanwhile. */
static int fetch (ae_inbox *inbox, sight *event, ae_store_waiting *waiting) {
  int found = ae_store_waiting_find(inbox->store, event->sequence, waiting);
  bool fine = true;
  inbox->body.length = inbox->before.length = 0;
  if (found == 1) {
    event->known = waiting->rules.data != NULL;
    fine = ae_copy_add(&inbox->body, waiting->event.body) &&
           (!event->known || ae_copy_add(&inbox->before, waiting->rules));
  }
  ae_store_waiting_end(inbox->store);
  if (found == 1 && !event->known) fine = fine && find_before(inbox, event->sequence);
  return fine ? found : -1;
}

/* Reports an event that cannot be parsed. It goes on waiting: somebody may mend
** it. False: no memory. */
static bool unreadable (ae_inbox *inbox, int64_t sequence) {
  const uint64_t *told = ae_map_get(&inbox->unreadable, (uint64_t)sequence);
  if (told != NULL && *told == 1) return true;
  if (!ae_map_reserve(&inbox->unreadable, 1)) return false;
  ae_map_put(&inbox->unreadable, (uint64_t)sequence, 1);
  inbox->options.unreadable(inbox->options.context, sequence);
  return true;
}

static bool write_down (ae_inbox *inbox, const sight *event, const ae_store_waiting *waiting,
                        bool same) {
  if (event->runs == 0) {
    pthread_mutex_lock(&inbox->lock);
    if (inbox->counts.waiting > 0) inbox->counts.waiting--;
    pthread_mutex_unlock(&inbox->lock);
    return ae_store_finish(inbox->store, event->sequence);
  }
  return (same && event->runs == waiting->runs) ||
         ae_store_rewait(inbox->store, event->sequence, event->runs,
                         ae_copy_slice(&inbox->having));
}

static bool scan_event (ae_inbox *inbox, int64_t sequence, const ae_lane *lost) {
  sight event = {.sequence = sequence, .now = ae_inbox_now(inbox), .lost = lost};
  ae_store_waiting waiting;
  size_t count;
  bool same;
  int found = fetch(inbox, &event, &waiting);
  if (found != 1) return found == 0;
  if (!ae_runs_match(inbox, ae_copy_slice(&inbox->body), NULL, &count)) return false;
  if (count == AE_MATCH_UNREADABLE) return unreadable(inbox, sequence);
  if (!ae_runs_join(inbox, count)) return false;
  event.loading = ae_map_remove(&inbox->unreadable, (uint64_t)sequence) ||
                  sequence > inbox->loaded;
  same = event.known &&
         ae_slice_equal(ae_copy_slice(&inbox->names), ae_copy_slice(&inbox->before));
  if (same && !event.loading && lost == NULL) return true;
  inbox->having.length = 0;
  if (event.known && !same && !find_left(inbox, &event)) return false;
  for (size_t i = 0; i < count; i++)
    if (!look_at_wanted(inbox, &event, inbox->rules[i])) return false;
  return (same || look_at_unwanted(inbox, &event)) &&
         write_down(inbox, &event, &waiting, same);
}

/* Scans some events, those out of turn first. False: the store fails. */
static bool scan_part (ae_inbox *inbox, int *seen) {
  int64_t list[AE_SCAN_EVENTS];
  *seen = 0;
  while (inbox->visit_count > 0 && (*seen)++ < AE_SCAN_EVENTS) {
    const ae_visit visit = inbox->visits[--inbox->visit_count];
    if (!scan_event(inbox, visit.sequence, visit.lost)) return false;
  }
  if (*seen > 0) return true;
  *seen = ae_store_waiting_list(inbox->store, inbox->cursor, list, AE_SCAN_EVENTS);
  for (int i = 0; i < *seen; i++) {
    if (!scan_event(inbox, list[i], NULL)) return false;
    inbox->cursor = list[i];
    if (inbox->loaded < list[i]) inbox->loaded = list[i];
  }
  if (*seen >= 0 && *seen < AE_SCAN_EVENTS) {
    inbox->scanning = false;
    inbox->loaded = INT64_MAX;
  }
  return *seen >= 0;
}

bool ae_scan_step (ae_inbox *inbox) {
  int seen;
  if (!ae_store_begin(inbox->store)) {
    ae_inbox_failed(inbox);
    return false;
  }
  if (!scan_part(inbox, &seen) || !ae_store_commit(inbox->store)) {
    ae_inbox_failed(inbox);
    inbox->rebuild = true; /* memory may hold runs that the file does not have */
    return false;
  }
  pthread_mutex_lock(&inbox->lock);
  inbox->counts.unreadable = inbox->unreadable.count;
  pthread_mutex_unlock(&inbox->lock);
  return true;
}

void ae_scan_visit (ae_inbox *inbox, int64_t sequence, const ae_lane *lost) {
  if (!ae_room(&inbox->visits, &inbox->visit_capacity, inbox->visit_count + 1,
               sizeof *inbox->visits)) {
    inbox->rebuild = true;
    return;
  }
  inbox->visits[inbox->visit_count++] = (ae_visit){sequence, lost};
}

void ae_scan_unreadable (ae_inbox *inbox) {
  for (size_t i = 0; i < inbox->unreadable.capacity; i++)
    if (inbox->unreadable.slots[i].key != 0)
      ae_scan_visit(inbox, (int64_t)inbox->unreadable.slots[i].key, NULL);
}

void ae_scan_rules (ae_inbox *inbox) {
  size_t at = 0;
  const ae_flight *flight;
  inbox->scanning = true;
  inbox->cursor = 0;
  ae_lanes_forget_windows(&inbox->lanes);
  for (size_t i = 0; i < inbox->unreadable.capacity; i++)
    inbox->unreadable.slots[i].value = 0; /* each is reported again */
  while ((flight = ae_flights_next(&inbox->flights, &at)) != NULL)
    if (!inbox->options.in_force(inbox->options.context, ae_lane_rule(flight->lane)))
      ae_flights_recall(&inbox->flights, flight->sequence, flight->lane->hash);
}

/* The lines of runs in flight stay blocked: these runs go on. */
void ae_scan_rebuild (ae_inbox *inbox) {
  size_t at = 0;
  const ae_flight *flight;
  inbox->rebuild = false;
  ae_lines_free(&inbox->lines);
  ae_lanes_clear(&inbox->lanes);
  inbox->visit_count = 0;
  inbox->scanning = true;
  inbox->cursor = inbox->loaded = 0;
  inbox->horizon = ae_inbox_now(inbox);
  inbox->next_due = INT64_MAX;
  inbox->more_due = false;
  inbox->due = (ae_store_due){.due = inbox->horizon, .sequence = INT64_MAX};
  while ((flight = ae_flights_next(&inbox->flights, &at)) != NULL)
    if (flight->line != 0 && ae_lines_enter(&inbox->lines, flight->line, flight->sequence,
                                            flight->lane) == AE_LINE_NO_ROOM)
      inbox->rebuild = true;
}
