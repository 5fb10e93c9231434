/*
** budget.h: how much time, memory and instructions a rule may use at a
** stretch in the state of a worker.
**
** There is no standing count hook, so that rules run at full speed. A watch
** thread looks at the deadline (ae_budget_check); when it has passed it
** sends AE_BUDGET_SIGNAL to the worker's thread, whose handler sets a hook
** that raises at every instruction until the scheduler leaves the run.
*/
#ifndef ALTINN_EVENTS_BUDGET_H
#define ALTINN_EVENTS_BUDGET_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#define AE_BUDGET_SIGNAL (SIGRTMIN + 5)

/* Why a run was stopped. */
typedef enum ae_stop {
  AE_STOP_NOT,         /* it was not */
  AE_STOP_TIME,        /* computed for too long */
  AE_STOP_INSTRUCTIONS /* too many instructions */
} ae_stop;

typedef struct ae_budget {
  size_t used;                   /* bytes that the state holds */
  size_t limit;                  /* bytes that it may hold, SIZE_MAX = any */
  bool refused;                  /* an allocation was refused in this slice */
  _Atomic(int64_t) deadline;     /* ns, CLOCK_MONOTONIC; 0 = no slice */
  int64_t started, computed;     /* at the start of the slice: wall, CPU */
  _Atomic(int64_t) allowed;      /* ns of computing time */
  int64_t quiet;                 /* ns, CLOCK_MONOTONIC: no new hook before */
  int64_t instructions;          /* left to the slice; -1 = not counted */
  lua_State *volatile running;   /* the thread that runs now, NULL = none */
  volatile sig_atomic_t stopped; /* ae_stop */
} ae_budget;

/* The allocator of a worker's state; `budget` is its userdata. */
void *ae_budget_allocate (void *budget, void *ptr, size_t osize, size_t nsize);

/* Empties a budget. */
void ae_budget_init (ae_budget *budget);

/* Makes `budget` that of the calling thread, and lets the signal in. */
void ae_budget_attach (ae_budget *budget);

/* Takes the signal for the whole process; once is enough. */
void ae_budget_install (void);

/* Watch thread: sends the signal when the deadline has passed. True: a
** slice is under way. */
bool ae_budget_check (ae_budget *budget, pthread_t thread);

/* Seconds that a slice has taken beyond what stops any code of Lua: it hangs
** in a function of C. 0: it does not. Any thread. */
double ae_budget_hangs (const ae_budget *budget);

/* Pushes the table of functions that the scheduler uses: start, finish,
** enter, leave, stopped, used. */
void ae_budget_push (lua_State *L, ae_budget *budget);

#endif
