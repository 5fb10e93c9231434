/*
** inbox_group.c: group commit. All works that wait go into one transaction;
** what it changes in memory is noted in inbox->group and made or undone
** when its outcome is known.
*/
#include "inbox/private.h"

#include <stdlib.h>

void ae_group_free (ae_group *group) {
  free(group->added);
  free(group->plans);
  free(group->settled);
}

static void group_reset (ae_group *group) {
  group->added_count = group->plan_count = group->settled_count = 0;
  memset(&group->change, 0, sizeof group->change);
  group->rescan = false;
}

/* The fingerprint of a new event, or the answer that it is none.
** False: no memory. */
static bool remember (ae_inbox *inbox, ae_work *work) {
  ae_group *group = &inbox->group;
  ae_fingerprint item;
  if (!ae_room(&group->added, &group->added_capacity, group->added_count + 1,
               sizeof *group->added) ||
      !ae_fingerprint_make(inbox->seen, work->source, work->id, &item))
    return false;
  switch (ae_fingerprints_add(inbox->seen, &item)) {
    case AE_ADDED: group->added[group->added_count++] = item; return true;
    case AE_PRESENT_ALREADY: work->result = AE_WORK_DUPLICATE; return true;
    default: return false;
  }
}

/* While a scan goes on it will find the event; else its runs go out after
** the commit. */
static bool plan (ae_inbox *inbox, const ae_work *work, size_t count) {
  ae_group *group = &inbox->group;
  if (inbox->scanning) return true;
  if (!ae_map_reserve(&inbox->unsettled, group->plan_count + 1) ||
      !ae_room(&group->plans, &group->plan_capacity, group->plan_count + count,
               sizeof *group->plans))
    return false;
  for (size_t i = 0; i < count; i++)
    group->plans[group->plan_count++] = (ae_plan){work, inbox->rules[i]};
  return true;
}

static bool append (ae_inbox *inbox, ae_work *work) {
  ae_inbox_counts *change = &inbox->group.change;
  size_t count;
  if (!remember(inbox, work)) return false;
  if (work->result == AE_WORK_DUPLICATE) {
    change->duplicates++;
    return true;
  }
  work->sequence = ++inbox->sequence;
  if (!ae_store_append(inbox->store, work)) return false;
  change->stored++;
  if (!ae_runs_match(inbox, work->body, &count)) return false;
  work->wanted = count;
  if (count == 0) {
    change->unmatched++;
    return true;
  }
  change->waiting++;
  if (count == AE_MATCH_UNREADABLE) { /* the scan tells of it */
    inbox->group.rescan = true;
    return ae_store_wait(inbox->store, work->sequence);
  }
  return ae_store_wait(inbox->store, work->sequence) && plan(inbox, work, count);
}

static bool is_final (const ae_work *work) {
  return work->kind == AE_WORK_SETTLE && !ae_slice_equal(work->state, AE_LITERAL("retry"));
}

/* The last final verdict ends the waiting of the event. */
static bool settle (ae_inbox *inbox, const ae_work *work) {
  ae_group *group = &inbox->group;
  uint64_t *runs;
  bool changed;
  if (!ae_store_settle(inbox->store, work, &changed)) return false;
  if (!is_final(work)) return true;
  if (changed && ae_slice_equal(work->state, AE_LITERAL("dead"))) group->change.dead++;
  runs = ae_map_get(&inbox->unsettled, (uint64_t)work->sequence);
  if (runs == NULL || *runs == 0) return true;
  if (!ae_room(&group->settled, &group->settled_capacity, group->settled_count + 1,
               sizeof *group->settled))
    return false;
  group->settled[group->settled_count++] = work->sequence;
  if (--*runs > 0) return true;
  if (!ae_store_unwait(inbox->store, work->sequence, &changed)) return false;
  if (changed) group->change.waiting--;
  else group->rescan = true;
  return true;
}

static bool carry_out (ae_inbox *inbox, ae_work *work) {
  work->result = AE_WORK_DONE;
  switch (work->kind) {
    case AE_WORK_APPEND: return append(inbox, work);
    case AE_WORK_SETTLE: return settle(inbox, work);
    case AE_WORK_RECORD: return ae_store_record(inbox->store, work);
    default: return ae_store_outcome(inbox->store, work);
  }
}

static bool transact (ae_inbox *inbox, ae_work *works) {
  const ae_group *group = &inbox->group;
  if (!ae_store_begin(inbox->store)) return false;
  for (ae_work *first = works; first != NULL; first = first->next)
    for (ae_work *work = first; work != NULL; work = work->with)
      if (!carry_out(inbox, work)) return false;
  if (group->added_count > 0 && !ae_store_remember(inbox->store, group->added,
                                                   group->added_count * sizeof *group->added))
    return false;
  return ae_store_commit(inbox->store);
}

/* The runs of the new events go out. */
static void dispatch (ae_inbox *inbox) {
  const ae_group *group = &inbox->group;
  for (size_t i = 0; i < group->plan_count;) {
    const ae_work *work = group->plans[i].work;
    size_t end = i;
    while (end < group->plan_count && group->plans[end].work == work) end++;
    ae_map_put(&inbox->unsettled, (uint64_t)work->sequence, end - i);
    for (; i < end; i++) {
      ae_run run = {work->sequence,       work->time, work->body, work->subscription,
                    group->plans[i].rule, 0,          0};
      ae_runs_dispatch(inbox, &run);
    }
  }
}

static void forget_settled (ae_inbox *inbox) {
  for (size_t i = 0; i < inbox->group.settled_count; i++) {
    uint64_t key = (uint64_t)inbox->group.settled[i];
    const uint64_t *runs = ae_map_get(&inbox->unsettled, key);
    if (runs != NULL && *runs == 0) (void)ae_map_remove(&inbox->unsettled, key);
  }
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

static void committed (ae_inbox *inbox) {
  add_counts(inbox);
  forget_settled(inbox);
  dispatch(inbox);
  if (inbox->group.rescan) {
    inbox->scanning = true;
    inbox->cursor = 0;
  }
  ae_inbox_judge(inbox, NULL);
}

/* Nothing of the group has happened. */
static void refused (ae_inbox *inbox, ae_work *works) {
  ae_group *group = &inbox->group;
  ae_error error;
  uint64_t count = 0;
  (void)ae_store_explain(inbox->store, &error);
  ae_store_rollback(inbox->store);
  for (size_t i = 0; i < group->added_count; i++)
    ae_fingerprints_remove(inbox->seen, &group->added[i]);
  for (size_t i = 0; i < group->settled_count; i++) {
    uint64_t *runs = ae_map_get(&inbox->unsettled, (uint64_t)group->settled[i]);
    if (runs != NULL) ++*runs;
  }
  for (ae_work *first = works; first != NULL; first = first->next)
    for (ae_work *work = first; work != NULL; work = work->with) {
      work->result = AE_WORK_FAILED;
      count++;
    }
  pthread_mutex_lock(&inbox->lock);
  inbox->counts.failed += count;
  pthread_mutex_unlock(&inbox->lock);
  ae_inbox_judge(inbox, &error);
}

/* Lanes that got room are filled, and everybody is told. */
static void finish (ae_inbox *inbox, ae_work *works, bool stored) {
  while (works != NULL) {
    ae_work *first = works;
    works = works->next;
    for (const ae_work *work = first; stored && work != NULL; work = work->with)
      if (is_final(work)) ae_runs_settled(inbox, work->sequence, work->rule);
    first->done(first);
  }
  inbox->options.dispatched(inbox->options.context);
}

void ae_group_run (ae_inbox *inbox, ae_work *works) {
  bool stored;
  group_reset(&inbox->group);
  stored = transact(inbox, works);
  if (stored) committed(inbox);
  else refused(inbox, works);
  finish(inbox, works, stored);
}
