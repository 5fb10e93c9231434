/*
** budget.h: limits on the time, memory and instructions of a slice: the stretch
** that a rule runs between two yields, in a worker's state.
**
** No count hook is set in advance, so that rules run at full speed. A watch thread
** checks the deadline (ae_budget_check). When the deadline has passed, the watch
** thread sends AE_BUDGET_SIGNAL to the worker's thread. The signal's handler sets a
** hook that raises at every instruction until the scheduler leaves the run.
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
  int64_t started, computed;     /* ns at the start of the slice: monotonic clock, CPU time */
  _Atomic(int64_t) allowed;      /* ns of CPU time */
  int64_t quiet;                 /* ns, CLOCK_MONOTONIC: no new hook before this time */
  int64_t instructions;          /* left in the slice; -1 = not counted */
  lua_State *volatile running;   /* the Lua thread that runs now, NULL = none */
  volatile sig_atomic_t stopped; /* ae_stop */
  /* Called for each line that runs in the state; NULL: nobody wants to know. Set before the
  ** state's first coroutine is made, by ae_budget_lines. */
  void (*line)(void *context, lua_State *L, lua_Debug *ar);
  void *line_context;
  bool timeless; /* a slice takes no time, or, when it is stopped, all that it may */
} ae_budget;

/* The allocator of a worker's state; `budget` is its userdata. */
void *ae_budget_allocate (void *budget, void *ptr, size_t osize, size_t nsize);

/* Empties a budget. */
void ae_budget_init (ae_budget *budget);

/* Attaches `budget` (NULL: none) to the calling thread, and unblocks the signal. */
void ae_budget_attach (ae_budget *budget);

/* Installs the signal's handler for the process; once is enough. */
void ae_budget_install (void);

/* Sends the signal to `thread` when the deadline has passed. True: a slice is under
** way. The watch thread's. */
bool ae_budget_check (ae_budget *budget, pthread_t thread);

/* The seconds since the deadline of a slice that hangs. A slice hangs in a C function
** when it goes on after the time at which any Lua code would have been stopped. 0: no
** slice hangs. Any thread. */
double ae_budget_hangs (const ae_budget *budget);

/* Has each line of the state told, of `L` and of the coroutines that will be made. */
void ae_budget_lines (ae_budget *budget, lua_State *L,
                      void (*line)(void *context, lua_State *L, lua_Debug *ar), void *context);

/* Pushes the table of functions that the scheduler uses: start, finish,
** enter, leave, stopped, used. */
void ae_budget_push (lua_State *L, ae_budget *budget);

#endif
