/*
** http.c: requests and answers of an HTTP server; see http.h.
*/
#include <assert.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "http/listen.h"
#include "http/private.h"

/* The memory of a connection. Blocks above 32 KiB are mapped by libmicrohttpd, so they
** go back to the system when the connection ends. */
#define CONNECTION_MEMORY (36u * 1024u)
#define KEPT_BYTES (32u * 1024u) /* of a body's memory, from request to request */
#define LEAST_CONNECTIONS 4u
#define OTHER_DESCRIPTORS 256u /* that the process may need beside connections */

/* {====================================================================
** Reading an exchange
** ===================================================================== */

void *ae_exchange_context (const ae_exchange *e) {
  return e->http->options.context;
}

void *ae_exchange_state (ae_exchange *e) {
  return e->user;
}

const char *ae_exchange_method (const ae_exchange *e) {
  return e->method;
}

const char *ae_exchange_version (const ae_exchange *e) {
  return e->version;
}

const char *ae_exchange_path (const ae_exchange *e) {
  return e->path;
}

ae_slice ae_exchange_body (const ae_exchange *e) {
  if (e->request != NULL) return e->request->body;
  return (ae_slice){e->body != NULL ? e->body : "", e->length};
}

typedef struct walk {
  ae_http_each each;
  void *context;
} walk;

static enum MHD_Result each_value (void *argument, enum MHD_ValueKind kind, const char *key,
                                   size_t key_size, const char *value, size_t value_size) {
  const walk *w = argument;
  ae_slice text = {value, value_size};
  (void)kind;
  if (value == NULL) text = AE_LITERAL("");
  w->each(w->context, (ae_slice){key, key_size}, text);
  return MHD_YES;
}

void ae_exchange_each (ae_exchange *e, ae_http_kind kind, ae_http_each each, void *context) {
  walk w = {each, context};
  for (size_t i = 0; e->request != NULL && i < e->request->header_count; i++)
    if (kind == AE_HTTP_HEADER)
      each(context, e->request->headers[i].name, e->request->headers[i].value);
  if (e->request != NULL) return;
  MHD_get_connection_values_n(e->connection,
                              kind == AE_HTTP_HEADER ? MHD_HEADER_KIND : MHD_GET_ARGUMENT_KIND,
                              each_value, &w);
}

const char *ae_exchange_header (ae_exchange *e, const char *name) {
  if (e->request != NULL) return ae_http_inside_header(e->request, name);
  return MHD_lookup_connection_value(e->connection, MHD_HEADER_KIND, name);
}

/* }==================================================================== */

/* {====================================================================
** Answering
** ===================================================================== */

static bool is_plain (const ae_http_reply *reply) {
  return reply->status != 0 && reply->header_count == 0 && reply->body.length == 0 &&
         reply->file == NULL && !reply->repeat && !reply->close;
}

ae_code ae_exchange_answer (ae_exchange *e, const ae_http_reply *reply, ae_error *error) {
  struct MHD_Response *response = e->http->empty;
  assert(!e->answered && e->state >= AE_LINE);
  if (e->request != NULL) {
    ae_http_inside_answer(e, reply);
    return AE_OK;
  }
  if (!is_plain(reply)) {
    ae_code code = ae_http_response(reply, &response, error);
    if (code != AE_OK) return code;
  }
  e->status = reply->status;
  e->response = response;
  e->now = reply->now;
  e->answered = true;
  if (e->state == AE_HELD) ae_http_resume(e);
  return AE_OK;
}

void ae_exchange_hold (ae_exchange *e) {
  assert(e->state == AE_READING && !e->answered);
  if (e->request != NULL) {
    ae_http_inside_hold(e);
    return;
  }
  ae_http_enter(e, AE_HELD);
  atomic_fetch_add(&e->http->held, 1);
  MHD_suspend_connection(e->connection);
}

static void drop_response (ae_exchange *e) {
  if (e->response != NULL && e->response != e->http->empty) MHD_destroy_response(e->response);
  e->response = NULL;
}

/* Gives the answer to libmicrohttpd; without an answer the connection ends. */
static enum MHD_Result send_answer (ae_exchange *e) {
  enum MHD_Result result = MHD_NO;
  ae_http_enter(e, AE_ANSWERING);
  if (e->response != NULL) result = MHD_queue_response(e->connection, e->status, e->response);
  drop_response(e);
  return result;
}

/* }==================================================================== */

/* {====================================================================
** Requests, as libmicrohttpd brings them
** ===================================================================== */

static ae_exchange *exchange_of (struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(
    connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info == NULL ? NULL : info->socket_context;
}

/* The request line has come. The request's time counts from the beginning of the
** connection or, on a kept connection, from now. */
static void *begin_request (void *http, const char *uri, struct MHD_Connection *connection) {
  ae_exchange *e = exchange_of(connection);
  (void)http;
  (void)uri;
  if (e == NULL) return NULL;
  if (e->state == AE_FIRST) e->state = AE_LINE;
  else ae_http_enter(e, AE_LINE);
  e->length = e->dropped = 0;
  e->answered = e->now = false;
  e->status = 0;
  return e;
}

static void end_request (void *http, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode why) {
  ae_exchange *e = *context;
  const ae_http_handlers *handlers = &((ae_http *)http)->options.handlers;
  (void)connection;
  (void)why;
  *context = NULL;
  if (e == NULL) return;
  if (handlers->ended != NULL && e->state >= AE_READING) handlers->ended(e);
  drop_response(e);
  if (e->capacity > KEPT_BYTES) {
    free(e->body);
    e->body = NULL;
    e->capacity = 0;
  }
  ae_http_enter(e, AE_IDLE);
}

/* Decodes a path or a part of a query, which is a C string. An encoded NUL would end
** the string: it becomes DEL. */
static size_t unescape (void *http, struct MHD_Connection *connection, char *text) {
  (void)http;
  (void)connection;
  for (char *at = strstr(text, "%00"); at != NULL; at = strstr(at, "%00")) {
    at[1] = '7';
    at[2] = 'F';
  }
  return MHD_http_unescape(text);
}

/* Sends the answer of a handler that must have answered or held the exchange; without
** an answer the connection ends. */
static enum MHD_Result answered (ae_exchange *e) {
  return e->state == AE_HELD ? MHD_YES : send_answer(e);
}

/* Whether an answer is sent at once, before the end of the body: to a request that
** expects 100-continue, whose body is longer than discard_bytes, or whose end is not
** known. */
static bool goes_now (ae_exchange *e) {
  const char *length = ae_exchange_header(e, MHD_HTTP_HEADER_CONTENT_LENGTH);
  if (e->now || ae_exchange_header(e, MHD_HTTP_HEADER_EXPECT) != NULL) return true;
  return length != NULL && strtoull(length, NULL, 10) > e->http->options.discard_bytes;
}

static enum MHD_Result show_head (ae_exchange *e) {
  e->state = AE_READING;
  if (e->http->options.handlers.head != NULL) e->http->options.handlers.head(e);
  if (!e->answered) return MHD_YES;
  e->state = AE_DROPPING;
  return goes_now(e) ? send_answer(e) : MHD_YES;
}

static ae_code keep_bytes (ae_exchange *e, const char *bytes, size_t size) {
  if (size > e->http->options.max_bytes - e->length) return AE_TOO_LARGE;
  if (e->length + size >= e->capacity) {
    size_t capacity = (e->length + size) + (e->length + size) / 2 + 1024;
    char *body = realloc(e->body, capacity);
    if (body == NULL) return AE_MEMORY;
    e->body = body;
    e->capacity = capacity;
  }
  memcpy(e->body + e->length, bytes, size);
  e->length += size;
  return AE_OK;
}

static enum MHD_Result read_body (ae_exchange *e, const char *bytes, size_t size) {
  ae_code code = keep_bytes(e, bytes, size);
  if (code == AE_OK) return MHD_YES;
  e->http->options.handlers.unread(e, code);
  e->state = AE_DROPPING;
  e->dropped = size;
  return MHD_YES;
}

static enum MHD_Result handle (void *http, struct MHD_Connection *connection, const char *url,
                               const char *method, const char *version, const char *bytes,
                               size_t *size, void **context) {
  ae_exchange *e = *context;
  size_t length = *size;
  (void)http;
  (void)connection;
  if (e == NULL) return MHD_NO; /* the connection got no memory */
  *size = 0;
  switch (e->state) {
    case AE_LINE:
      e->method = method;
      e->path = url;
      e->version = version;
      *size = length;
      return show_head(e);
    case AE_READING:
      if (length > 0) return read_body(e, bytes, length);
      e->http->options.handlers.whole(e);
      return answered(e);
    case AE_DROPPING:
      e->dropped += length;
      if (length == 0) return send_answer(e);
      return e->dropped <= e->http->options.discard_bytes ? MHD_YES : MHD_NO;
    case AE_HELD: return send_answer(e); /* it was resumed */
    default: return MHD_NO;
  }
}

/* }==================================================================== */

/* {====================================================================
** Starting and stopping
** ===================================================================== */

/* Raises the limit of descriptors to what the connections need, if the system allows
** it. Returns the number of connections that the limit allows. */
static uint32_t allowed_connections (const ae_http_options *options) {
  struct rlimit limit;
  rlim_t wanted = (rlim_t)options->connections + OTHER_DESCRIPTORS, share;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return options->connections;
  if (limit.rlim_cur < wanted) {
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
  }
  share = limit.rlim_cur / options->share;
  if (share < LEAST_CONNECTIONS) share = LEAST_CONNECTIONS;
  return share < options->connections ? (uint32_t)share : options->connections;
}

static struct MHD_Daemon *start_daemon (ae_http *http, int listener) {
  return MHD_start_daemon(
    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, http,
    MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT, (unsigned)http->capacity,
    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)AE_KEEP_ALIVE_SECONDS,
    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
    MHD_OPTION_NOTIFY_CONNECTION, ae_http_notify, http, MHD_OPTION_NOTIFY_COMPLETED,
    end_request, http, MHD_OPTION_URI_LOG_CALLBACK, begin_request, http,
    MHD_OPTION_UNESCAPE_CALLBACK, unescape, http, MHD_OPTION_END);
}

/* Starts the daemon. After some failures libmicrohttpd has closed the listener, after
** others not: it is closed here only if it is still the same socket. */
static bool run_daemon (ae_http *http, int listener) {
  struct stat before, after;
  bool known = fstat(listener, &before) == 0;
  http->daemon = start_daemon(http, listener);
  if (http->daemon != NULL) return ae_http_loop_start(http);
  if (known && fstat(listener, &after) == 0 && before.st_dev == after.st_dev &&
      before.st_ino == after.st_ino)
    close(listener);
  return false;
}

static ae_http *http_new (const ae_http_options *options) {
  ae_http *http = calloc(1, sizeof *http);
  if (http == NULL) return NULL;
  http->options = *options;
  http->port = options->port;
  http->wake = -1;
  http->empty = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
  if (http->empty != NULL) return http;
  free(http);
  return NULL;
}

ae_code ae_http_start (const ae_http_options *options, ae_http **out, ae_error *error) {
  ae_http *http = http_new(options);
  int listener;
  *out = NULL;
  if (http == NULL)
    return ae_fail(error, AE_MEMORY, 0, "not enough memory for %s", options->name);
  *out = http;
  if (options->host == NULL) return AE_OK;
  *out = NULL;
  listener = ae_listen(options->host, &http->port, &http->everywhere, error);
  if (listener < 0) {
    ae_http_stop(http);
    return AE_NETWORK;
  }
  http->capacity = allowed_connections(options);
  *out = http;
  if (run_daemon(http, listener)) return AE_OK;
  *out = NULL;
  ae_http_stop(http);
  return ae_fail(error, AE_NETWORK, 0,
                 "cannot start %s: the system gives no thread, or no more descriptors",
                 options->name);
}

uint16_t ae_http_port (const ae_http *http) {
  return http->port;
}

bool ae_http_everywhere (const ae_http *http) {
  return http->everywhere;
}

uint64_t ae_http_timeouts (const ae_http *http) {
  return atomic_load(&http->timeouts);
}

static void wait_for_held (ae_http *http) {
  while (atomic_load(&http->held) > 0) {
    struct timespec t = {0, 1000000};
    nanosleep(&t, NULL);
  }
}

/* A daemon must not be stopped while requests are suspended. So it waits twice: the
** thread may hold another request after the first wait, but none once it has ended. */
void ae_http_stop (ae_http *http) {
  if (http == NULL) return;
  wait_for_held(http);
  ae_http_loop_stop(http);
  wait_for_held(http);
  ae_http_loop_finish(http);
  if (http->daemon != NULL) MHD_stop_daemon(http->daemon);
  MHD_destroy_response(http->empty);
  free(http);
}

/* }==================================================================== */
