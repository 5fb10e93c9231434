/*
** timers.c: timers are runs in state `later` that stand in no line: memory holds
** nothing of them until they are due. A timer's row in the file names its thing,
** rule and key, so that a new timer of the same three replaces it, and the types
** of events that cancel it.
**
** A run that is in flight is not ended here: it was begun before, and goes on.
*/
#include "inbox/private.h"

#include <stdio.h>

#include "core/catalogue.h"
#include "inbox/hash.h"

/* Looks the run up in a list of the group's. */
static bool has_run (const ae_place *list, size_t count, int64_t sequence,
                     const ae_lane *lane) {
  for (size_t i = 0; i < count; i++)
    if (list[i].sequence == sequence && list[i].lane == lane) return true;
  return false;
}

/* Whether a worker has the run. One whose timer this very transaction sets has landed. */
static bool is_under_way (const ae_inbox *inbox, int64_t sequence, const ae_lane *lane) {
  const ae_group *group = &inbox->group;
  return ae_flights_find(&inbox->flights, sequence, lane->hash) != NULL &&
         !has_run(group->timed, group->timed_count, sequence, lane);
}

/* Ends the run of a timer, unless it is under way. False: the store fails, or no
** memory. */
static bool end (ae_inbox *inbox, int64_t sequence, ae_lane *lane, const char *reason,
                 int64_t time) {
  ae_group *group = &inbox->group;
  ae_slice rule = ae_lane_rule(lane);
  ae_store_run run;
  bool changed, finished;
  if (is_under_way(inbox, sequence, lane)) return true;
  if (!ae_room(&group->ended, &group->ended_capacity, group->ended_count + 1,
               sizeof *group->ended) ||
      !ae_store_run_find(inbox->store, sequence, rule, &run) ||
      !ae_store_end_timer(inbox->store, sequence, rule, (ae_slice){reason, strlen(reason)},
                          time, &changed))
    return false;
  if (!changed) return true;
  group->ended[group->ended_count++] = (ae_place){sequence, lane, run.line};
  if (!ae_store_run_over(inbox->store, sequence, &finished)) return false;
  if (finished) group->change.waiting--;
  return true;
}

/* The hash of a type in inbox->cancels, never 0. Types with the same hash are told apart
** by the file. */
static uint64_t hash_type (ae_slice type) {
  const uint64_t hash = ae_hash(AE_HASH_START, type);
  return hash == 0 ? 1 : hash;
}

/* Notes a type whose event cancels a timer. False: no memory. */
static bool note_type (ae_inbox *inbox, ae_slice type) {
  if (type.length == 0) return true;
  if (!ae_map_reserve(&inbox->cancels, 1)) return false;
  ae_map_put(&inbox->cancels, hash_type(type), 1);
  return true;
}

/* The same for types, one a line. */
static bool note_types (ae_inbox *inbox, ae_slice types) {
  while (types.length > 0) {
    const char *end = memchr(types.data, '\n', types.length);
    ae_slice type = {types.data, end == NULL ? types.length : (size_t)(end - types.data)};
    if (!note_type(inbox, type)) return false;
    types.data += type.length + (end != NULL);
    types.length -= type.length + (end != NULL);
  }
  return true;
}

bool ae_timers_is_new (const ae_work *work) {
  return work->run_state == AE_RUN_LATER && work->timer.data != NULL &&
         (work->timer_key.data != NULL || work->thing.data != NULL);
}

/* Ends the run of another event whose timer has the same thing, rule and key. */
static bool replace (ae_inbox *inbox, const ae_work *work) {
  ae_lane *lane = ae_lanes_get(&inbox->lanes, work->rule);
  char reason[64];
  int64_t other;
  int found = ae_store_timer_find(inbox->store, work, &other);
  if (lane == NULL || found < 0) return false;
  if (found == 0 || other == work->sequence) return true;
  snprintf(reason, sizeof reason, "replaced by the timer of event %lld",
           (long long)work->sequence);
  return end(inbox, other, lane, reason, work->time);
}

bool ae_timers_set (ae_inbox *inbox, const ae_work *work) {
  ae_group *group = &inbox->group;
  ae_lane *lane = ae_lanes_get(&inbox->lanes, work->rule);
  if (lane == NULL || !ae_room(&group->timed, &group->timed_capacity, group->timed_count + 1,
                               sizeof *group->timed))
    return false;
  if (work->thing.data == NULL) return true; /* nothing replaces or cancels it */
  if (!replace(inbox, work) || !ae_store_timer_set(inbox->store, work) ||
      !note_types(inbox, work->cancel))
    return false;
  group->timed[group->timed_count++] = (ae_place){work->sequence, lane, 0};
  return true;
}

/* Writes the thing that the event is about to inbox->thing. False: no memory. An event
** about nothing leaves it empty. */
static bool find_thing (ae_inbox *inbox, const ae_meaning *meaning) {
  const char *about = ae_about_name(meaning->about);
  inbox->thing.length = 0;
  if (about == NULL || meaning->id.data == NULL) return true;
  return ae_copy_add(&inbox->thing, (ae_slice){about, strlen(about)}) &&
         ae_copy_add(&inbox->thing, AE_LITERAL(":")) &&
         ae_copy_add(&inbox->thing, meaning->id);
}

/* Collects the timers that the event cancels, as places of the group's list `found`.
** They are ended after the walk: ending one changes the table. */
static bool collect (ae_inbox *inbox, ae_slice type) {
  ae_group *group = &inbox->group;
  ae_slice rule;
  int64_t sequence;
  int more;
  group->found_count = 0;
  ae_store_timers_from(inbox->store, ae_copy_slice(&inbox->thing), type);
  while ((more = ae_store_timers_next(inbox->store, &rule, &sequence)) == 1) {
    ae_lane *lane = ae_lanes_get(&inbox->lanes, rule);
    if (lane == NULL || !ae_room(&group->found, &group->found_capacity, group->found_count + 1,
                                 sizeof *group->found))
      break;
    group->found[group->found_count++] = (ae_place){sequence, lane, 0};
  }
  ae_store_timers_end(inbox->store);
  return more == 0;
}

bool ae_timers_cancel (ae_inbox *inbox, const ae_work *work) {
  const ae_event *event = work->event;
  ae_meaning meaning;
  ae_slice type;
  char reason[160];
  if (inbox->cancels.count == 0) return true;
  if (event == NULL) event = inbox->options.parse(inbox->options.context, work->body);
  if (event == NULL) return true; /* it cannot be read, or there is no memory */
  type = ae_event_text(event, AE_TYPE);
  if (ae_map_get(&inbox->cancels, hash_type(type)) == NULL) return true;
  ae_describe(event, &meaning);
  if (!find_thing(inbox, &meaning)) return false;
  if (inbox->thing.length == 0) return true;
  if (!collect(inbox, type)) return false;
  snprintf(reason, sizeof reason, "cancelled by event %lld (%.*s)", (long long)work->sequence,
           (int)(meaning.name.length < 100 ? meaning.name.length : 100), meaning.name.data);
  for (size_t i = 0; i < inbox->group.found_count; i++)
    if (!end(inbox, inbox->group.found[i].sequence, inbox->group.found[i].lane, reason,
             work->time))
      return false;
  return true;
}

void ae_timers_landed (ae_inbox *inbox) {
  const ae_group *group = &inbox->group;
  for (size_t i = 0; i < group->ended_count; i++)
    ae_runs_end(inbox, group->ended[i].lane, group->ended[i].sequence, group->ended[i].line);
}

bool ae_timers_load (ae_inbox *inbox) {
  ae_slice types;
  int more;
  while ((more = ae_store_cancels_next(inbox->store, &types)) == 1)
    if (!note_types(inbox, types)) return false;
  return more == 0;
}

void ae_timers_look (ae_inbox *inbox) {
  int64_t any;
  if (inbox->cancels.count == 0) return;
  if (ae_store_number_read(inbox->store, AE_NUMBER_TIMERS, &any) && any == 0)
    ae_map_free(&inbox->cancels);
}
