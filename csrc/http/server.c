/*
** server.c: requests and replies of an HTTP server; see server.h.
*/
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/webhook_private.h"
#include "http/server_private.h"

#define CONNECTIONS 1024u
#define MAX_BYTES ((size_t)8 << 20)
#define DISCARD_BYTES ((size_t)64 << 20)
#define IDLE_SECONDS 75u
#define BLOCK_BYTES ((size_t)64 << 10)
#define STOP_TICKS 50 /* of 10 ms */

/* {====================================================================
** On the server's thread
** ===================================================================== */

/* Sums up, or copies, the fields of a request. */
typedef struct copier {
  ae_server_field *fields; /* NULL: only count */
  char *text;
  size_t count, bytes;
} copier;

static ae_slice copy_text (copier *to, const char *text, size_t length) {
  ae_slice copy = {NULL, length};
  if (to->fields != NULL) {
    copy.data = to->text + to->bytes;
    if (length > 0) memcpy(to->text + to->bytes, text, length);
    to->text[to->bytes + length] = '\0';
  }
  to->bytes += length + 1;
  return copy;
}

static enum MHD_Result each_field (void *context, enum MHD_ValueKind kind, const char *key,
                                   size_t key_size, const char *value, size_t value_size) {
  copier *to = context;
  ae_slice name, text;
  if (value == NULL) value = "", value_size = 0;
  name = copy_text(to, key, key_size);
  text = copy_text(to, value, value_size);
  if (to->fields != NULL)
    to->fields[to->count] = (ae_server_field){
      kind == MHD_HEADER_KIND ? AE_SERVER_HEADER : AE_SERVER_QUERY, name, text};
  to->count++;
  return MHD_YES;
}

static void walk_fields (ae_exchange *e, copier *to) {
  MHD_get_connection_values_n(e->connection, MHD_HEADER_KIND, each_field, to);
  MHD_get_connection_values_n(e->connection, MHD_GET_ARGUMENT_KIND, each_field, to);
}

static bool copy_request (ae_exchange *e, const char *url, const char *method,
                          const char *version) {
  copier to = {NULL, NULL, 0, 0};
  size_t head;
  walk_fields(e, &to);
  head = to.count * sizeof(ae_server_field);
  to.bytes += strlen(url) + strlen(method) + strlen(version) + 3;
  e->fields = malloc(head + to.bytes);
  if (e->fields == NULL) return false;
  e->request.field_count = to.count;
  to = (copier){(void *)e->fields, e->fields + head, 0, 0};
  e->request.fields = to.fields;
  walk_fields(e, &to);
  e->request.path = copy_text(&to, url, strlen(url)).data;
  e->request.method = copy_text(&to, method, strlen(method)).data;
  e->request.version = copy_text(&to, version, strlen(version)).data;
  return true;
}

static void exchange_free (ae_exchange *e) {
  if (e->response != NULL) MHD_destroy_response(e->response);
  free(e->fields);
  free(e->body);
  free(e);
}

static ae_exchange *exchange_new (ae_server *server, struct MHD_Connection *connection,
                                  const char *url, const char *method, const char *version) {
  ae_exchange *e = calloc(1, sizeof *e);
  if (e == NULL) return NULL;
  e->server = server;
  e->connection = connection;
  if (copy_request(e, url, method, version)) {
    atomic_fetch_add(&server->open, 1);
    return e;
  }
  exchange_free(e);
  return NULL;
}

/* Bytes of the body; false closes the connection. Those of a body that is
** too large are read and dropped, so that the client sees the answer. */
static bool take_bytes (ae_exchange *e, const char *bytes, size_t size) {
  if (e->decided || size > e->server->max_bytes - e->length) {
    e->decided = true;
    e->status = 413;
    e->discarded += size;
    return e->discarded <= DISCARD_BYTES;
  }
  if (e->length + size >= e->capacity) {
    size_t capacity = (e->length + size) * 2 + 1024;
    char *body = realloc(e->body, capacity);
    if (body == NULL) return false;
    e->body = body;
    e->capacity = capacity;
  }
  memcpy(e->body + e->length, bytes, size);
  e->length += size;
  return true;
}

/* Status 0, and no memory for a response: the connection ends. */
static enum MHD_Result answer (ae_exchange *e) {
  if (e->response == NULL && e->status != 0)
    e->response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
  if (e->response == NULL) return MHD_NO;
  return MHD_queue_response(e->connection, e->status, e->response);
}

static void raise_ready (ae_server *server) {
  uint64_t one = 1;
  if (write(server->ready, &one, sizeof one) < 0) return; /* it is raised already */
}

/* From here to the reply the request is the caller's. */
static enum MHD_Result hold (ae_exchange *e) {
  ae_server *server = e->server;
  bool closing;
  e->request.body = (ae_slice){e->body != NULL ? e->body : "", e->length};
  MHD_suspend_connection(e->connection);
  pthread_mutex_lock(&server->lock);
  closing = server->closing;
  if (!closing) {
    e->request.id = ++server->ids;
    if (server->last != NULL) server->last->next = e;
    else server->first = e;
    server->last = e;
    raise_ready(server);
  }
  pthread_mutex_unlock(&server->lock);
  if (!closing) return MHD_YES;
  e->decided = true;
  MHD_resume_connection(e->connection);
  return MHD_YES;
}

static enum MHD_Result handle (void *server, struct MHD_Connection *connection,
                               const char *url, const char *method, const char *version,
                               const char *bytes, size_t *size, void **context) {
  ae_exchange *e = *context;
  if (e == NULL) {
    e = *context = exchange_new(server, connection, url, method, version);
    return e != NULL ? MHD_YES : MHD_NO;
  }
  if (*size == 0) return e->decided ? answer(e) : hold(e);
  if (!take_bytes(e, bytes, *size)) return MHD_NO;
  *size = 0;
  return MHD_YES;
}

static void completed (void *server, struct MHD_Connection *connection, void **context,
                       enum MHD_RequestTerminationCode why) {
  ae_server *s = server;
  (void)connection;
  (void)why;
  if (*context == NULL) return;
  exchange_free(*context);
  *context = NULL;
  atomic_fetch_sub(&s->open, 1);
}

/* }==================================================================== */

/* {====================================================================
** Replies
** ===================================================================== */

/* A body that is made while it is sent: the pattern again and again. */
typedef struct pattern {
  uint64_t cut;
  size_t length;
  char bytes[];
} pattern;

static ssize_t read_pattern (void *context, uint64_t at, char *buffer, size_t size) {
  const pattern *p = context;
  size_t from = (size_t)(at % p->length), done = 0;
  if (p->cut > 0 && at >= p->cut) return MHD_CONTENT_READER_END_WITH_ERROR;
  if (p->cut > 0 && size > p->cut - at) size = (size_t)(p->cut - at);
  while (done < size) {
    size_t part = p->length - from;
    if (part > size - done) part = size - done;
    memcpy(buffer + done, p->bytes + from, part);
    done += part;
    from = 0;
  }
  return (ssize_t)done;
}

static struct MHD_Response *repeat_response (const ae_server_reply *reply) {
  struct MHD_Response *response;
  pattern *p;
  if (reply->body.length == 0 || reply->size == 0)
    return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
  p = malloc(sizeof *p + reply->body.length);
  if (p == NULL) return NULL;
  p->cut = reply->cut;
  p->length = reply->body.length;
  memcpy(p->bytes, reply->body.data, reply->body.length);
  response = MHD_create_response_from_callback(reply->size, BLOCK_BYTES, read_pattern, p,
                                               free);
  if (response == NULL) free(p);
  return response;
}

static struct MHD_Response *file_response (const char *path) {
  struct MHD_Response *response = NULL;
  struct stat status;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return NULL;
  if (fstat(file, &status) == 0 && S_ISREG(status.st_mode))
    response = MHD_create_response_from_fd64((uint64_t)status.st_size, file);
  if (response == NULL) close(file);
  return response;
}

static struct MHD_Response *bytes_response (ae_slice body) {
  return MHD_create_response_from_buffer(body.length, (void *)(uintptr_t)body.data,
                                         MHD_RESPMEM_MUST_COPY);
}

static ae_code add_headers (struct MHD_Response *response, const ae_server_reply *reply,
                            ae_error *error) {
  for (size_t i = 0; i < reply->header_count; i++) {
    const ae_server_field *field = &reply->headers[i];
    if (MHD_add_response_header(response, field->name.data, field->value.data) == MHD_NO)
      return ae_fail(error, AE_INVALID, 0, "HTTP cannot carry the header '%.60s'",
                     field->name.data);
  }
  return AE_OK;
}

static ae_code make_response (const ae_server_reply *reply, struct MHD_Response **response,
                              ae_error *error) {
  ae_code code;
  *response = NULL;
  if (reply->status == 0) return AE_OK;
  if (reply->file != NULL) *response = file_response(reply->file);
  else if (reply->repeat) *response = repeat_response(reply);
  else *response = bytes_response(reply->body);
  if (*response == NULL && reply->file != NULL)
    return ae_fail(error, AE_STORAGE, 0, "the file of the body cannot be read");
  if (*response == NULL) return ae_fail(error, AE_MEMORY, 0, "not enough memory for a reply");
  code = add_headers(*response, reply, error);
  if (code == AE_OK) return AE_OK;
  MHD_destroy_response(*response);
  *response = NULL;
  return code;
}

/* Takes the exchange out of those that were taken; NULL: there is none. */
static ae_exchange *find_taken (ae_server *server, uint64_t id) {
  ae_exchange **at = &server->taken, *found;
  pthread_mutex_lock(&server->lock);
  while (*at != NULL && (*at)->request.id != id) at = &(*at)->next;
  found = *at;
  if (found != NULL) *at = found->next;
  pthread_mutex_unlock(&server->lock);
  return found;
}

ae_code ae_server_reply_to (ae_server *server, uint64_t id, const ae_server_reply *reply,
                            ae_error *error) {
  struct MHD_Response *response;
  ae_exchange *e;
  ae_code code = make_response(reply, &response, error);
  if (code != AE_OK) return code;
  e = find_taken(server, id);
  if (e == NULL) {
    if (response != NULL) MHD_destroy_response(response);
    return ae_fail(error, AE_NOT_FOUND, 0, "no request waits under this number");
  }
  e->status = reply->status;
  e->response = response;
  e->decided = true;
  MHD_resume_connection(e->connection);
  ae_server_loop_wake(server);
  return AE_OK;
}

/* }==================================================================== */

/* {====================================================================
** Taking
** ===================================================================== */

const ae_server_request *ae_server_peek (ae_server *server) {
  const ae_exchange *e;
  uint64_t value;
  pthread_mutex_lock(&server->lock);
  e = server->first;
  if (e == NULL && atomic_load(&server->signal) == 0 &&
      read(server->ready, &value, sizeof value) < 0)
    value = 0; /* it was not raised */
  pthread_mutex_unlock(&server->lock);
  return e == NULL ? NULL : &e->request;
}

void ae_server_take (ae_server *server) {
  ae_exchange *e;
  pthread_mutex_lock(&server->lock);
  e = server->first;
  if (e != NULL) {
    server->first = e->next;
    if (server->first == NULL) server->last = NULL;
    e->next = server->taken;
    server->taken = e;
  }
  pthread_mutex_unlock(&server->lock);
}

void ae_server_wait (ae_server *server, double seconds) {
  struct pollfd event = {server->ready, POLLIN, 0};
  int ms = seconds >= 3600 ? 3600000 : seconds > 0 ? (int)(seconds * 1000 + 0.999) : 0;
  if (ae_server_peek(server) == NULL) (void)poll(&event, 1, ms);
}

int ae_server_signal (ae_server *server) {
  return atomic_exchange(&server->signal, 0);
}

uint16_t ae_server_port (const ae_server *server) {
  return server->port;
}

int ae_server_descriptor (const ae_server *server) {
  return server->ready;
}

/* }==================================================================== */

/* {====================================================================
** Starting and stopping
** ===================================================================== */

static void server_free (ae_server *server) {
  ae_server_leave_signals(server);
  if (server->ready >= 0) close(server->ready);
  if (server->wake >= 0) close(server->wake);
  pthread_mutex_destroy(&server->lock);
  free(server);
}

static ae_server *server_new (const ae_server_options *options) {
  ae_server *server = calloc(1, sizeof *server);
  if (server == NULL) return NULL;
  server->port = options->port;
  server->max_bytes = options->max_bytes > 0 ? options->max_bytes : MAX_BYTES;
  server->ready = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  server->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  server->signal_descriptor = -1;
  if (pthread_mutex_init(&server->lock, NULL) != 0) {
    free(server);
    return NULL;
  }
  if (server->ready >= 0 && server->wake >= 0 &&
      (!options->signals || ae_server_take_signals(server)))
    return server;
  server_free(server);
  return NULL;
}

static struct MHD_Daemon *start_daemon (ae_server *server, int listener,
                                        uint32_t connections) {
  return MHD_start_daemon(
    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, server,
    MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT,
    (unsigned)(connections > 0 ? connections : CONNECTIONS), MHD_OPTION_CONNECTION_TIMEOUT,
    (unsigned)IDLE_SECONDS, MHD_OPTION_NOTIFY_COMPLETED, completed, server, MHD_OPTION_END);
}

ae_code ae_server_start (const ae_server_options *options, ae_server **out, ae_error *error) {
  ae_server *server = server_new(options);
  int listener;
  *out = NULL;
  if (server == NULL) return ae_fail(error, AE_MEMORY, 0, "not enough memory for the server");
  listener = ae_listen(options->host, &server->port, error);
  if (listener < 0) {
    server_free(server);
    return AE_NETWORK;
  }
  server->daemon = start_daemon(server, listener, options->connections);
  if (server->daemon == NULL) close(listener);
  *out = server;
  if (server->daemon != NULL && ae_server_loop_start(server)) return AE_OK;
  ae_server_stop(server);
  *out = NULL;
  return ae_fail(error, AE_NETWORK, 0, "cannot start the server's thread");
}

/* Held requests end without an answer. */
static void release (ae_exchange *list) {
  while (list != NULL) {
    ae_exchange *next = list->next;
    list->decided = true;
    list->status = 0;
    MHD_resume_connection(list->connection);
    list = next;
  }
}

void ae_server_stop (ae_server *server) {
  ae_exchange *waiting, *taken;
  pthread_mutex_lock(&server->lock);
  server->closing = true;
  waiting = server->first;
  taken = server->taken;
  server->first = server->last = server->taken = NULL;
  pthread_mutex_unlock(&server->lock);
  release(waiting);
  release(taken);
  ae_server_loop_wake(server);
  for (int i = 0; server->started && i < STOP_TICKS && atomic_load(&server->open) > 0; i++) {
    struct timespec t = {0, 10000000};
    nanosleep(&t, NULL);
  }
  ae_server_loop_stop(server);
  if (server->daemon != NULL) MHD_stop_daemon(server->daemon);
  server_free(server);
}

/* }==================================================================== */
