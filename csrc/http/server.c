/*
** server.c: queues requests for the caller's loop; see server.h.
*/
#include "http/server.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define CONNECTIONS 1024u
#define MAX_BYTES ((size_t)8 << 20)
#define DISCARD_BYTES ((size_t)64 << 20)
#define SHARE 2u /* uses one in two of the process's descriptors */

/* A request: the state of its exchange. The server's `lock` guards `next`. The other
** fields are the server thread's until the request is queued, then the caller's
** until the reply. */
typedef struct ae_call ae_call;
struct ae_call {
  ae_server_request request;
  ae_exchange *exchange;
  ae_call *next;
  char *fields; /* one block: fields and their texts; NULL: none yet */
};

struct ae_server {
  ae_http *http;
  pthread_mutex_t lock;
  ae_call *first, *last; /* waiting */
  ae_call *taken;
  uint64_t ids;
  bool closing;
  int ready;       /* eventfd: requests wait */
  int signal_from; /* signalfd, or -1 */
  int watched;     /* epoll of both */
  bool signals;    /* the server has taken the signals */
  bool ending;     /* SIGTERM or SIGINT was given: the process is about to end */
  sigset_t mask;   /* the mask before the signals were taken */
  struct sigaction pipe;
};

/* {====================================================================
** On the server's thread
** ===================================================================== */

/* Counts or copies the fields of a request. */
typedef struct copier {
  ae_server_field *fields; /* NULL: only count */
  char *text;
  size_t count, bytes;
  ae_http_kind kind;
} copier;

static ae_slice copy_text (copier *to, ae_slice text) {
  ae_slice copy = {NULL, text.length};
  if (to->fields != NULL) {
    copy.data = to->text + to->bytes;
    if (text.length > 0) memcpy(to->text + to->bytes, text.data, text.length);
    to->text[to->bytes + text.length] = '\0';
  }
  to->bytes += text.length + 1;
  return copy;
}

static void each_field (void *context, ae_slice key, ae_slice value) {
  copier *to = context;
  ae_slice name = copy_text(to, key), text = copy_text(to, value);
  if (to->fields != NULL) to->fields[to->count] = (ae_server_field){to->kind, name, text};
  to->count++;
}

static void walk_fields (ae_exchange *exchange, copier *to) {
  to->kind = AE_HTTP_HEADER;
  ae_exchange_each(exchange, AE_HTTP_HEADER, each_field, to);
  to->kind = AE_HTTP_QUERY;
  ae_exchange_each(exchange, AE_HTTP_QUERY, each_field, to);
}

static ae_slice as_slice (const char *text) {
  return (ae_slice){text, strlen(text)};
}

/* Copies the request for the caller, whose thread is another. False: no memory. */
static bool copy_request (ae_call *call, ae_exchange *exchange) {
  const char *line[] = {ae_exchange_path(exchange), ae_exchange_method(exchange),
                        ae_exchange_version(exchange)};
  copier to = {NULL, NULL, 0, 0, AE_HTTP_HEADER};
  size_t head;
  walk_fields(exchange, &to);
  head = to.count * sizeof(ae_server_field);
  for (size_t i = 0; i < 3; i++) to.bytes += strlen(line[i]) + 1;
  free(call->fields);
  call->fields = malloc(head + to.bytes);
  if (call->fields == NULL) return false;
  call->request.field_count = to.count;
  to = (copier){(void *)call->fields, call->fields + head, 0, 0, AE_HTTP_HEADER};
  call->request.fields = to.fields;
  walk_fields(exchange, &to);
  call->request.path = copy_text(&to, as_slice(line[0])).data;
  call->request.method = copy_text(&to, as_slice(line[1])).data;
  call->request.version = copy_text(&to, as_slice(line[2])).data;
  return true;
}

/* Answers with a status alone; without memory for it, the connection ends. */
static void answer (ae_exchange *exchange, unsigned status) {
  ae_http_reply reply = {.status = status};
  if (ae_exchange_answer(exchange, &reply, NULL) == AE_OK) return;
  reply.status = 0;
  (void)ae_exchange_answer(exchange, &reply, NULL);
}

static void raise_ready (ae_server *server) {
  uint64_t one = 1;
  if (write(server->ready, &one, sizeof one) < 0) return; /* the eventfd is readable already */
}

/* False: the server is being closed. */
static bool enqueue (ae_server *server, ae_call *call) {
  bool open;
  pthread_mutex_lock(&server->lock);
  open = !server->closing;
  if (open) {
    call->next = NULL;
    call->request.id = ++server->ids;
    if (server->last != NULL) server->last->next = call;
    else server->first = call;
    server->last = call;
    raise_ready(server);
  }
  pthread_mutex_unlock(&server->lock);
  return open;
}

/* Holds and queues a whole request. From here to the reply it is the caller's. */
static void on_whole (ae_exchange *exchange) {
  ae_call *call = ae_exchange_state(exchange);
  call->exchange = exchange;
  if (!copy_request(call, exchange)) {
    answer(exchange, 503);
    return;
  }
  call->request.body = ae_exchange_body(exchange);
  ae_exchange_hold(exchange);
  if (!enqueue(ae_exchange_context(exchange), call)) answer(exchange, 0);
}

static void on_unread (ae_exchange *exchange, ae_code why) {
  answer(exchange, why == AE_TOO_LARGE ? 413 : 503);
}

static void on_closed (void *context, void *state) {
  ae_call *call = state;
  (void)context;
  free(call->fields);
}

/* }==================================================================== */

/* {====================================================================
** On the caller's thread
** ===================================================================== */

/* Removes a request from the list of those taken; NULL: there is none. */
static ae_call *find_taken (ae_server *server, uint64_t id) {
  ae_call **at = &server->taken, *found;
  pthread_mutex_lock(&server->lock);
  while (*at != NULL && (*at)->request.id != id) at = &(*at)->next;
  found = *at;
  if (found != NULL) *at = found->next;
  pthread_mutex_unlock(&server->lock);
  return found;
}

static void give_back (ae_server *server, ae_call *call) {
  pthread_mutex_lock(&server->lock);
  call->next = server->taken;
  server->taken = call;
  pthread_mutex_unlock(&server->lock);
}

ae_code ae_server_reply (ae_server *server, uint64_t id, const ae_http_reply *reply,
                         ae_error *error) {
  ae_call *call = find_taken(server, id);
  ae_code code;
  if (call == NULL)
    return ae_fail(error, AE_NOT_FOUND, 0, "no request waits under this number");
  code = ae_exchange_answer(call->exchange, reply, error);
  if (code != AE_OK) give_back(server, call);
  return code;
}

const ae_server_request *ae_server_peek (ae_server *server) {
  const ae_call *call;
  uint64_t value;
  pthread_mutex_lock(&server->lock);
  call = server->first;
  if (call == NULL && read(server->ready, &value, sizeof value) < 0)
    value = 0; /* the eventfd was not readable */
  pthread_mutex_unlock(&server->lock);
  return call == NULL ? NULL : &call->request;
}

void ae_server_take (ae_server *server) {
  ae_call *call;
  pthread_mutex_lock(&server->lock);
  call = server->first;
  if (call != NULL) {
    server->first = call->next;
    if (server->first == NULL) server->last = NULL;
    call->next = server->taken;
    server->taken = call;
  }
  pthread_mutex_unlock(&server->lock);
}

void ae_server_wait (ae_server *server, double seconds) {
  struct pollfd event = {server->watched, POLLIN, 0};
  int ms = seconds >= 3600 ? 3600000 : seconds > 0 ? (int)(seconds * 1000 + 0.999) : 0;
  if (ae_server_peek(server) == NULL) (void)poll(&event, 1, ms);
}

int ae_server_signal (ae_server *server) {
  struct signalfd_siginfo info;
  int last = 0;
  if (server->signal_from < 0) return 0;
  while (read(server->signal_from, &info, sizeof info) == sizeof info)
    last = (int)info.ssi_signo;
  server->ending = server->ending || last == SIGTERM || last == SIGINT;
  return last;
}

uint16_t ae_server_port (const ae_server *server) {
  return ae_http_port(server->http);
}

int ae_server_descriptor (const ae_server *server) {
  return server->watched;
}

/* }==================================================================== */

/* {====================================================================
** Starting and stopping
** ===================================================================== */

/* Takes the signals; to be called before any thread is started. */
static bool take_signals (ae_server *server) {
  struct sigaction ignore;
  sigset_t set;
  memset(&ignore, 0, sizeof ignore);
  ignore.sa_handler = SIG_IGN;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  if (pthread_sigmask(SIG_BLOCK, &set, &server->mask) != 0) return false;
  (void)sigaction(SIGPIPE, &ignore, &server->pipe);
  server->signals = true;
  server->signal_from = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  return server->signal_from >= 0;
}

/* Restores the signals, unless a signal has ended the server: then more may follow
** until the process is gone, and they stay blocked, so that it ends in order. */
static void leave_signals (ae_server *server) {
  if (!server->signals || server->ending) return;
  (void)sigaction(SIGPIPE, &server->pipe, NULL);
  (void)pthread_sigmask(SIG_SETMASK, &server->mask, NULL);
}

static bool watch (const ae_server *server, int descriptor) {
  struct epoll_event event;
  if (descriptor < 0) return true; /* there are no signals to watch */
  memset(&event, 0, sizeof event);
  event.events = EPOLLIN;
  return epoll_ctl(server->watched, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

static void close_if_open (int descriptor) {
  if (descriptor >= 0) close(descriptor);
}

static void server_free (ae_server *server) {
  close_if_open(server->ready);
  close_if_open(server->signal_from);
  close_if_open(server->watched);
  leave_signals(server);
  pthread_mutex_destroy(&server->lock);
  free(server);
}

static ae_server *server_new (bool signals) {
  ae_server *server = calloc(1, sizeof *server);
  if (server == NULL) return NULL;
  if (pthread_mutex_init(&server->lock, NULL) != 0) {
    free(server);
    return NULL;
  }
  server->signal_from = -1;
  server->ready = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  server->watched = epoll_create1(EPOLL_CLOEXEC);
  if (server->ready >= 0 && server->watched >= 0 && (!signals || take_signals(server)) &&
      watch(server, server->ready) && watch(server, server->signal_from))
    return server;
  server_free(server);
  return NULL;
}

ae_code ae_server_start (const ae_server_options *options, ae_server **out, ae_error *error) {
  ae_server *server = server_new(options->signals);
  ae_http_options http = {
    .name = "the server",
    .host = options->host,
    .port = options->port,
    .max_bytes = options->max_bytes > 0 ? options->max_bytes : MAX_BYTES,
    .discard_bytes = DISCARD_BYTES,
    .connections = options->connections > 0 ? options->connections : CONNECTIONS,
    .share = SHARE,
    .state_size = sizeof(ae_call),
    .handlers = {.whole = on_whole, .unread = on_unread, .closed = on_closed},
    .context = server,
  };
  ae_code code;
  *out = NULL;
  if (server == NULL)
    return ae_fail(error, AE_MEMORY, 0, "not enough memory or descriptors for the server");
  code = ae_http_start(&http, &server->http, error);
  if (code == AE_OK) *out = server;
  else server_free(server);
  return code;
}

/* Ends the requests of a list without an answer. */
static void release (ae_call *list) {
  while (list != NULL) {
    ae_call *next = list->next;
    answer(list->exchange, 0);
    list = next;
  }
}

void ae_server_stop (ae_server *server) {
  ae_call *waiting, *taken;
  pthread_mutex_lock(&server->lock);
  server->closing = true;
  waiting = server->first;
  taken = server->taken;
  server->first = server->last = server->taken = NULL;
  pthread_mutex_unlock(&server->lock);
  release(waiting);
  release(taken);
  ae_http_stop(server->http);
  server_free(server);
}

/* }==================================================================== */
