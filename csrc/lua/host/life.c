/*
** life.c: start, stop and reload of the host; see host.h.
*/
#include "lua/host/host.h"
#include "lua/host/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "host/log.h"

/* How long a stop waits for the workers, in ticks: 15 s. The workers give runs in
** flight 10 s; a thread that is still there after 15 s hangs in a C function. */
#define STOP_TICKS 1500
#define TICK_NS 10000000
/* How long a stop waits for an inbox that does not store. */
#define FLUSH_SECONDS 2
/* How long a stop waits for actions of effects, such as programs that end slowly. */
#define ASIDE_SECONDS 5

static void tick (long factor) {
  struct timespec t = {0, TICK_NS * factor};
  nanosleep(&t, NULL);
}

/* The answers of the admin port, one line each; on its thread. */
static unsigned answer (ae_admin_page *page, unsigned status, const char *text) {
  size_t size = strlen(text);
  page->body = malloc(size + 1);
  if (page->body == NULL) return 500;
  memcpy(page->body, text, size);
  page->body[size] = '\n';
  page->length = size + 1;
  return status;
}

static unsigned not_stored (ae_admin_page *page, const ae_error *error) {
  char text[AE_MESSAGE_SIZE + 40];
  snprintf(text, sizeof text, "the inbox does not store: %s", error->message);
  return answer(page, 503, text);
}

/* Whether a worker stands still; *why is then a sentence that says so. */
static bool stands_still (ae_host *host, char *why, size_t size) {
  for (size_t i = 0; i < host->count; i++)
    if (!ae_worker_turns(&host->workers[i], i + 1, why, size)) return true;
  return false;
}

static unsigned ready (ae_host *host, ae_admin_page *page) {
  char why[160];
  ae_error error;
  if (atomic_load(&host->draining)) return answer(page, 503, "draining");
  if (atomic_load(&host->shared.failed)) return answer(page, 503, "a worker failed");
  if (ae_inbox_health(host->shared.inbox, &error) != AE_OK) return not_stored(page, &error);
  if (stands_still(host, why, sizeof why)) return answer(page, 503, why);
  return answer(page, 200, "ready");
}

static unsigned on_render (void *context, const char *path, ae_admin_page *page) {
  ae_host *host = context;
  if (strcmp(path, "/healthz") == 0) return answer(page, 200, "ok");
  if (strcmp(path, "/readyz") == 0) return ready(host, page);
  if (strncmp(path, "/state", 6) == 0) return ae_state_answer(host, path + 6, page);
  if (strcmp(path, "/metrics") != 0) return answer(page, 404, "not found");
  page->body = ae_metrics_text(&host->shared.metrics, host->shared.inbox, host->receiver,
                               &host->shared.breakers, &page->length);
  return page->body == NULL ? 500 : 200;
}

/* Writes a line of the log when a worker begins to stand still or turns again. */
static void watch_turning (ae_worker *worker, size_t number) {
  char why[160];
  bool turns = ae_worker_turns(worker, number, why, sizeof why);
  if (turns != worker->told) return;
  worker->told = !turns;
  if (turns) snprintf(why, sizeof why, "worker %zu turns again", number);
  ae_log_reason(turns ? AE_INFO : AE_WARN, "worker", why);
}

static void *watch_main (void *argument) {
  ae_host *host = argument;
  while (atomic_load(&host->watching)) {
    bool busy = false;
    for (size_t i = 0; i < host->count; i++) {
      ae_worker *worker = &host->workers[i];
      if (!worker->started || atomic_load(&worker->finished)) continue;
      busy |= ae_budget_check(&worker->budget, worker->thread);
      watch_turning(worker, i + 1);
    }
    tick(busy ? 1 : 5);
  }
  return NULL;
}

static void take_signals (ae_host *host) {
  struct sigaction ignore;
  sigemptyset(&host->signals);
  sigaddset(&host->signals, SIGTERM);
  sigaddset(&host->signals, SIGINT);
  sigaddset(&host->signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &host->signals, &host->mask);
  sigemptyset(&ignore.sa_mask);
  ignore.sa_flags = 0;
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &host->pipe);
  sigaction(SIGXFSZ, &ignore,
            &host->size); /* a file too large is an error of write, not the end */
  ae_budget_install();
}

/* Restores the signals, unless a signal has ended the host: then more may follow until
** the process is gone, and they stay blocked, so that it ends in order. */
static void leave_signals (ae_host *host) {
  if (host->ending || host->manual) return;
  pthread_sigmask(SIG_SETMASK, &host->mask, NULL);
  sigaction(SIGPIPE, &host->pipe, NULL);
  sigaction(SIGXFSZ, &host->size, NULL);
}

static char *duplicate (const char *text) {
  size_t size = strlen(text) + 1;
  char *copy = malloc(size);
  return copy == NULL ? NULL : memcpy(copy, text, size);
}

static ae_code prepare (ae_host *host, const ae_host_options *options, ae_error *error) {
  size_t i;
  host->shared.path = duplicate(options->path);
  host->shared.cpath = duplicate(options->cpath);
  host->shared.aside = options->manual ? NULL : ae_aside_new();
  host->workers = calloc(options->workers, sizeof *host->workers);
  if (host->workers == NULL || host->shared.path == NULL || host->shared.cpath == NULL ||
      (host->shared.aside == NULL && !options->manual))
    return ae_fail(error, AE_MEMORY, 0, "not enough memory for the workers");
  for (i = 0; i < options->workers; i++) {
    host->count = i + 1;
    if (!ae_worker_init(&host->workers[i], &host->shared, options->settings))
      return ae_fail(error, AE_MEMORY, 0,
                     "not enough memory or descriptors "
                     "for worker %zu",
                     i + 1);
  }
  return AE_OK;
}

/* Names the clock of a host that is not its caller's: who asks the inbox in this process
** has the host's time. */
static ae_code name_clock (ae_host *host, const char *inbox, ae_error *error) {
  if (host->manual || ae_clock_name(host->shared.clock, inbox)) return AE_OK;
  return ae_fail(error, AE_MEMORY, 0, "not enough memory for the clock");
}

static ae_code start_threads (ae_host *host, ae_error *error) {
  size_t i;
  for (i = 0; i < host->count; i++)
    if (!ae_worker_start(&host->workers[i]))
      return ae_fail(error, AE_MEMORY, 0, "cannot start worker %zu", i + 1);
  atomic_store(&host->watching, true);
  host->watch_started = pthread_create(&host->watch, NULL, watch_main, host) == 0;
  if (!host->watch_started)
    return ae_fail(error, AE_MEMORY, 0, "cannot start the watch thread");
  return AE_OK;
}

static ae_code start_servers (ae_host *host, const ae_host_options *options, ae_error *error) {
  ae_webhook_options receiver;
  ae_webhook *started = NULL;
  ae_code code;
  if (options->admin != NULL) {
    code = ae_admin_start(options->admin, options->admin_port, on_render, host, &host->admin,
                          error);
    if (code != AE_OK) return code;
    if (ae_admin_everywhere(host->admin))
      ae_log_reason(
        AE_WARN, "admin",
        "the admin port can be reached from every network that this machine is in, "
        "and asks nobody who he is: name one address, as 127.0.0.1");
  }
  if (options->listen == NULL && !options->manual) return AE_OK;
  memset(&receiver, 0, sizeof receiver);
  receiver.host = options->listen;
  receiver.port = options->listen_port;
  receiver.secrets = options->secrets;
  receiver.secret_count = options->secret_count;
  receiver.max_bytes = options->max_bytes;
  receiver.connection_limit = options->connections;
  receiver.deadline = options->deadline;
  receiver.inbox = host->shared.inbox;
  receiver.clock = host->shared.clock;
  code = ae_webhook_start(&receiver, &started, error);
  host->receiver = started;
  return code;
}

/* Creates the counters of all verdicts and outcomes, at 0. */
static void expect_verdicts (ae_host *host, const ae_heads *heads) {
#define TEXT(name, text) text,
  static const char *const verdicts[] = {AE_RUN_STATES(TEXT)};
  for (size_t i = 0; i < heads->count; i++)
    for (size_t j = 0; j < sizeof verdicts / sizeof verdicts[0]; j++)
      ae_metrics_expect(&host->shared.metrics, AE_VERDICTS, heads->list[i].rule, verdicts[j]);
}

static void expect_outcomes (ae_host *host, const char *target) {
  static const char *const outcomes[] = {AE_EFFECT_STATES(TEXT)};
#undef TEXT
  for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++)
    if (strcmp(outcomes[i], "recorded") != 0) /* a state, but no outcome */
      ae_metrics_expect(&host->shared.metrics, AE_EFFECTS, target, outcomes[i]);
}

ae_code ae_host_start (ae_host *host, const ae_host_options *options, ae_heads *heads,
                       ae_error *error) {
  ae_code code;
  ae_metrics_init(&host->shared.metrics, options->version);
  ae_breakers_init(&host->shared.breakers);
  expect_verdicts(host, heads);
  for (size_t i = 0; i < options->target_count; i++) {
    expect_outcomes(host, options->targets[i]);
    ae_breakers_expect(&host->shared.breakers, options->targets[i]);
  }
  ae_routes_init(&host->routes);
  ae_routes_replace(&host->routes, heads);
  host->shared.clock = options->clock == NULL ? &host->clock : options->clock;
  if (options->still != 0) ae_clock_set(host->shared.clock, options->still);
  host->started = ae_clock_wall_ms(host->shared.clock);
  host->manual = options->manual;
  host->passes = options->passes;
  host->passes_context = options->passes_context;
  host->once = options->once;
  host->running = true;
  if (!host->manual) {
    ae_log_json(options->json);
    take_signals(host);
  }
  code = prepare(host, options, error);
  if (code == AE_OK) code = name_clock(host, options->inbox, error);
  if (code == AE_OK) code = ae_host_open_inbox(host, options, error);
  if (code == AE_OK && !host->manual) code = start_threads(host, error);
  if (code == AE_OK) code = start_servers(host, options, error);
  if (code != AE_OK) ae_host_stop(host);
  return code;
}

static void stop_workers (ae_host *host) {
  size_t i;
  for (i = 0; i < host->count; i++) {
    ae_order *order = ae_order_new(AE_MESSAGE_STOP, AE_LITERAL(""));
    if (order != NULL && host->workers[i].started)
      ae_queue_push(&host->workers[i].queue, &order->head, true);
    else free(order);
  }
}

/* Waits for the workers' threads. True: all have ended and are joined. */
static bool join_workers (ae_host *host) {
  size_t i, ticks = 0;
  bool all = true;
  for (i = 0; i < host->count; i++) {
    ae_worker *worker = &host->workers[i];
    while (worker->started && !atomic_load(&worker->finished) && ticks < STOP_TICKS) {
      tick(1);
      ticks++;
    }
  }
  atomic_store(&host->watching, false);
  if (host->watch_started) pthread_join(host->watch, NULL);
  host->watch_started = false;
  for (i = 0; i < host->count; i++) {
    ae_worker *worker = &host->workers[i];
    if (!worker->started) continue;
    if (atomic_load(&worker->finished)) pthread_join(worker->thread, NULL);
    else all = false;
  }
  return all;
}

static int64_t seconds_from_now (int64_t seconds) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return ((int64_t)now.tv_sec + seconds) * 1000000000 + now.tv_nsec;
}

/* Ends the actions that are still under way. False: one hangs in the system. */
static bool end_aside (ae_host *host) {
  ae_aside *aside = host->shared.aside;
  return aside == NULL || ae_aside_end(aside, seconds_from_now(ASIDE_SECONDS));
}

/* Hands over the verdicts that the inbox refused once more. */
static void flush_workers (ae_host *host) {
  int64_t until = seconds_from_now(FLUSH_SECONDS);
  bool all = true;
  size_t i;
  for (i = 0; i < host->count; i++)
    if (!ae_jobs_flush(&host->workers[i], until)) all = false;
  if (!all)
    ae_log_reason(
      AE_ERROR, "inbox",
      "not all verdicts could be stored: their runs begin again at the next start");
}

/* After all threads are gone. */
static void free_all (ae_host *host) {
  size_t i;
  if (!host->manual) ae_clock_forget(host->shared.clock);
  for (i = 0; i < host->count; i++) ae_worker_free(&host->workers[i]);
  ae_aside_free(host->shared.aside);
  host->shared.aside = NULL;
  free(host->workers);
  free(host->shared.path);
  free(host->shared.cpath);
  ae_routes_free(&host->routes);
  ae_metrics_free(&host->shared.metrics);
  ae_breakers_free(&host->shared.breakers);
  host->workers = NULL;
  host->count = 0;
}

bool ae_host_stop (ae_host *host) {
  bool joined;
  if (!host->running) return true;
  host->running = false;
  if (host->shared.inbox != NULL) ae_inbox_attend(host->shared.inbox);
  atomic_store(&host->draining, true);
  if (host->receiver != NULL) ae_webhook_drain(host->receiver);
  stop_workers(host);
  joined = join_workers(host);
  if (!end_aside(host)) joined = false; /* no program outlives a worker that hangs */
  if (host->admin != NULL) ae_admin_stop(host->admin); /* it reads the receiver */
  if (host->receiver != NULL) ae_webhook_stop(host->receiver);
  host->receiver = NULL;
  host->admin = NULL;
  host->abandoned = !joined;
  if (!joined) return false; /* the thread that hangs may still use the rest */
  if (host->shared.inbox != NULL) {
    flush_workers(host);
    ae_inbox_close(host->shared.inbox);
  }
  host->shared.inbox = NULL;
  free_all(host);
  leave_signals(host);
  return true;
}

/* What is in flight is lost, and the inbox is left as it is on the disk. The works that
** the inbox fails answer requests of the receiver, and go to the workers' queues. */
void ae_host_drop (ae_host *host) {
  if (!host->running) return;
  host->running = false;
  if (host->shared.inbox != NULL) ae_inbox_drop(host->shared.inbox);
  host->shared.inbox = NULL;
  if (host->receiver != NULL) ae_webhook_stop(host->receiver);
  host->receiver = NULL;
  free_all(host);
}

void ae_host_advance (ae_host *host, int64_t ns) {
  ae_clock_advance(host->shared.clock, ns);
  ae_inbox_look_at_clock(host->shared.inbox);
  for (size_t i = 0; i < host->count; i++) ae_queue_poke(&host->workers[i].queue);
}

ae_code ae_host_reload (ae_host *host, ae_heads *heads, ae_slice settings, ae_error *error) {
  size_t i;
  for (i = 0; i < host->count; i++) {
    ae_order *order = ae_order_new(AE_MESSAGE_RELOAD, settings);
    if (order == NULL) {
      ae_heads_free(heads);
      return ae_fail(error, AE_MEMORY, 0, "not enough memory for a reload");
    }
    ae_queue_push(&host->workers[i].queue, &order->head, true);
  }
  if (heads == NULL) return AE_OK;
  expect_verdicts(host, heads);
  ae_metrics_reload(&host->shared.metrics, true);
  ae_routes_replace(&host->routes, heads);
  ae_inbox_rescan(host->shared.inbox);
  return AE_OK;
}

static const char *signal_name (int number) {
  switch (number) {
    case SIGTERM: return "term";
    case SIGINT: return "int";
    case SIGHUP: return "hup";
    default: return NULL;
  }
}

/* Whether the inbox began to fail, or works again, since the last look. */
static const char *changed_health (ae_host *host) {
  bool unwell = ae_inbox_health(host->shared.inbox, NULL) != AE_OK;
  if (unwell == host->unwell) return NULL;
  host->unwell = unwell;
  return unwell ? "unwell" : "well";
}

/* Waits in slices: of 20 ms when "idle" is asked for, else of half a second. */
const char *ae_host_wait (ae_host *host, double seconds) {
  double slice = host->once ? 0.02 : 0.5;
  int quiet = 0;
  for (;;) {
    double part = seconds < slice ? seconds : slice;
    struct timespec t = {0, (long)(part * 1e9)};
    const char *name = signal_name(sigtimedwait(&host->signals, NULL, &t));
    if (name != NULL) {
      host->ending = host->ending || strcmp(name, "hup") != 0;
      return name;
    }
    if (atomic_load(&host->shared.failed)) return "failed";
    if (atomic_exchange(&host->forced, false)) return "forced";
    name = changed_health(host);
    if (name != NULL) return name;
    quiet = host->once && ae_inbox_is_idle(host->shared.inbox) ? quiet + 1 : 0;
    if (quiet >= 5) return "idle";
    seconds -= part;
    if (seconds <= 0) return NULL;
  }
}
