/*
** host.h: the running host: inbox, receiver, admin port, workers, and the
** thread that watches the workers' budgets.
*/
#ifndef ALTINN_EVENTS_HOST_H
#define ALTINN_EVENTS_HOST_H

#include "host/routes.h"
#include "host/admin.h"
#include "lua/host/worker.h"

#define AE_MAX_WORKERS 64
#define AE_MAX_SECRETS 16
#define AE_MAX_TARGETS 256 /* whose metrics exist before their first effect */

/* The options of host.start; Lua anchors the texts. */
typedef struct ae_host_options {
  const char *inbox;
  const char *listen, *admin; /* addresses; NULL = none */
  uint16_t listen_port, admin_port;
  ae_slice secrets[AE_MAX_SECRETS];
  size_t secret_count;
  size_t workers;
  size_t max_bytes;
  uint32_t deadline, connections;
  const char *path, *cpath; /* package.path and package.cpath */
  ae_slice settings;
  bool once;
  const char *version;
  const char *targets[AE_MAX_TARGETS]; /* names, for the metrics */
  size_t target_count;
  bool json;     /* the log's lines are JSON */
  int64_t still; /* ns since 1970: the clock stands there until it is advanced; 0: it runs */

  /* Of a host without threads and sockets, whose caller makes the turns of its inbox and
  ** of its one worker: see simulation.c. */
  bool manual;
  ae_clock *clock; /* NULL: the host's own */
  bool (*passes)(void *context, ae_inbox_place place, const ae_work *works);
  void *passes_context;
  const unsigned char *key; /* of a new inbox; NULL: a random one */
} ae_host_options;

typedef struct ae_host {
  ae_shared shared;
  ae_clock clock;
  bool manual;
  bool (*passes)(void *context, ae_inbox_place place, const ae_work *works);
  void *passes_context;
  ae_routes routes;
  _Atomic(ae_webhook *) receiver; /* the admin thread reads it */
  ae_admin *admin;
  ae_worker *workers;
  size_t count;
  uint32_t round;  /* the writer thread's: next worker for a run without order */
  int64_t started; /* ms since 1970 */
  bool running, once;
  bool ending;    /* SIGTERM or SIGINT came: the process is about to end */
  bool unwell;    /* the inbox did not store at the last look */
  bool abandoned; /* one of its threads hangs: never free the host */
  atomic_bool draining, watching;
  atomic_bool forced; /* a rule was put in force by hand: not told yet */
  pthread_t watch;
  bool watch_started;
  sigset_t signals, mask;      /* the signals waited for; the mask before the start */
  struct sigaction pipe, size; /* the actions of SIGPIPE and SIGXFSZ before the start */
} ae_host;

/* Starts inbox, workers, receiver and admin port; takes `heads` over in any case. On
** failure it stops again whatever it started; see `abandoned`. */
ae_code ae_host_start (ae_host *host, const ae_host_options *options, ae_heads *heads,
                       ae_error *error);

/* Drains and closes the host: no new events are taken, runs in flight have ten
** seconds to end. False: a worker hangs in a C function and was left behind. */
bool ae_host_stop (ae_host *host);

/* Ends a manual host as a power failure does: nothing more is stored. */
void ae_host_drop (ae_host *host);

/* Moves the host's clock ahead. Any thread. */
void ae_host_advance (ae_host *host, int64_t ns);

/* calls.c: opens the inbox, with the host's functions. */
ae_code ae_host_open_inbox (ae_host *host, const ae_host_options *options, ae_error *error);

/* Puts new heads in force, which it takes over in any case, and gives the workers new
** settings. NULL: the heads stay. AE_MEMORY: the old heads stay in force. */
ae_code ae_host_reload (ae_host *host, ae_heads *heads, ae_slice settings, ae_error *error);

/* notify.c: the function notify of the module. */
int ae_host_notify (lua_State *L);

/* Waits for a signal ("term", "int", "hup"), for a rule that is put in force by hand
** ("forced"), for the end of all work ("idle", with
** `once` only), for a worker that gave up ("failed"), or for the inbox to fail
** ("unwell") or to work again ("well"). NULL: the time is over. */
const char *ae_host_wait (ae_host *host, double seconds);

#endif
