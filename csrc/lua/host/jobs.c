/*
** jobs.c: the object `jobs`: the interface of the host for a worker's Lua code.
*/
#include "lua/host/works.h"

#include <stdlib.h>
#include <time.h>

#include <lauxlib.h>

#include "lua/host/fact.h"
#include "lua/host/versions.h"
#include "lua/host/aside.h"

#define JOBS "altinn.events.host.jobs"

/* A parcel that the inbox refused is tried again after this. */
#define AGAIN_NS 1000000000

typedef struct jobs {
  ae_worker *worker;
} jobs;

static ae_worker *check_worker (lua_State *L) {
  return ((jobs *)luaL_checkudata(L, 1, JOBS))->worker;
}

/* ns of the host's clock */
static int64_t steady (const ae_worker *worker) {
  return ae_clock_steady_ns(worker->shared->clock);
}

/* The same in ms. */
static int64_t steady_ms (const ae_worker *worker) {
  return ae_clock_steady_ms(worker->shared->clock);
}

static void parcel_free (ae_parcel *parcel) {
  for (size_t i = 0; i < parcel->count; i++) {
    free(parcel->works[i].earlier);
    ae_recalled_free(parcel->works[i].recalled);
  }
  free(parcel);
}

/* The `done` of a parcel: on the writer thread, after the commit or its failure. */
static void parcel_done (ae_work *work) {
  ae_parcel *parcel = work->owner;
  ae_worker *worker = parcel->worker;
  if (parcel->ticket != 0) {
    parcel->head.kind = AE_MESSAGE_ACK;
    ae_queue_push(&worker->queue, &parcel->head, true);
    return;
  }
  if (work->result == AE_WORK_FAILED) {
    parcel->head.kind = AE_MESSAGE_AGAIN;
    ae_queue_push(&worker->queue, &parcel->head, true);
  } else {
    parcel_free(parcel);
  }
  atomic_fetch_sub(&worker->handed, 1);
}

static bool submit (ae_parcel *parcel) {
  ae_worker *worker = parcel->worker;
  long counted = parcel->ticket == 0;
  size_t i;
  for (i = 0; i < parcel->count; i++) {
    ae_work *work = &parcel->works[i];
    work->result = AE_WORK_DONE;
    work->next = NULL;
    work->with = i + 1 < parcel->count ? work + 1 : NULL;
  }
  atomic_fetch_add(&worker->handed, counted);
  if (ae_inbox_submit(worker->shared->inbox, &parcel->works[0])) return true;
  atomic_fetch_sub(&worker->handed, counted);
  return false;
}

static void postpone (ae_worker *worker, ae_parcel *parcel) {
  if (worker->again.first == NULL) worker->again_at = steady(worker) + AGAIN_NS;
  ae_list_append(&worker->again, &parcel->head);
}

static void submit_all (ae_worker *worker) {
  ae_message *list = worker->again.first;
  ae_list_init(&worker->again);
  while (list != NULL) {
    ae_message *next = list->next;
    ae_parcel *parcel = (ae_parcel *)(void *)list;
    if (!submit(parcel)) postpone(worker, parcel);
    list = next;
  }
}

static void submit_again (ae_worker *worker) {
  if (worker->again.first != NULL && steady(worker) >= worker->again_at) submit_all(worker);
}

/* After the worker's thread has ended: keeps the refused parcels in its queue for
** another try, and frees all other messages. */
static void sort_out (ae_worker *worker) {
  ae_message *list = ae_queue_take(&worker->queue, SIZE_MAX);
  while (list != NULL) {
    ae_message *message = list;
    list = list->next;
    if (message->kind == AE_MESSAGE_AGAIN) postpone(worker, (ae_parcel *)(void *)message);
    else if (message->kind == AE_MESSAGE_ACK) parcel_free((ae_parcel *)(void *)message);
    else free(message);
  }
}

bool ae_jobs_flush (ae_worker *worker, int64_t until) {
  for (;;) {
    struct timespec pause = {0, 5000000};
    bool all = atomic_load(&worker->handed) == 0; /* before the look: see parcel_done */
    sort_out(worker);
    if (all && worker->again.first == NULL) return true;
    if (ae_clock_steady_ns(NULL) >= until) return false;
    submit_all(worker);
    nanosleep(&pause, NULL);
  }
}

/* The `done` of a RELEASE. */
static void release_done (ae_work *work) {
  free(work->owner);
}

/* Sends the RELEASE of the cancelled runs: Lua was told of them at the last jobs:take,
** and has let go of them since. */
static void release_cancelled (ae_worker *worker) {
  ae_message *list = worker->cancelled.first;
  ae_list_init(&worker->cancelled);
  while (list != NULL) {
    ae_cancel *cancel = (ae_cancel *)(void *)list;
    list = list->next;
    cancel->release.done = release_done;
    if (!ae_inbox_submit(worker->shared->inbox, &cancel->release))
      ae_list_append(&worker->cancelled, &cancel->head);
  }
}

/* jobs:settle(works): hands over works that are committed in one transaction. If the
** inbox refuses them, they are handed over again each second. */
static int jobs_settle (lua_State *L) {
  ae_worker *worker = check_worker(L);
  ae_parcel *parcel = ae_works_read(L, worker, 0, parcel_done);
  if (!submit(parcel)) postpone(worker, parcel);
  return 0;
}

/* jobs:record(works, ticket) -> whether the inbox took the works. jobs:take returns
** the answer, with the ticket, after the commit. */
static int jobs_record (lua_State *L) {
  ae_worker *worker = check_worker(L);
  lua_Integer ticket = luaL_checkinteger(L, 3);
  ae_parcel *parcel;
  bool accepted;
  luaL_argcheck(L, ticket != 0, 3, "a ticket is not 0");
  parcel = ae_works_read(L, worker, ticket, parcel_done);
  accepted = submit(parcel);
  if (!accepted) parcel_free(parcel);
  lua_pushboolean(L, accepted);
  return 1;
}

static void set_slice (lua_State *L, const char *name, ae_slice text) {
  if (text.data == NULL) return;
  lua_pushlstring(L, text.data, text.length);
  lua_setfield(L, -2, name);
}

static void set_integer (lua_State *L, const char *name, int64_t value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

static void push_run (lua_State *L, const ae_run_message *message) {
  lua_createtable(L, 0, 16);
  lua_pushliteral(L, "run");
  lua_setfield(L, -2, "kind");
  set_integer(L, "sequence", message->run.sequence);
  set_integer(L, "received", message->run.received);
  set_integer(L, "attempt", message->run.attempt);
  set_integer(L, "tries", message->run.tries);
  set_integer(L, "since", message->run.since);
  set_integer(L, "due", message->run.due);
  set_integer(L, "repeats", message->run.repeats);
  lua_pushboolean(L, message->run.fresh);
  lua_setfield(L, -2, "fresh");
  set_slice(L, "body", message->run.body);
  set_slice(L, "subscription", message->run.subscription);
  set_slice(L, "rule", message->run.rule);
  set_slice(L, "entry", message->run.entry);
  set_slice(L, "timer", message->run.timer);
  set_slice(L, "cause", message->run.cause);
}

/* Pushes the state of an effect recorded earlier under the key, or false: none. */
static void push_prior (lua_State *L, ae_prior prior) {
  switch (prior) {
    case AE_PRIOR_SENT: lua_pushliteral(L, "sent"); break;
    case AE_PRIOR_HELD: lua_pushliteral(L, "held"); break;
    case AE_PRIOR_OVER: lua_pushliteral(L, "over"); break;
    case AE_PRIOR_UNKNOWN: lua_pushliteral(L, "unknown"); break;
    default: lua_pushboolean(L, false); break;
  }
}

/* The members of what a RECALL found: lists of records by the names of their texts;
** memory is a table of values by name. */
static const struct {
  const char *list;
  const char *names[4];
} recalled[] = {{"steps", {"name", "result", NULL, NULL}},
                {"memory", {NULL, NULL, NULL, NULL}},
                {"effects", {"key", "target", "request", "state"}}};
#define RECALLED_LISTS 3

/* Adds a row to its list, which is at the top. */
static void push_recalled_row (lua_State *L, const ae_recalled *row) {
  if (row->kind == AE_RECALLED_MEMORY) {
    lua_pushlstring(L, row->texts[0].data, row->texts[0].length);
    lua_pushlstring(L, row->texts[1].data, row->texts[1].length);
    lua_rawset(L, -3);
    return;
  }
  lua_createtable(L, 0, 4);
  for (size_t i = 0; i < 4 && recalled[row->kind].names[i] != NULL; i++)
    set_slice(L, recalled[row->kind].names[i], row->texts[i]);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

/* Pushes { steps = { { name =, result = } … }, memory = { [name] = value },
**   effects = { { key =, target =, request =, state = } … } }. */
static void push_recalled (lua_State *L, const ae_recalled *row) {
  lua_createtable(L, 0, RECALLED_LISTS);
  for (ae_recalled_kind kind = AE_RECALLED_STEP; kind < RECALLED_LISTS; kind++) {
    lua_newtable(L);
    for (; row != NULL && row->kind == kind; row = row->next) push_recalled_row(L, row);
    lua_setfield(L, -2, recalled[kind].list);
  }
}

/* Adds `recalled`, for each RECALL that was carried out, to the table at the top. */
static void set_recalled (lua_State *L, const ae_parcel *parcel) {
  lua_newtable(L);
  for (size_t i = 0; i < parcel->count; i++) {
    const ae_work *work = &parcel->works[i];
    if (work->kind != AE_WORK_RECALL || work->prior == AE_PRIOR_OVER) continue;
    push_recalled(L, work->recalled);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "recalled");
}

/* Pushes { kind = "ack", ticket =, failed = boolean, states = { state or false },
**   requests = { [i] = the request as recorded, where the state is "unknown" },
**   owners = { [i] = the event of the run that owns the effect },
**   recalled = { [i] = what a RECALL found } }. */
static void push_ack (lua_State *L, const ae_parcel *parcel) {
  int top = lua_gettop(L);
  lua_createtable(L, 0, 6);
  lua_pushliteral(L, "ack");
  lua_setfield(L, -2, "kind");
  set_integer(L, "ticket", parcel->ticket);
  lua_pushboolean(L, parcel->works[0].result == AE_WORK_FAILED);
  lua_setfield(L, -2, "failed");
  lua_createtable(L, (int)parcel->count, 0);
  lua_newtable(L);
  lua_newtable(L);
  for (size_t i = 0; i < parcel->count; i++) {
    const ae_work *work = &parcel->works[i];
    lua_Integer at = (lua_Integer)i + 1;
    push_prior(L, work->prior);
    lua_rawseti(L, top + 2, at);
    if (work->earlier != NULL) {
      lua_pushlstring(L, work->earlier, work->earlier_length);
      lua_rawseti(L, top + 3, at);
    }
    if (work->prior_event != 0) {
      lua_pushinteger(L, work->prior_event);
      lua_rawseti(L, top + 4, at);
    }
  }
  lua_setfield(L, top + 1, "owners");
  lua_setfield(L, top + 1, "requests");
  lua_setfield(L, top + 1, "states");
  set_recalled(L, parcel);
}

/* Pushes { kind = "cancel", sequence =, rule = }. */
static void push_cancel (lua_State *L, const ae_cancel *cancel) {
  lua_createtable(L, 0, 3);
  lua_pushliteral(L, "cancel");
  lua_setfield(L, -2, "kind");
  set_integer(L, "sequence", cancel->release.sequence);
  set_slice(L, "rule", cancel->release.rule);
}

static void push_order (lua_State *L, const ae_order *order) {
  lua_createtable(L, 0, 2);
  if (order->head.kind == AE_MESSAGE_STOP) lua_pushliteral(L, "stop");
  else lua_pushliteral(L, "reload");
  lua_setfield(L, -2, "kind");
  lua_pushlstring(L, order->text, order->length);
  lua_setfield(L, -2, "text");
}

static void push_message (lua_State *L, void *message) {
  switch (((ae_message *)message)->kind) {
    case AE_MESSAGE_RUN: push_run(L, message); break;
    case AE_MESSAGE_ACK: push_ack(L, message); break;
    case AE_MESSAGE_CANCEL: push_cancel(L, message); break;
    case AE_MESSAGE_ASIDE: ae_action_push(L, message); break;
    default: push_order(L, message); break;
  }
}

/* Pushes a list of messages as a Lua list. */
static void push_messages (lua_State *L, ae_worker *worker, ae_message *list) {
  lua_Integer count = 0;
  while (list != NULL) {
    ae_message *message = list;
    list = list->next;
    if (message->kind == AE_MESSAGE_AGAIN) {
      postpone(worker, (ae_parcel *)(void *)message);
      continue;
    }
    push_message(L, message);
    lua_rawseti(L, -2, ++count);
    if (message->kind == AE_MESSAGE_CANCEL) ae_list_append(&worker->cancelled, message);
    else if (message->kind == AE_MESSAGE_ACK) parcel_free((ae_parcel *)(void *)message);
    else free(message);
  }
}

/* jobs:take(max [, seconds]) -> list of messages; waits until there is one. */
static int jobs_take (lua_State *L) {
  ae_worker *worker = check_worker(L);
  lua_Integer max = luaL_checkinteger(L, 2);
  lua_Number seconds = luaL_optnumber(L, 3, 0);
  luaL_argcheck(L, max > 0, 2, "nothing to take");
  release_cancelled(worker);
  if ((worker->again.first != NULL || worker->cancelled.first != NULL) && seconds > 1)
    seconds = 1;
  if (seconds > 3600) seconds = 3600;
  ae_worker_turn(worker, seconds > 0);
  if (seconds > 0) ae_queue_wait(&worker->queue, (int)(seconds * 1000 + 0.999));
  ae_worker_turn(worker, false);
  submit_again(worker);
  lua_newtable(L);
  push_messages(L, worker, ae_queue_take(&worker->queue, (size_t)max));
  return 1;
}

/* jobs:aside(request, ticket): has an action carried out by a helper thread; see
** ae_action_check. jobs:take returns the answer, with the ticket. */
static int jobs_aside (lua_State *L) {
  ae_worker *worker = check_worker(L);
  lua_Integer ticket = luaL_checkinteger(L, 3);
  ae_action *action = ae_action_check(L, 2);
  action->queue = &worker->queue;
  action->ticket = ticket;
  ae_aside_begin(worker->shared->aside, action);
  return 0;
}

/* jobs:drop_aside(ticket): nobody waits for the action any more. */
static int jobs_drop_aside (lua_State *L) {
  ae_worker *worker = check_worker(L);
  ae_aside_drop(worker->shared->aside, &worker->queue, luaL_checkinteger(L, 2));
  return 0;
}

static int jobs_descriptor (lua_State *L) {
  lua_pushinteger(L, check_worker(L)->queue.fd);
  return 1;
}

/* jobs:holds(sequence, rule) -> boolean: false when the run was taken back (by hand, or
** because its rule is gone). Then the worker lets go of the run: it sends nothing,
** and settles no verdict. */
static int jobs_holds (lua_State *L) {
  ae_worker *worker = check_worker(L);
  lua_Integer sequence = luaL_checkinteger(L, 2);
  ae_slice rule;
  bool holds;
  rule.data = luaL_checklstring(L, 3, &rule.length);
  (void)ae_inbox_claim(worker->shared->inbox, sequence, rule, &holds);
  lua_pushboolean(L, holds);
  return 1;
}

/* jobs:verdict(rule, verdict, seconds) */
static int jobs_verdict (lua_State *L) {
  ae_metrics *metrics = &check_worker(L)->shared->metrics;
  const char *rule = luaL_checkstring(L, 2), *verdict = luaL_checkstring(L, 3);
  ae_metrics_add(metrics, AE_VERDICTS, rule, verdict, 0);
  ae_metrics_add(metrics, AE_SECONDS, rule, "", luaL_checknumber(L, 4));
  return 0;
}

/* jobs:effect(target, outcome) */
static int jobs_effect (lua_State *L) {
  ae_metrics *metrics = &check_worker(L)->shared->metrics;
  ae_metrics_add(metrics, AE_EFFECTS, luaL_checkstring(L, 2), luaL_checkstring(L, 3), 0);
  return 0;
}

/* jobs:admit(target) -> nil: an attempt to send to the target may begin, and jobs:report
** or jobs:release is owed; or the seconds to wait before asking again. */
static int jobs_admit (lua_State *L) {
  const ae_worker *worker = check_worker(L);
  ae_breakers *breakers = &worker->shared->breakers;
  int64_t wait = ae_breakers_admit(breakers, luaL_checkstring(L, 2), steady_ms(worker));
  if (wait == 0) lua_pushnil(L);
  else lua_pushnumber(L, (lua_Number)wait / 1e3);
  return 1;
}

/* jobs:report(target, good): the end of an attempt. good: false when it speaks against the
** target as a whole: no connection, a timeout, a 5xx answer, an unknown outcome. */
static int jobs_report (lua_State *L) {
  const ae_worker *worker = check_worker(L);
  ae_breakers *breakers = &worker->shared->breakers;
  luaL_checkany(L, 3);
  ae_breakers_report(breakers, luaL_checkstring(L, 2), lua_toboolean(L, 3), steady_ms(worker));
  return 0;
}

/* jobs:release(target): the attempt that was admitted does not take place. */
static int jobs_release (lua_State *L) {
  const ae_worker *worker = check_worker(L);
  ae_breakers *breakers = &worker->shared->breakers;
  ae_breakers_release(breakers, luaL_checkstring(L, 2), steady_ms(worker));
  return 0;
}

/* jobs:now() -> seconds since 1970, seconds of a clock that never jumps */
static int jobs_now (lua_State *L) {
  const ae_worker *worker = check_worker(L);
  lua_pushnumber(L, (lua_Number)ae_clock_wall_ms(worker->shared->clock) / 1e3);
  lua_pushnumber(L, (lua_Number)steady(worker) / 1e9);
  return 2;
}

/* jobs:pseudonym_key() -> 64 hex digits: the key of pseudonyms */
static int jobs_pseudonym_key (lua_State *L) {
  return ae_versions_key(L, check_worker(L)->shared->inbox);
}

/* jobs:fact(json, level, message, fields) -> whether the log took it: see fact.h */
static int jobs_fact (lua_State *L) {
  (void)check_worker(L);
  return ae_lua_fact(L, 2);
}

static const luaL_Reg methods[] = {{"take", jobs_take},
                                   {"settle", jobs_settle},
                                   {"record", jobs_record},
                                   {"descriptor", jobs_descriptor},
                                   {"holds", jobs_holds},
                                   {"verdict", jobs_verdict},
                                   {"effect", jobs_effect},
                                   {"now", jobs_now},
                                   {"fact", jobs_fact},
                                   {"admit", jobs_admit},
                                   {"report", jobs_report},
                                   {"release", jobs_release},
                                   {"aside", jobs_aside},
                                   {"drop_aside", jobs_drop_aside},
                                   {"pseudonym_key", jobs_pseudonym_key},
                                   {NULL, NULL}};

void ae_jobs_push (lua_State *L, ae_worker *worker) {
  jobs *object = lua_newuserdatauv(L, sizeof *object, 0);
  object->worker = worker;
  if (luaL_newmetatable(L, JOBS)) {
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
  }
  lua_setmetatable(L, -2);
}
