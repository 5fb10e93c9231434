/*
** budget.c: limits of the rules in a worker's state; see budget.h.
*/
#include "lua/host/budget.h"

#include <stdlib.h>
#include <time.h>

#include <lauxlib.h>

/* The allowance is CPU time: a thread that waits for the disk or for a core does not
** use it up. A slice that lasts this many times its allowance by the wall clock is
** stopped too. */
#define WALL_FACTOR 10

/* A slice that lasts this much longer than the limit above is said to hang. */
#define HANG_NS (INT64_C(2) * 1000000000)

/* lua_sethook walks the whole call stack. After each call the rule runs undisturbed
** for this many times as long as the call took, so that it reaches its hook. */
#define QUIET_FACTOR 10

/* Room that a rule's Lua thread gets at once: a stack that grows by doubling moves several
** times in each run. */
#define STACK_SLOTS 160

/* Instructions between two looks at the counter. */
#define COUNT_STEP 1000

/* The budget of this thread: the signal handler has no argument to pass it in. */
static _Thread_local ae_budget *attached;

static int64_t now (clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/*
** With ptr == NULL, osize is a type tag (Lua manual, lua_Alloc). Lua assumes that
** shrinking a block never fails.
*/
void *ae_budget_allocate (void *ud, void *ptr, size_t osize, size_t nsize) {
  ae_budget *budget = ud;
  size_t old = ptr == NULL ? 0 : osize;
  void *fresh;
  if (nsize == 0) {
    free(ptr);
    budget->used -= old;
    return NULL;
  }
  if (nsize > old &&
      (budget->used > budget->limit || nsize - old > budget->limit - budget->used)) {
    budget->refused = true;
    return NULL;
  }
  fresh = realloc(ptr, nsize);
  if (fresh == NULL) {
    if (nsize > old) return NULL;
    fresh = ptr; /* still large enough */
  }
  budget->used = budget->used - old + nsize;
  return fresh;
}

void ae_budget_init (ae_budget *budget) {
  budget->used = 0;
  budget->limit = SIZE_MAX;
  budget->refused = false;
  atomic_store(&budget->deadline, 0);
  budget->started = budget->computed = budget->quiet = 0;
  atomic_store(&budget->allowed, 0);
  budget->instructions = -1;
  budget->running = NULL;
  budget->stopped = AE_STOP_NOT;
  budget->line = NULL;
  budget->timeless = false;
}

/* The hook of a thread that has no other. */
static void line_hook (lua_State *L, lua_Debug *ar) {
  ae_budget *budget = attached;
  if (budget != NULL && budget->line != NULL) budget->line(budget->line_context, L, ar);
}

/* Sets a hook that is called each `count` instructions, besides that of the lines. */
static void set_hook (const ae_budget *budget, lua_State *L, lua_Hook hook, int count) {
  const bool lines = budget != NULL && budget->line != NULL;
  lua_sethook(L, hook, LUA_MASKCOUNT | (lines ? LUA_MASKLINE : 0), count);
}

static void clear_hook (const ae_budget *budget, lua_State *L) {
  const bool lines = budget != NULL && budget->line != NULL;
  lua_sethook(L, lines ? line_hook : NULL, lines ? LUA_MASKLINE : 0, 0);
}

/* Whether the hook was called for a line. */
static bool is_line (lua_State *L, lua_Debug *ar) {
  if (ar->event != LUA_HOOKLINE) return false;
  line_hook(L, ar);
  return true;
}

void ae_budget_lines (ae_budget *budget, lua_State *L,
                      void (*line)(void *context, lua_State *L, lua_Debug *ar),
                      void *context) {
  budget->line = line;
  budget->line_context = context;
  clear_hook(budget, L);
}

/* Raises at every instruction while the run is stopped. In a coroutine that outlives
** its run, the hook removes itself when the coroutine runs again. */
static void stop_hook (lua_State *L, lua_Debug *ar) {
  ae_budget *budget = attached;
  if (is_line(L, ar)) return;
  if (budget == NULL || budget->stopped == AE_STOP_NOT) {
    clear_hook(budget, L);
    return;
  }
  if (budget->stopped == AE_STOP_INSTRUCTIONS)
    luaL_error(L, "budget of instructions is used up");
  luaL_error(L, "time budget of %f s is used up", (lua_Number)budget->allowed / 1e9);
}

/* Counts instructions, for rules with limit.instructions. */
static void count_hook (lua_State *L, lua_Debug *ar) {
  ae_budget *budget = attached;
  if (is_line(L, ar)) return;
  if (budget == NULL || budget->instructions < 0 || budget->running == NULL) {
    clear_hook(budget, L);
    return;
  }
  budget->instructions -= COUNT_STEP;
  if (budget->instructions > 0) return;
  budget->instructions = 0;
  budget->stopped = AE_STOP_INSTRUCTIONS;
  set_hook(budget, L, stop_hook, 1);
  stop_hook(L, ar);
}

/* Sets the hook that the Lua thread must have now. */
static void arm (ae_budget *budget, lua_State *L) {
  if (budget->stopped != AE_STOP_NOT) set_hook(budget, L, stop_hook, 1);
  else if (budget->instructions >= 0 && lua_gethook(L) != count_hook)
    set_hook(budget, L, count_hook, COUNT_STEP);
}

static bool overrun (const ae_budget *budget) {
  int64_t wall = now(CLOCK_MONOTONIC) - budget->started;
  if (wall < budget->allowed) return false;
  if (wall >= budget->allowed * WALL_FACTOR) return true;
  return now(CLOCK_THREAD_CPUTIME_ID) - budget->computed >= budget->allowed;
}

/* The signal handler runs in the worker's thread, between any two machine
** instructions. lua_sethook may be called there (lua.c does so). */
static void on_signal (int number) {
  ae_budget *budget = attached;
  lua_State *L;
  int64_t begun;
  (void)number;
  if (budget == NULL) return;
  L = budget->running;
  begun = now(CLOCK_MONOTONIC);
  if (L == NULL || begun < budget->quiet || !overrun(budget)) return;
  if (budget->stopped == AE_STOP_NOT) budget->stopped = AE_STOP_TIME;
  set_hook(budget, L, stop_hook, 1);
  begun = now(CLOCK_MONOTONIC) - begun;
  budget->quiet = now(CLOCK_MONOTONIC) + begun * QUIET_FACTOR;
}

void ae_budget_install (void) {
  struct sigaction action;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  action.sa_handler = on_signal;
  sigaction(AE_BUDGET_SIGNAL, &action, NULL);
}

void ae_budget_attach (ae_budget *budget) {
  sigset_t set;
  attached = budget;
  sigemptyset(&set);
  sigaddset(&set, AE_BUDGET_SIGNAL);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

bool ae_budget_check (ae_budget *budget, pthread_t thread) {
  int64_t deadline = atomic_load(&budget->deadline);
  if (deadline == 0) return false;
  if (now(CLOCK_MONOTONIC) >= deadline) pthread_kill(thread, AE_BUDGET_SIGNAL);
  return true;
}

double ae_budget_hangs (const ae_budget *budget) {
  int64_t deadline = atomic_load(&budget->deadline), late;
  if (deadline == 0) return 0;
  late = now(CLOCK_MONOTONIC) - deadline;
  if (late < atomic_load(&budget->allowed) * (WALL_FACTOR - 1) + HANG_NS) return 0;
  return (double)late / 1e9;
}

static ae_budget *upvalue (lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

static lua_State *check_thread (lua_State *L, int index) {
  lua_State *co = lua_tothread(L, index);
  luaL_argexpected(L, co != NULL, index, "coroutine");
  return co;
}

/* start(co, seconds, bytes [, instructions]): begins a slice of a rule, which runs in
** the Lua thread `co` until finish(). */
static int budget_start (lua_State *L) {
  ae_budget *budget = upvalue(L);
  lua_State *co = check_thread(L, 1);
  lua_Number seconds = luaL_checknumber(L, 2);
  lua_Integer bytes = luaL_checkinteger(L, 3);
  luaL_argcheck(L, seconds > 0 && seconds < 1e6, 2, "seconds out of range");
  luaL_argcheck(L, bytes > 0, 3, "bytes out of range");
  (void)lua_checkstack(co, STACK_SLOTS);
  budget->instructions = luaL_optinteger(L, 4, -1);
  budget->limit = budget->used + (size_t)bytes;
  budget->refused = false;
  budget->stopped = AE_STOP_NOT;
  budget->allowed = (int64_t)(seconds * 1e9);
  budget->quiet = 0;
  budget->started = now(CLOCK_MONOTONIC);
  budget->computed = now(CLOCK_THREAD_CPUTIME_ID);
  arm(budget, co);
  budget->running = co;
  atomic_store(&budget->deadline, budget->started + budget->allowed);
  return 0;
}

/* finish() -> "time", "instructions", "memory" or nil; seconds taken;
** instructions left. The order matters: a signal may come at any point. */
static int budget_finish (lua_State *L) {
  ae_budget *budget = upvalue(L);
  int64_t taken = now(CLOCK_MONOTONIC) - budget->started;
  int stopped;
  budget->running = NULL;
  atomic_store(&budget->deadline, 0);
  budget->limit = SIZE_MAX;
  stopped = budget->stopped;
  budget->stopped = AE_STOP_NOT;
  if (stopped == AE_STOP_TIME) lua_pushliteral(L, "time");
  else if (stopped == AE_STOP_INSTRUCTIONS) lua_pushliteral(L, "instructions");
  else if (budget->refused) lua_pushliteral(L, "memory");
  else lua_pushnil(L);
  if (budget->timeless) taken = stopped == AE_STOP_TIME ? budget->allowed : 0;
  lua_pushnumber(L, (lua_Number)taken / 1e9);
  lua_pushinteger(L, budget->instructions);
  budget->instructions = -1;
  return 3;
}

/* enter(co): the running thread is about to resume or close `co`. */
static int budget_enter (lua_State *L) {
  ae_budget *budget = upvalue(L);
  lua_State *co = check_thread(L, 1);
  if (budget->running == NULL) return 0;
  budget->running = co;
  arm(budget, co);
  return 0;
}

/* leave(): back in the calling thread. */
static int budget_leave (lua_State *L) {
  ae_budget *budget = upvalue(L);
  if (budget->running == NULL) return 0;
  budget->running = L;
  arm(budget, L);
  return 0;
}

/* stopped() -> boolean: whether the slice was stopped. Then no message handler may be
** entered: it would run without hooks. */
static int budget_stopped (lua_State *L) {
  lua_pushboolean(L, upvalue(L)->stopped != AE_STOP_NOT);
  return 1;
}

static int budget_used (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)upvalue(L)->used);
  return 1;
}

static const luaL_Reg functions[] = {{"start", budget_start},
                                     {"finish", budget_finish},
                                     {"enter", budget_enter},
                                     {"leave", budget_leave},
                                     {"stopped", budget_stopped},
                                     {"used", budget_used},
                                     {NULL, NULL}};

void ae_budget_push (lua_State *L, ae_budget *budget) {
  luaL_newlibtable(L, functions);
  lua_pushlightuserdata(L, budget);
  luaL_setfuncs(L, functions, 1);
}
