/*
** worker.c: thread and Lua state of a worker; see worker.h.
*/
#include "lua/host/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <lauxlib.h>
#include <lualib.h>

#include "host/log.h"
#include "lua/host/children.h"

/* A worker stands still when it has not looked for messages for this long. Transfers
** may take up to a minute between two looks. */
#define STILL_SECONDS 75

static void set_path (lua_State *L, const char *field, const char *path) {
  if (path == NULL) return;
  lua_getglobal(L, "package");
  lua_pushstring(L, path);
  lua_setfield(L, -2, field);
  lua_pop(L, 1);
}

/* Pushes what a module gives. */
static void require (lua_State *L, const char *name) {
  lua_getglobal(L, "require");
  lua_pushstring(L, name);
  lua_call(L, 1, 1);
}

void ae_worker_open (lua_State *L, ae_worker *worker) {
  luaL_openlibs(L);
  ae_children_open(L);
  set_path(L, "path", worker->shared->path);
  set_path(L, "cpath", worker->shared->cpath);
  ae_jobs_push(L, worker);
  require(L, "altinn.events.host.clock"); /* before any module keeps the system's */
  lua_pushvalue(L, -2);
  lua_call(L, 1, 0);
  require(L, "altinn.events.host.worker");
  lua_insert(L, -2);
  lua_pushstring(L, worker->settings);
  ae_budget_push(L, &worker->budget);
}

/* The part of the worker that may raise; called by lua_pcall. */
static int protected_main (lua_State *L) {
  ae_worker_open(L, lua_touserdata(L, 1));
  lua_getfield(L, -4, "main");
  lua_insert(L, -4);
  lua_call(L, 3, 0);
  return 0;
}

static int traceback (lua_State *L) {
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

static void complain (const char *message) {
  ae_log_reason(AE_ERROR, "worker failed", message == NULL ? "no message" : message);
}

static void run_state (ae_worker *worker) {
  lua_State *L = lua_newstate(ae_budget_allocate, &worker->budget);
  if (L == NULL) {
    complain("not enough memory for a Lua state");
    atomic_store(&worker->shared->failed, true);
    return;
  }
  lua_pushcfunction(L, traceback);
  lua_pushcfunction(L, protected_main);
  lua_pushlightuserdata(L, worker);
  if (lua_pcall(L, 1, 0, 1) != LUA_OK) {
    complain(lua_tostring(L, -1));
    atomic_store(&worker->shared->failed, true);
  }
  worker->budget.running = NULL;
  atomic_store(&worker->budget.deadline, 0);
  worker->budget.limit = SIZE_MAX;
  lua_close(L);
}

static void *thread_main (void *argument) {
  ae_worker *worker = argument;
  ae_budget_attach(&worker->budget);
  run_state(worker);
  ae_budget_attach(NULL);
  atomic_store(&worker->finished, true);
  return NULL;
}

bool ae_worker_init (ae_worker *worker, ae_shared *shared, ae_slice settings) {
  memset(worker, 0, sizeof *worker);
  worker->shared = shared;
  ae_list_init(&worker->again);
  ae_list_init(&worker->cancelled);
  ae_budget_init(&worker->budget);
  worker->settings = malloc(settings.length + 1);
  if (!ae_queue_init(&worker->queue) || worker->settings == NULL) return false;
  memcpy(worker->settings, settings.data, settings.length);
  worker->settings[settings.length] = '\0';
  return true;
}

static int64_t monotonic (void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void ae_worker_turn (ae_worker *worker, bool waiting) {
  atomic_store(&worker->waiting, waiting);
  atomic_store(&worker->turned, monotonic());
}

bool ae_worker_turns (const ae_worker *worker, size_t number, char *why, size_t size) {
  double hangs = ae_budget_hangs(&worker->budget), still;
  if (!worker->started || atomic_load(&worker->finished)) return true;
  if (hangs > 0) {
    snprintf(why, size,
             "worker %zu stands still: a rule's code has been in a function of C, which "
             "nothing can stop, for %.0f s",
             number, hangs);
    return false;
  }
  if (atomic_load(&worker->waiting)) return true;
  still = (double)(monotonic() - atomic_load(&worker->turned)) / 1e9;
  if (still < STILL_SECONDS) return true;
  snprintf(why, size, "worker %zu stands still: it has looked for no work for %.0f s", number,
           still);
  return false;
}

bool ae_worker_start (ae_worker *worker) {
  ae_worker_turn(worker, false);
  worker->started = pthread_create(&worker->thread, NULL, thread_main, worker) == 0;
  return worker->started;
}

void ae_worker_free (ae_worker *worker) {
  if (worker->again.last != NULL) ae_list_free(&worker->again);
  if (worker->cancelled.last != NULL) ae_list_free(&worker->cancelled);
  free(worker->building);
  free(worker->settings);
  if (worker->queue.runs.last != NULL) ae_queue_free(&worker->queue);
}
