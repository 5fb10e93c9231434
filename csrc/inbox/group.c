/*
** group.c: group commit. All queued works go into one transaction. inbox->group
** notes the changes that the transaction makes to memory, which are completed
** after the commit, or undone when it fails.
*/
#include "inbox/private.h"

#include <stdlib.h>

void ae_group_free (ae_group *group) {
  free(group->added);
  free(group->plans);
  free(group->timed);
  free(group->ended);
  free(group->found);
}

static void group_reset (ae_group *group) {
  group->added_count = group->plan_count = 0;
  group->timed_count = group->ended_count = 0;
  memset(&group->change, 0, sizeof group->change);
}

/* Adds the event's fingerprint to the set of those seen, or marks the work as a
** duplicate. False: no memory. */
static bool remember (ae_inbox *inbox, ae_work *work) {
  ae_group *group = &inbox->group;
  const ae_slice key[] = {work->source, work->id};
  ae_fingerprint item;
  if (!ae_room(&group->added, &group->added_capacity, group->added_count + 1,
               sizeof *group->added))
    return false;
  item = ae_fingerprint_make(inbox->seen, key, 2);
  switch (ae_fingerprints_add(inbox->seen, &item)) {
    case AE_ADDED: group->added[group->added_count++] = item; return true;
    case AE_PRESENT_ALREADY: work->result = AE_WORK_DUPLICATE; return true;
    default: return false;
  }
}

/* Plans the dispatch of a new event's runs after the commit. Until the scan of
** the start is done nothing is planned: the scan will find the event. */
static bool plan (ae_inbox *inbox, const ae_work *work, size_t count) {
  ae_group *group = &inbox->group;
  if (inbox->loaded != INT64_MAX) return true;
  if (!ae_room(&group->plans, &group->plan_capacity, group->plan_count + count,
               sizeof *group->plans))
    return false;
  for (size_t i = 0; i < count; i++)
    group->plans[group->plan_count++] = (ae_plan){
      work, inbox->rules[i],
      inbox->options.line(inbox->options.context, work->body, work->event, inbox->rules[i])};
  return true;
}

/* Stores an event that cannot be parsed as waiting; a scan will report it. */
static bool cannot_read (ae_inbox *inbox, int64_t sequence) {
  ae_slice unknown = {NULL, 0};
  ae_scan_visit(inbox, sequence, NULL);
  return ae_store_wait(inbox->store, sequence, 0, unknown);
}

static bool match (ae_inbox *inbox, ae_work *work) {
  ae_inbox_counts *change = &inbox->group.change;
  size_t count;
  if (!ae_runs_match(inbox, work->body, work->event, &count)) return false;
  work->wanted = count;
  if (count == 0) {
    change->unmatched++;
    return true;
  }
  change->waiting++;
  if (count == AE_MATCH_UNREADABLE) return cannot_read(inbox, work->sequence);
  return ae_runs_join(inbox, count) &&
         ae_store_wait(inbox->store, work->sequence, (int64_t)count,
                       ae_copy_slice(&inbox->names)) &&
         plan(inbox, work, count);
}

/* Counts the earlier events that mean the same. False: no memory, or the store fails. */
static bool note_meaning (ae_inbox *inbox, ae_work *work) {
  const ae_inbox_options *options = &inbox->options;
  ae_slice parts[AE_MEANING_PARTS];
  work->repeats = 0;
  if (options->meaning == NULL ||
      !options->meaning(options->context, work->body, work->event, parts))
    return true;
  return ae_meanings_note(&inbox->meanings, inbox->store, work->sequence, parts,
                          &work->repeats);
}

static bool append (ae_inbox *inbox, ae_work *work) {
  ae_inbox_counts *change = &inbox->group.change;
  if (!remember(inbox, work)) return false;
  if (work->result == AE_WORK_DUPLICATE) {
    change->duplicates++;
    return true;
  }
  work->sequence = ++inbox->sequence;
  if (!ae_store_append(inbox->store, work)) return false;
  change->stored++;
  return note_meaning(inbox, work) && match(inbox, work) && ae_timers_cancel(inbox, work);
}

/* Counts a run that is over. With its last run the event waits no more. */
static bool is_over (ae_inbox *inbox, const ae_work *work) {
  bool finished;
  if (!ae_store_run_over(inbox->store, work->sequence, &finished)) return false;
  if (finished) inbox->group.change.waiting--;
  if (work->run_state == AE_RUN_DEAD) inbox->group.change.dead++;
  return true;
}

/* Stores what the rule remembers by this verdict, and what the run read. The next run of
** the rule has to recall what is remembered. */
static bool keep_one (ae_inbox *inbox, const ae_work *work) {
  if (work->kind == AE_WORK_READING) return ae_store_reading(inbox->store, work);
  return ae_runs_note_memory(inbox, work->rule) && ae_store_keep(inbox->store, work);
}

static bool keep (ae_inbox *inbox, const ae_work *settled, const ae_work *works) {
  for (const ae_work *work = works; work != NULL; work = work->with) {
    if ((work->kind != AE_WORK_REMEMBER && work->kind != AE_WORK_READING) ||
        work->sequence != settled->sequence || !ae_slice_equal(work->rule, settled->rule))
      continue;
    if (!keep_one(inbox, work)) return false;
  }
  return true;
}

/* A worker's report counts only while the worker has the run. For a run that was
** taken back, a final state counts (unless the file has another one already), and
** an open state is taken as RELEASE. `works`: the transaction's works that came with
** it. */
static bool settle (ae_inbox *inbox, ae_work *work, const ae_work *works) {
  const ae_flight *flight = ae_runs_flight(inbox, work);
  bool final = ae_run_state_is_final(work->run_state);
  work->changed = false;
  if (flight == NULL) return true;
  /* `since` is the first failed attempt; time spent in the backlog is no failure. */
  if (work->since == 0 && work->run_state == AE_RUN_RETRY && work->attempt > 0)
    work->since = flight->since;
  work->line = flight->line;
  work->tries = flight->tries + 1;
  work->timed = ae_timers_is_new(work);
  if (!flight->holds && !final) {
    work->kind = AE_WORK_RELEASE;
    return true;
  }
  if (!final && work->due <= inbox->horizon) work->due = inbox->horizon + 1;
  if (!ae_store_settle(inbox->store, work, &work->changed)) return false;
  if (!work->changed) return true;
  if (work->timed && !ae_timers_set(inbox, work)) return false;
  return keep(inbox, work, works) && (!final || is_over(inbox, work));
}

/* Whether the worker still has the run, so that it goes on: else AE_PRIOR_OVER. */
static bool goes_on (ae_inbox *inbox, ae_work *work) {
  const ae_flight *flight = ae_runs_flight(inbox, work);
  const bool holds = flight != NULL && flight->holds;
  work->prior = holds ? AE_PRIOR_NONE : AE_PRIOR_OVER;
  return holds;
}

static bool record (ae_inbox *inbox, ae_work *work) {
  free(work->earlier); /* set by an earlier group that failed */
  work->earlier = NULL;
  return !goes_on(inbox, work) || ae_store_record(inbox->store, work);
}

static bool recall (ae_inbox *inbox, ae_work *work) {
  ae_recalled_free(work->recalled); /* of an earlier group that failed */
  work->recalled = NULL;
  return !goes_on(inbox, work) || ae_store_recall(inbox->store, work);
}

/* `works`: the list that the work is in. */
static bool carry_out (ae_inbox *inbox, ae_work *work, const ae_work *works) {
  work->result = AE_WORK_DONE;
  switch (work->kind) {
    case AE_WORK_APPEND: return append(inbox, work);
    case AE_WORK_SETTLE: return settle(inbox, work, works);
    case AE_WORK_RECORD: return record(inbox, work);
    case AE_WORK_OUTCOME: return ae_store_outcome(inbox->store, work);
    case AE_WORK_STEP: return !goes_on(inbox, work) || ae_store_step(inbox->store, work);
    case AE_WORK_RECALL: return recall(inbox, work);
    case AE_WORK_VERSION: return ae_store_version(inbox->store, work);
    default: return true;
  }
}

/* Whether the host's start is to be written down with these works. Versions of rules come
** first: a host whose rules are known starts without a write. */
static bool notes_start (const ae_inbox *inbox, const ae_work *works) {
  return inbox->started != 0 && works->kind != AE_WORK_VERSION;
}

/* Whether the process goes on at the place. `dead` is written in a manual inbox alone:
** other threads read it. */
static bool passes (ae_inbox *inbox, ae_inbox_place place, const ae_work *works) {
  const ae_inbox_options *options = &inbox->options;
  if (options->passes == NULL) return true;
  inbox->dead = !options->passes(options->context, place, works);
  return !inbox->dead;
}

static bool transact (ae_inbox *inbox, ae_work *works) {
  const ae_group *group = &inbox->group;
  if (!ae_store_begin(inbox->store)) return false;
  if (notes_start(inbox, works) && !ae_store_started(inbox->store, inbox->started))
    return false;
  for (ae_work *first = works; first != NULL; first = first->next)
    for (ae_work *work = first; work != NULL; work = work->with)
      if (!carry_out(inbox, work, first)) return false;
  if (group->added_count > 0 && !ae_store_remember(inbox->store, group->added,
                                                   group->added_count * sizeof *group->added))
    return false;
  return ae_meanings_store(&inbox->meanings, inbox->store) &&
         passes(inbox, AE_BEFORE_COMMIT, works) && ae_store_commit(inbox->store);
}

static void add_counts (ae_inbox *inbox) {
  const ae_inbox_counts *change = &inbox->group.change;
  pthread_mutex_lock(&inbox->lock);
  inbox->counts.stored += change->stored;
  inbox->counts.duplicates += change->duplicates;
  inbox->counts.unmatched += change->unmatched;
  inbox->counts.waiting += change->waiting;
  inbox->counts.dead += change->dead;
  inbox->counts.groups++;
  pthread_mutex_unlock(&inbox->lock);
}

/* After the commit: dispatches the runs of the new events. */
static void committed (ae_inbox *inbox, const ae_work *works) {
  add_counts(inbox);
  if (notes_start(inbox, works)) inbox->started = 0;
  ae_meanings_committed(&inbox->meanings);
  for (size_t i = 0; i < inbox->group.plan_count; i++)
    ae_runs_admit_new(inbox, &inbox->group.plans[i]);
  ae_inbox_set_health(inbox, NULL);
}

/* Marks the works as failed; returns how many they are. */
static uint64_t mark_failed (ae_work *works) {
  uint64_t count = 0;
  for (ae_work *first = works; first != NULL; first = first->next)
    for (ae_work *work = first; work != NULL; work = work->with) {
      work->result = AE_WORK_FAILED;
      count++;
    }
  return count;
}

/* The transaction failed: undoes its changes to memory, and fails all works. */
static void refused (ae_inbox *inbox, ae_work *works) {
  ae_group *group = &inbox->group;
  ae_error error;
  uint64_t count;
  (void)ae_store_explain(inbox->store, &error);
  ae_store_rollback(inbox->store);
  for (size_t i = 0; i < group->added_count; i++)
    ae_fingerprints_remove(inbox->seen, &group->added[i]);
  ae_meanings_undo(&inbox->meanings);
  count = mark_failed(works);
  pthread_mutex_lock(&inbox->lock);
  inbox->counts.failed += count;
  pthread_mutex_unlock(&inbox->lock);
  ae_inbox_set_health(inbox, &error);
}

static void landed (ae_inbox *inbox, const ae_work *work, bool stored) {
  if (work->kind == AE_WORK_RELEASE) ae_runs_released(inbox, work);
  else if (stored && work->kind == AE_WORK_SETTLE) ae_runs_settled(inbox, work);
}

static void finish (ae_inbox *inbox, ae_work *works, bool stored) {
  while (works != NULL) {
    ae_work *first = works;
    works = works->next;
    for (const ae_work *work = first; work != NULL; work = work->with)
      landed(inbox, work, stored);
    first->done(first);
  }
}

void ae_group_fail (ae_inbox *inbox, ae_work *works) {
  (void)mark_failed(works);
  finish(inbox, works, false);
}

void ae_group_run (ae_inbox *inbox, ae_work *works) {
  bool stored;
  group_reset(&inbox->group);
  stored = transact(inbox, works);
  if (stored && !passes(inbox, AE_AFTER_COMMIT, works)) {
    ae_group_fail(inbox, works); /* their callers are gone */
    return;
  }
  if (stored) committed(inbox, works);
  else refused(inbox, works);
  finish(inbox, works, stored);
  if (stored) ae_timers_landed(inbox);
}
