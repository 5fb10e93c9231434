/*
** simulation_private.h: what the files of the simulation share: simulation.c (the object),
** simulation_post.c (requests to the receiver), simulation_trace.c (facts of the log,
** boundaries, lines that ran).
*/
#ifndef ALTINN_EVENTS_SIMULATION_PRIVATE_H
#define ALTINN_EVENTS_SIMULATION_PRIVATE_H

#include <time.h>

#include "host/log.h"
#include "lua/host/host.h"

#define AE_SIMULATION "altinn.events.host.simulation"

/* A fact of the log, kept until Lua takes it. */
typedef struct ae_kept_fact {
  struct ae_kept_fact *next;
  ae_level level;
  size_t count;         /* of fields */
  size_t message;       /* bytes of the message, which begins `bytes` */
  ae_log_field *fields; /* point into `bytes` */
  bool *numbers;        /* whether the field is a number, or true or false */
  char bytes[];
} ae_kept_fact;

/* The lines of a file that ran. */
typedef struct ae_lines_run {
  char *file;
  uint32_t *counts; /* by line */
  size_t capacity;
} ae_lines_run;

typedef struct ae_trace {
  bool wants_facts;
  ae_kept_fact *first, **last;
  ae_lines_run *files;
  size_t file_count, latest; /* latest: the file of the last line */
  /* Boundaries. */
  char **names;
  size_t passed, room; /* boundaries passed so far; room in `names` */
  size_t crash_at;     /* the number of the boundary at which the host dies; 0: none */
  bool dead;           /* it died */
  bool turning;        /* the inbox is at work: its flushes are boundaries */
  bool flushed;        /* since the beginning of the commit under way */
  char writes[300];    /* what the commit under way writes; "": something else than works */
} ae_trace;

typedef struct ae_simulation {
  ae_host *host;
  ae_clock clock;
  ae_trace trace;
  lua_State *worker; /* the worker's state; NULL: there is none */
  timer_t watch;     /* sends AE_BUDGET_SIGNAL to the thread while a worker computes */
  bool watched;      /* `watch` is there */
  bool alive;        /* the host has been started */
  uint64_t seed, starts;
  char path[64]; /* of the inbox, on the simulated disk */
} ae_simulation;

/* The object at index 1. */
ae_simulation *ae_simulation_check (lua_State *L);
/* The same; raises unless the host is alive. */
ae_simulation *ae_simulation_alive (lua_State *L);

/* simulation_trace.c */

/* Facts, boundaries and lines; `files`: index of a list of names, or of nil. May raise. */
void ae_trace_init (lua_State *L, ae_trace *trace, int files);
void ae_trace_free (ae_trace *trace);
/* Takes facts of the log (ae_log_divert); `context`: the trace. */
void ae_trace_fact (void *context, ae_level level, ae_slice message,
                    const ae_log_fields *fields);
/* A line ran (ae_budget_lines); `context`: the trace. */
void ae_trace_line (void *context, lua_State *L, lua_Debug *ar);
/* A boundary of that name is passed. False: the host dies there. */
bool ae_trace_pass (ae_trace *trace, const char *name);
/* The boundaries of the inbox (ae_inbox_options.passes), and of its disk
** (ae_disk_watcher); `context`: the trace. */
bool ae_trace_passes (void *context, ae_inbox_place place, const ae_work *works);
bool ae_trace_flush (void *context, const char *file);
/* Methods; see simulation.c. */
int ae_trace_take_facts (lua_State *L);
int ae_trace_pass_named (lua_State *L);
int ae_trace_crash_at (lua_State *L);
int ae_trace_boundaries (lua_State *L);
int ae_trace_coverage (lua_State *L);

/* simulation_post.c: the method `post`. */
int ae_simulation_post (lua_State *L);

#endif
