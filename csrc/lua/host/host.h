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
#define AE_MAX_TARGETS 256 /* that are told of before their first effect */

/* What host.start was asked for; texts are anchored in Lua. */
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
  bool json; /* the log's lines are JSON */
} ae_host_options;

typedef struct ae_host {
  ae_shared shared;
  ae_routes routes;
  _Atomic(ae_webhook *) receiver; /* the admin thread reads it */
  ae_admin *admin;
  ae_worker *workers;
  size_t count;
  uint32_t round; /* the writer thread's: for rules without order */
  bool running, once;
  bool ending;    /* SIGTERM or SIGINT came: the process is about to end */
  bool unwell;    /* the inbox did not store at the last look */
  bool abandoned; /* a thread of it hangs: never free it */
  atomic_bool draining, watching;
  pthread_t watch;
  bool watch_started;
  sigset_t signals, mask;      /* those waited for; the mask before */
  struct sigaction pipe, size; /* what SIGPIPE and SIGXFSZ did before */
} ae_host;

/* Starts everything; takes `heads` over in any case. On failure what was
** started is stopped again; see `abandoned`. */
ae_code ae_host_start (ae_host *host, const ae_host_options *options, ae_heads *heads,
                       ae_error *error);

/* Drains: no new events, what runs has ten seconds, then all is closed.
** False: a worker hangs in a C function and was left behind. */
bool ae_host_stop (ae_host *host);

/* New heads and settings for the workers. */
ae_code ae_host_reload (ae_host *host, ae_heads *heads, ae_slice settings, ae_error *error);

/* notify.c: the function notify of the module. */
int ae_host_notify (lua_State *L);

/* "term", "int", "hup", "idle", "failed", "unwell" and "well" when the inbox
** begins to fail and when it works again, or NULL when the time is over. */
const char *ae_host_wait (ae_host *host, double seconds);

#endif
