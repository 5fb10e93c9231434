/*
** simulation.c: the object of a simulation; see simulation.h. Lua decides what comes next
** (lua/altinn/events/host/simulation.lua); here is what one step of each part does:
**
**     post   requests to the receiver, and the commit of their events
**     turn   one turn of the inbox
**     step   one turn of the worker: replies in, requests out
**
** The simulation outlives its hosts: `start` makes one, `drop` ends it as a power failure
** does, `finish` in order.
*/
#include "lua/host/simulation_private.h"
#include "lua/host/simulation.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lualib.h>

#include "inbox/store_disk.h"
#include "lua/host/copy.h"
#include "lua/host/heads.h"
#include "lua/host/options.h"
#include "lua/host/state.h"
#include "lua/host/versions.h"

#ifndef sigev_notify_thread_id /* timer_create(2); older C libraries lack the name */
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define WATCH_NS 20000000 /* between two looks at the time that a slice has taken */
#define STEP "altinn.events.host.simulation.step"

ae_simulation *ae_simulation_check (lua_State *L) {
  return luaL_checkudata(L, 1, AE_SIMULATION);
}

ae_simulation *ae_simulation_alive (lua_State *L) {
  ae_simulation *s = ae_simulation_check(L);
  if (!s->alive) luaL_error(L, "the simulated host has not been started");
  return s;
}

/* {====================================================================
** The worker
** ===================================================================== */

/* Makes the timer that looks at the worker's budget from this thread. Without one a rule
** that loops is not stopped. */
static bool make_watch (ae_simulation *s) {
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = AE_BUDGET_SIGNAL;
  event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
  s->watched = timer_create(CLOCK_MONOTONIC, &event, &s->watch) == 0;
  return s->watched;
}

static void watch (const ae_simulation *s, long ns) {
  const struct itimerspec every = {{0, ns}, {0, ns}};
  (void)timer_settime(s->watch, 0, &every, NULL);
}

/* Calls a function of C in the worker's state, as a worker's thread would. */
static int call_worker (ae_simulation *s, lua_CFunction function, void *argument) {
  lua_State *W = s->worker;
  sigset_t before;
  int result;
  (void)pthread_sigmask(SIG_SETMASK, NULL, &before);
  ae_budget_attach(&s->host->workers[0].budget);
  watch(s, WATCH_NS);
  lua_settop(W, 0);
  lua_pushcfunction(W, function);
  lua_pushlightuserdata(W, argument);
  result = lua_pcall(W, 1, LUA_MULTRET, 0);
  watch(s, 0);
  ae_budget_attach(NULL);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  return result;
}

/* What the worker is made of. */
typedef struct opening {
  ae_simulation *s;
  lua_State *L; /* of the caller; modules that are compiled already are at `compiled` */
  int compiled;
} opening;

/* Has `require` look for modules among those that are compiled already. */
static void use_compiled (lua_State *W, const opening *o) {
  static const char searcher[] =
    "local compiled = ...\n"
    "table.insert(package.searchers, 2, function (name)\n"
    "  local module = compiled[name]\n"
    "  if module then return load(module.code, name, 'b'), module.path end\n"
    "end)\n";
  if (luaL_loadbufferx(W, searcher, sizeof searcher - 1, "=compiled", "t") != LUA_OK)
    lua_error(W);
  ae_lua_copy(o->L, o->compiled, W);
  lua_call(W, 1, 0);
}

/* Makes the worker, and keeps its function `step`. */
static int worker_open (lua_State *W) {
  const opening *o = lua_touserdata(W, 1);
  ae_simulation *s = o->s;
  const uint64_t seed = s->seed + s->starts++;
  luaL_openlibs(W);
  use_compiled(W, o);
  ae_worker_open(W, &s->host->workers[0]);
  lua_getfield(W, -4, "make");
  lua_insert(W, -4);
  lua_pushinteger(W, (lua_Integer)seed);
  lua_call(W, 4, 1);
  lua_setfield(W, LUA_REGISTRYINDEX, STEP);
  return 0;
}

static void close_worker (ae_simulation *s) {
  ae_budget *budget;
  if (s->worker == NULL) return;
  budget = &s->host->workers[0].budget;
  budget->running = NULL;
  atomic_store(&budget->deadline, 0);
  budget->limit = SIZE_MAX;
  lua_close(s->worker);
  s->worker = NULL;
}

/* False: *error says why. */
static bool open_worker (ae_simulation *s, lua_State *L, int compiled, ae_error *error) {
  opening o = {s, L, compiled};
  ae_budget *budget = &s->host->workers[0].budget;
  s->worker = lua_newstate(ae_budget_allocate, budget);
  if (s->worker == NULL) {
    ae_fail(error, AE_MEMORY, 0, "not enough memory for a worker");
    return false;
  }
  budget->timeless = true;
  if (s->trace.file_count > 0) ae_budget_lines(budget, s->worker, ae_trace_line, &s->trace);
  if (call_worker(s, worker_open, &o) == LUA_OK) return true;
  ae_fail(error, AE_INVALID, 0, "the worker cannot be made: %.300s",
          lua_tostring(s->worker, -1) == NULL ? "?" : lua_tostring(s->worker, -1));
  return false;
}

/* }==================================================================== */

/* {====================================================================
** Start and end
** ===================================================================== */

static void end_host (ae_simulation *s, bool in_order) {
  if (!s->alive) return;
  s->alive = false;
  close_worker(s);
  if (in_order) (void)ae_host_stop(s->host);
  else {
    ae_host_drop(s->host);
    ae_disk_cut(s->path, s->seed + s->starts + s->trace.passed);
  }
  free(s->host);
  s->host = NULL;
  s->trace.dead = false;
  s->trace.writes[0] = '\0';
}

static const char *text_field (lua_State *L, const char *name, size_t *length) {
  lua_getfield(L, 2, name);
  return luaL_checklstring(L, -1, length);
}

/* The key of a new inbox, of the seed. */
static void make_key (uint64_t seed, unsigned char key[AE_INBOX_KEY_BYTES]) {
  for (size_t i = 0; i < AE_INBOX_KEY_BYTES; i++) {
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    key[i] = (unsigned char)(seed >> 56);
  }
}

/* Reads the options of a host from the table at index 2. Their texts stay on the stack. */
static void read_options (lua_State *L, ae_simulation *s, ae_host_options *options) {
  memset(options, 0, sizeof *options);
  options->inbox = s->path;
  options->settings.data = text_field(L, "worker_settings", &options->settings.length);
  options->path = ae_host_package(L, "path");
  options->cpath = ae_host_package(L, "cpath");
  options->max_bytes = (size_t)ae_host_integer(L, 2, "max_bytes", 0, AE_MOST_BYTES);
  options->workers = 1;
  options->version = "simulation";
  options->manual = true;
  options->clock = &s->clock;
  options->passes = ae_trace_passes;
  options->passes_context = &s->trace;
}

/* start{ compiled = { [module] = { code =, path = } }, worker_settings =, heads =,
** max_bytes = } -> true | nil, message, code. What may raise comes before the host is
** there. */
static int simulation_start (lua_State *L) {
  ae_simulation *s = ae_simulation_check(L);
  unsigned char key[AE_INBOX_KEY_BYTES];
  ae_host_options options;
  ae_error error;
  ae_heads **heads;
  bool started;
  int compiled;
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_checkstack(L, 20, NULL);
  if (s->alive) return luaL_error(L, "the simulated host has been started");
  read_options(L, s, &options);
  make_key(s->seed, key);
  options.key = key;
  lua_getfield(L, 2, "compiled");
  compiled = lua_gettop(L);
  lua_getfield(L, 2, "heads");
  heads = ae_heads_check(L, lua_gettop(L));
  if (!ae_disk_watch(s->path, ae_trace_flush, &s->trace))
    return luaL_error(L, "not enough memory");
  s->host = calloc(1, sizeof *s->host);
  if (s->host == NULL) return luaL_error(L, "not enough memory");
  s->alive = true;
  started = ae_host_start(s->host, &options, ae_heads_take(heads), &error) == AE_OK;
  if (started && open_worker(s, L, compiled, &error)) {
    lua_pushboolean(L, 1);
    return 1;
  }
  end_host(s, false);
  return ae_host_fail(L, &error);
}

/* drop(): the power fails. */
static int simulation_drop (lua_State *L) {
  end_host(ae_simulation_alive(L), false);
  return 0;
}

/* finish(): ends the host in order; its worker has been told, and has ended. */
static int simulation_finish (lua_State *L) {
  end_host(ae_simulation_alive(L), true);
  return 0;
}

/* drain(): tells the worker to begin no new runs. */
static int simulation_drain (lua_State *L) {
  ae_simulation *s = ae_simulation_alive(L);
  ae_order *order = ae_order_new(AE_MESSAGE_STOP, AE_LITERAL(""));
  if (order == NULL) return luaL_error(L, "not enough memory");
  ae_webhook_drain(s->host->receiver);
  ae_queue_push(&s->host->workers[0].queue, &order->head, false);
  return 0;
}

/* }==================================================================== */

/* {====================================================================
** Steps
** ===================================================================== */

/* turn() -> whether there are messages for the worker: turns of the inbox, until it has no
** more to do at once */
static int simulation_turn (lua_State *L) {
  ae_simulation *s = ae_simulation_alive(L);
  s->trace.turning = true;
  while (ae_inbox_turn(s->host->shared.inbox) && !s->trace.dead) continue;
  s->trace.turning = false;
  /* After the worker was told that a run was taken back, its next turn lets go of the run. */
  lua_pushboolean(L, !ae_queue_is_empty(&s->host->workers[0].queue) ||
                       s->host->workers[0].cancelled.first != NULL);
  return 1;
}

typedef struct exchange {
  lua_State *L; /* of the caller; the replies are at index 2 of its stack */
} exchange;

/* Calls the worker's step with the replies; leaves what it returns. */
static int worker_step (lua_State *W) {
  const exchange *x = lua_touserdata(W, 1);
  lua_getfield(W, LUA_REGISTRYINDEX, STEP);
  ae_lua_copy(x->L, 2, W);
  lua_call(W, 1, LUA_MULTRET);
  return lua_gettop(W) - 1;
}

/* step(replies) -> requests, busy, next, ended: one turn of the worker. busy: it has more
** to do at once; next: seconds until its next timer, or nil; ended: it has stopped. */
static int simulation_step (lua_State *L) {
  ae_simulation *s = ae_simulation_alive(L);
  exchange x = {L};
  lua_settop(L, 2);
  if (call_worker(s, worker_step, &x) != LUA_OK) {
    const char *message = lua_tostring(s->worker, -1);
    lua_settop(L, 2);
    return luaL_error(L, "the worker failed: %s", message == NULL ? "?" : message);
  }
  for (int i = 1; i <= 4; i++) ae_lua_copy(s->worker, i, L);
  return 4;
}

/* Pushes the names of the modules that the worker has loaded. */
static int worker_loaded (lua_State *W) {
  lua_Integer count = 0;
  lua_newtable(W);
  lua_getfield(W, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushnil(W);
  while (lua_next(W, -2) != 0) {
    lua_pop(W, 1);
    if (lua_type(W, -1) != LUA_TSTRING) continue;
    lua_pushvalue(W, -1);
    lua_rawseti(W, -4, ++count);
  }
  lua_pop(W, 1);
  return 1;
}

/* loaded() -> the names of the modules that the worker has loaded, or nil */
static int simulation_loaded (lua_State *L) {
  ae_simulation *s = ae_simulation_check(L);
  if (!s->alive || call_worker(s, worker_loaded, NULL) != LUA_OK) return 0;
  ae_lua_copy(s->worker, 1, L);
  return 1;
}

/* look(): the next turn looks for acts by hand. */
static int simulation_look (lua_State *L) {
  ae_inbox_look(ae_simulation_alive(L)->host->shared.inbox);
  return 0;
}

/* due() -> seconds since 1970 when the inbox's next run is due, or nil */
static int simulation_due (lua_State *L) {
  int64_t due = ae_inbox_next_due(ae_simulation_alive(L)->host->shared.inbox);
  if (due == INT64_MAX) lua_pushnil(L);
  else lua_pushnumber(L, (lua_Number)due / 1e3);
  return 1;
}

/* state([event]) -> JSON, see state.h */
static int simulation_state (lua_State *L) {
  return ae_state_push(L, ae_simulation_alive(L)->host);
}

static int simulation_now (lua_State *L) {
  lua_pushnumber(L, (lua_Number)ae_clock_steady_ns(&ae_simulation_check(L)->clock) / 1e9);
  return 1;
}

/* The clock at the time, never before it. */
static void set_clock (ae_simulation *s, lua_Number seconds) {
  int64_t ns = (int64_t)(seconds * 1e6 + 0.5) * 1000; /* a double has no finer times */
  if ((lua_Number)ns / 1e9 < seconds) ns += 1000;
  ae_clock_set(&s->clock, ns);
}

/* set(seconds since 1970) */
static int simulation_set (lua_State *L) {
  ae_simulation *s = ae_simulation_check(L);
  lua_Number seconds = luaL_checknumber(L, 2);
  luaL_argcheck(L, seconds > 0 && seconds < 9e9, 2, "seconds since 1970");
  set_clock(s, seconds);
  return 0;
}

/* path() -> the inbox's path */
static int simulation_path (lua_State *L) {
  lua_pushstring(L, ae_simulation_check(L)->path);
  return 1;
}

/* dead() -> whether the host died at a boundary */
static int simulation_dead (lua_State *L) {
  lua_pushboolean(L, ae_simulation_check(L)->trace.dead);
  return 1;
}

/* forced() -> whether rules were put in force by hand since it was asked last */
static int simulation_forced (lua_State *L) {
  lua_pushboolean(L, atomic_exchange(&ae_simulation_alive(L)->host->forced, false));
  return 1;
}

/* reload(heads or nil, worker_settings) -> true | nil, message, code */
static int simulation_reload (lua_State *L) {
  ae_simulation *s = ae_simulation_alive(L);
  ae_heads *heads = NULL;
  ae_slice settings;
  ae_error error;
  settings.data = luaL_checklstring(L, 3, &settings.length);
  if (!lua_isnil(L, 2)) heads = ae_heads_take(ae_heads_check(L, 2));
  if (ae_host_reload(s->host, heads, settings, &error) != AE_OK)
    return ae_host_fail(L, &error);
  lua_pushboolean(L, 1);
  return 1;
}

static int simulation_keep_versions (lua_State *L) {
  ae_simulation *s = ae_simulation_alive(L);
  return ae_versions_keep(L, s->host->shared.inbox, s->host->shared.clock);
}

/* }==================================================================== */

static int simulation_close (lua_State *L) {
  ae_simulation *s = ae_simulation_check(L);
  end_host(s, false);
  ae_clock_forget(&s->clock);
  ae_disk_remove(s->path);
  ae_trace_free(&s->trace);
  if (s->watched) (void)timer_delete(s->watch);
  s->watched = false;
  return 0;
}

static const luaL_Reg methods[] = {{"start", simulation_start},
                                   {"drop", simulation_drop},
                                   {"drain", simulation_drain},
                                   {"finish", simulation_finish},
                                   {"post", ae_simulation_post},
                                   {"turn", simulation_turn},
                                   {"step", simulation_step},
                                   {"look", simulation_look},
                                   {"loaded", simulation_loaded},
                                   {"due", simulation_due},
                                   {"state", simulation_state},
                                   {"now", simulation_now},
                                   {"set", simulation_set},
                                   {"dead", simulation_dead},
                                   {"path", simulation_path},
                                   {"reload", simulation_reload},
                                   {"forced", simulation_forced},
                                   {"keep_versions", simulation_keep_versions},
                                   {"facts", ae_trace_take_facts},
                                   {"pass", ae_trace_pass_named},
                                   {"crash_at", ae_trace_crash_at},
                                   {"boundaries", ae_trace_boundaries},
                                   {"coverage", ae_trace_coverage},
                                   {"close", simulation_close},
                                   {NULL, NULL}};

/* Calls the method in the upvalue. The facts that this thread logs meanwhile go to the
** simulation's trace: none of a simulated host gets into the log of the process. */
static int heard (lua_State *L) {
  ae_simulation *s = ae_simulation_check(L);
  ae_log_diversion before;
  int result;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  before = ae_log_divert((ae_log_diversion){ae_trace_fact, &s->trace});
  result = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  (void)ae_log_divert(before);
  return result == LUA_OK ? lua_gettop(L) : lua_error(L);
}

static void push_heard (lua_State *L, lua_CFunction method) {
  lua_pushcfunction(L, method);
  lua_pushcclosure(L, heard, 1);
}

void ae_simulation_setup (lua_State *L) {
  if (luaL_newmetatable(L, AE_SIMULATION)) {
    lua_newtable(L);
    for (const luaL_Reg *method = methods; method->name != NULL; method++) {
      push_heard(L, method->func);
      lua_setfield(L, -2, method->name);
    }
    lua_setfield(L, -2, "__index");
    push_heard(L, simulation_close);
    lua_setfield(L, -2, "__gc");
    push_heard(L, simulation_close);
    lua_setfield(L, -2, "__close");
  }
  lua_pop(L, 1);
}

/* The C library joins its bins of small free blocks at each larger request. The bodies of
** events and letters are such requests, so that in a simulation joining would cost a tenth
** of the time: small blocks do without those bins. Counts for the whole process. */
static void spare_joining (void) {
#if defined(__GLIBC__)
  (void)mallopt(M_MXFAST, 0);
#endif
}

int ae_simulation_new (lua_State *L) {
  static atomic_uint_fast64_t number;
  static const char *const known[] = {"now", "seed", "coverage", "facts", NULL};
  ae_simulation *s;
  lua_Number now;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  ae_host_check_options(L, known, "host.simulation");
  lua_getfield(L, 1, "now");
  now = luaL_checknumber(L, -1);
  luaL_argcheck(L, now > 0 && now < 9e9, 1, "now: seconds since 1970");
  s = lua_newuserdatauv(L, sizeof *s, 0);
  memset(s, 0, sizeof *s);
  s->trace.last = &s->trace.first;
  luaL_setmetatable(L, AE_SIMULATION);
  snprintf(s->path, sizeof s->path, AE_DISK_PREFIX "%llu",
           (unsigned long long)atomic_fetch_add(&number, 1) + 1);
  set_clock(s, now);
  if (!ae_clock_name(&s->clock, s->path)) return luaL_error(L, "not enough memory");
  lua_getfield(L, 1, "seed");
  s->seed = (uint64_t)luaL_optinteger(L, -1, 0);
  lua_getfield(L, 1, "facts");
  s->trace.wants_facts = lua_toboolean(L, -1);
  lua_getfield(L, 1, "coverage");
  ae_trace_init(L, &s->trace, lua_gettop(L));
  ae_budget_install();
  spare_joining();
  if (!make_watch(s)) return luaL_error(L, "the system has no timer to give");
  lua_settop(L, 3);
  return 1;
}
