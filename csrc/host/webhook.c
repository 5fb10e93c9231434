/*
** receiver.c: the webhook's server; see receiver.h. One thread reads and
** answers; a request whose events are with the inbox is suspended, and
** resumed by the inbox's thread.
*/
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "host/webhook_private.h"

#define CONNECTIONS 4096u
#define DEADLINE_SECONDS 30u
/* Above 32 KiB libmicrohttpd maps the memory of a connection, so that it goes
** back to the system when the connection ends. */
#define CONNECTION_MEMORY (36u * 1024u)
#define KEPT_BYTES (32u * 1024u) /* of a buffer, from request to request */

static ae_connection *context_of (struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(
    connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info == NULL ? NULL : info->socket_context;
}

/* The line of the request is there: its time counts from the connection's
** beginning or, on a connection that was kept, from now. */
static void *begin_request (void *receiver, const char *uri,
                            struct MHD_Connection *connection) {
  ae_connection *c = context_of(connection);
  (void)receiver;
  (void)uri;
  if (c == NULL) return NULL;
  if (c->phase == AE_PHASE_FIRST) c->phase = AE_PHASE_READING;
  else ae_loop_phase(c, AE_PHASE_READING);
  c->begun = c->judged = false;
  c->status = 0;
  c->index = 0;
  c->mode = AE_UNSUPPORTED_MEDIA;
  c->discarded = 0;
  c->body.length = 0;
  c->name.length = 0;
  c->work_count = 0;
  c->faults.count = 0;
  return c;
}

static void shrink (ae_buffer *buffer) {
  if (buffer->capacity <= KEPT_BYTES) return;
  free(buffer->data);
  *buffer = (ae_buffer){NULL, 0, 0};
}

static void end_request (void *receiver, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode why) {
  ae_connection *c = *context;
  (void)receiver;
  (void)connection;
  (void)why;
  if (c == NULL) return;
  shrink(&c->body);
  shrink(&c->text);
  shrink(&c->encoded);
  ae_loop_phase(c, AE_PHASE_IDLE);
}

/* Decodes the path, which comes to us as a C string: an encoded NUL must not
** end it, so DEL stands there, which no secret and no name holds. */
static size_t unescape (void *receiver, struct MHD_Connection *connection, char *text) {
  (void)receiver;
  (void)connection;
  for (char *at = strstr(text, "%00"); at != NULL; at = strstr(at, "%00")) {
    at[1] = '7';
    at[2] = 'F';
  }
  return MHD_http_unescape(text);
}

/* Bytes of the body; false closes the connection. */
static bool take_bytes (ae_connection *c, const char *bytes, size_t size) {
  if (c->status == 0 && c->body.length + size > c->receiver->max_bytes) {
    ae_fail(&c->error, AE_TOO_LARGE, 0,
            "the body is larger than the limit of "
            "%zu bytes",
            c->receiver->max_bytes);
    ae_refuse(c, 413, AE_TOO_LARGE, NULL);
  }
  if (c->status != 0) {
    c->discarded += size;
    return c->discarded <= AE_DISCARD_BYTES;
  }
  if (!ae_buffer_reserve(&c->body, c->body.length + size + 1)) return false;
  memcpy(c->body.data + c->body.length, bytes, size);
  c->body.length += size;
  return true;
}

/* On the inbox's thread: the events are stored, or refused. */
static void works_done (ae_work *work) {
  ae_connection *c = work->owner;
  ae_receiver *receiver = c->receiver;
  if (work->result == AE_WORK_FAILED)
    ae_refuse(c, 503, AE_STORAGE, "the inbox cannot store at the moment: try again");
  ae_loop_resume(c);
  atomic_fetch_sub(&receiver->held, 1);
}

/* From here to works_done the request is the inbox's. */
static enum MHD_Result hold (ae_connection *c) {
  ae_receiver *receiver = c->receiver;
  c->works[0].done = works_done;
  ae_loop_phase(c, AE_PHASE_HELD);
  atomic_fetch_add(&receiver->held, 1);
  MHD_suspend_connection(c->connection);
  if (ae_inbox_queue(receiver->inbox, &c->works[0])) {
    receiver->queued = true;
    return MHD_YES;
  }
  ae_refuse(c, 503, AE_STORAGE, "the inbox takes no more at the moment: try again");
  ae_loop_resume(c);
  atomic_fetch_sub(&receiver->held, 1);
  return MHD_YES;
}

static enum MHD_Result whole_request (ae_connection *c) {
  if (c->judged || c->status != 0) return ae_reply(c);
  c->judged = true;
  atomic_fetch_add(&c->receiver->received, 1);
  ae_body_judge(c);
  if (c->status != 0 || c->work_count == 0 || c->receiver->inbox == NULL) return ae_reply(c);
  if (!atomic_load(&c->receiver->draining)) return hold(c);
  ae_refuse_draining(c);
  return ae_reply(c);
}

/* Small bodies of refused requests are read first, so that the client gets
** to the answer. At once it goes to one that waits for a 100, that would
** send more than is worth reading, or whose body's end is uncertain. */
static bool answer_now (const ae_connection *c) {
  const char *length = MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND,
                                                   MHD_HTTP_HEADER_CONTENT_LENGTH);
  if (c->status == 0) return false;
  if (c->status == 400 || MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND,
                                                      MHD_HTTP_HEADER_EXPECT) != NULL)
    return true;
  return length != NULL && strtoull(length, NULL, 10) > AE_DISCARD_BYTES;
}

static enum MHD_Result handle (void *receiver, struct MHD_Connection *connection,
                               const char *url, const char *method, const char *version,
                               const char *bytes, size_t *size, void **context) {
  ae_connection *c = *context;
  (void)receiver;
  (void)connection;
  if (c == NULL) return MHD_NO;
  if (!c->begun) {
    c->begun = true;
    ae_head_judge(c, url, method, version);
    return answer_now(c) ? ae_reply(c) : MHD_YES;
  }
  if (*size == 0) return whole_request(c);
  if (!take_bytes(c, bytes, *size)) return MHD_NO;
  *size = 0;
  return MHD_YES;
}

static bool copy_secrets (ae_receiver *receiver, const ae_receiver_options *options) {
  if (options->secret_count == 0) return true;
  receiver->secrets = calloc(options->secret_count, sizeof *receiver->secrets);
  if (receiver->secrets == NULL) return false;
  for (size_t i = 0; i < options->secret_count; i++) {
    ae_slice secret = options->secrets[i];
    char *copy = malloc(secret.length + 1);
    if (copy == NULL) return false;
    if (secret.length > 0) memcpy(copy, secret.data, secret.length);
    receiver->secrets[i] = (ae_slice){copy, secret.length};
    receiver->secret_count++;
  }
  return true;
}

static void receiver_free (ae_receiver *receiver) {
  for (size_t i = 0; i < receiver->secret_count; i++)
    free((char *)(uintptr_t)receiver->secrets[i].data);
  free(receiver->secrets);
  if (receiver->stored != NULL) MHD_destroy_response(receiver->stored);
  free(receiver);
}

static ae_receiver *receiver_new (const ae_receiver_options *options) {
  ae_receiver *receiver = calloc(1, sizeof *receiver);
  if (receiver == NULL) return NULL;
  receiver->max_bytes = options->max_bytes > 0 ? options->max_bytes : AE_DEFAULT_MAX_BYTES;
  receiver->deadline = options->deadline > 0 ? options->deadline : DEADLINE_SECONDS;
  receiver->inbox = options->inbox;
  receiver->port = options->port;
  receiver->wake = -1;
  receiver->stored = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
  if (receiver->stored != NULL && copy_secrets(receiver, options)) return receiver;
  receiver_free(receiver);
  return NULL;
}

/* As many descriptors as connections may need, if the system lets us. */
static void raise_limit (uint32_t connections) {
  struct rlimit limit;
  rlim_t wanted = (rlim_t)connections + 256;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static struct MHD_Daemon *start_daemon (ae_receiver *receiver, int listener,
                                        uint32_t connections) {
  return MHD_start_daemon(
    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, handle, receiver,
    MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT, (unsigned)connections,
    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)AE_KEEP_ALIVE_SECONDS,
    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
    MHD_OPTION_NOTIFY_CONNECTION, ae_loop_notify, receiver, MHD_OPTION_NOTIFY_COMPLETED,
    end_request, receiver, MHD_OPTION_URI_LOG_CALLBACK, begin_request, receiver,
    MHD_OPTION_UNESCAPE_CALLBACK, unescape, receiver, MHD_OPTION_END);
}

ae_code ae_receiver_start (const ae_receiver_options *options, ae_receiver **out,
                           ae_error *error) {
  uint32_t connections = options->connection_limit > 0 ? options->connection_limit
                                                       : CONNECTIONS;
  ae_receiver *receiver = receiver_new(options);
  int listener;
  if (receiver == NULL)
    return ae_fail(error, AE_MEMORY, 0, "not enough memory for the receiver");
  listener = ae_listen(options->host, &receiver->port, error);
  if (listener < 0) {
    receiver_free(receiver);
    return AE_NETWORK;
  }
  raise_limit(connections);
  receiver->daemon = start_daemon(receiver, listener, connections);
  *out = receiver;
  if (receiver->daemon != NULL && ae_loop_start(receiver)) return AE_OK;
  ae_receiver_stop(receiver);
  *out = NULL;
  return ae_fail(error, AE_NETWORK, 0, "cannot start the receiver's threads");
}

uint16_t ae_receiver_port (const ae_receiver *receiver) {
  return receiver->port;
}

void ae_receiver_drain (ae_receiver *receiver) {
  atomic_store(&receiver->draining, true);
}

static void wait_for_held (ae_receiver *receiver) {
  while (atomic_load(&receiver->held) > 0) {
    struct timespec t = {0, 1000000};
    nanosleep(&t, NULL);
  }
}

/* The thread may hold a request that it judged before it knew of the end: so
** once more, when it can hold no others. A daemon must not be stopped with
** suspended requests, and the inbox uses `wake` until it has resumed them. */
void ae_receiver_stop (ae_receiver *receiver) {
  ae_receiver_drain(receiver);
  wait_for_held(receiver);
  ae_loop_stop(receiver);
  wait_for_held(receiver);
  ae_loop_finish(receiver);
  if (receiver->daemon != NULL) MHD_stop_daemon(receiver->daemon);
  receiver_free(receiver);
}

void ae_receiver_counts_read (const ae_receiver *receiver, ae_receiver_counts *counts) {
  counts->received = atomic_load(&receiver->received);
  counts->answered_2xx = atomic_load(&receiver->answered_2xx);
  counts->timeouts = atomic_load(&receiver->timeouts);
  for (size_t i = 0; i < AE_CODE_COUNT; i++)
    counts->refused[i] = atomic_load(&receiver->refused[i]);
}
