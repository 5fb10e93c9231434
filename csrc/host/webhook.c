/*
** webhook.c: the path of a request; see webhook.h. The server's thread reads and judges
** the request. A request whose events are with the inbox is held, and the inbox's
** writer thread answers it.
*/
#include <stdlib.h>

#include "host/webhook_private.h"

#define CONNECTIONS 4096u
#define SHARE 2u /* uses one in two of the process's descriptors */
#define DEADLINE_SECONDS 30u
/* How much of a refused body is read and dropped, so that the client sees the answer
** and can go on using its connection. */
#define DISCARD_BYTES ((size_t)8 << 20)

/* {====================================================================
** Requests
** ===================================================================== */

static void begin (ae_delivery *d, ae_exchange *exchange) {
  d->hook = ae_exchange_context(exchange);
  d->exchange = exchange;
  d->fate = AE_FATE_OPEN;
  d->status = 0;
  d->uncertain = false;
  d->mode = AE_UNSUPPORTED_MEDIA;
  d->index = 0;
  d->name.length = 0;
  d->header_count = d->work_count = 0;
  d->faults.count = 0;
}

static void on_head (ae_exchange *exchange) {
  ae_delivery *d = ae_exchange_state(exchange);
  begin(d, exchange);
  ae_head_judge(d);
  if (d->fate != AE_FATE_OPEN) ae_reply(d);
}

/* The events are durable, or refused: answers, on the inbox's writer thread. */
static void works_done (ae_work *work) {
  ae_delivery *d = work->owner;
  if (work->result != AE_WORK_FAILED) d->fate = AE_FATE_ACCEPTED;
  else ae_refuse(d, 503, AE_STORAGE, "the inbox cannot store at the moment: try again");
  ae_reply(d);
}

/* Hands the works to the inbox. From here to works_done the request is the inbox's. */
static void hold (ae_delivery *d) {
  ae_webhook *hook = d->hook;
  d->works[0].done = works_done;
  ae_exchange_hold(d->exchange);
  if (ae_inbox_queue(hook->inbox, &d->works[0])) {
    hook->queued = true;
    return;
  }
  ae_refuse(d, 503, AE_STORAGE, "the inbox takes no more at the moment: try again");
  ae_reply(d);
}

static void on_whole (ae_exchange *exchange) {
  ae_delivery *d = ae_exchange_state(exchange);
  atomic_fetch_add(&d->hook->received, 1);
  ae_body_judge(d);
  if (d->fate == AE_FATE_OPEN && d->work_count > 0 && d->hook->inbox != NULL) {
    if (!atomic_load(&d->hook->draining)) {
      hold(d);
      return;
    }
    ae_refuse_draining(d);
  }
  if (d->fate == AE_FATE_OPEN) d->fate = AE_FATE_ACCEPTED;
  ae_reply(d);
}

static void on_unread (ae_exchange *exchange, ae_code why) {
  ae_delivery *d = ae_exchange_state(exchange);
  if (why == AE_TOO_LARGE) {
    ae_fail(&d->error, AE_TOO_LARGE, 0, "the body is larger than the limit of %zu bytes",
            d->hook->max_bytes);
    ae_refuse(d, 413, AE_TOO_LARGE, NULL);
  } else {
    ae_refuse_memory(d);
  }
  ae_reply(d);
}

static void on_ended (ae_exchange *exchange) {
  ae_delivery *d = ae_exchange_state(exchange);
  ae_webhook_log(d);
  ae_body_shrink(d);
}

static void on_closed (void *hook, void *state) {
  (void)hook;
  ae_body_free(state);
}

/* Wakes the inbox once a turn, so that works that came together are one group. */
static void on_turned (void *context) {
  ae_webhook *hook = context;
  if (hook->queued) ae_inbox_wake(hook->inbox);
  hook->queued = false;
  ae_webhook_log_more(hook, false);
}

/* }==================================================================== */

/* {====================================================================
** Starting and stopping
** ===================================================================== */

static bool copy_secrets (ae_webhook *hook, const ae_webhook_options *options) {
  if (options->secret_count == 0) return true;
  hook->secrets = calloc(options->secret_count, sizeof *hook->secrets);
  if (hook->secrets == NULL) return false;
  for (size_t i = 0; i < options->secret_count; i++) {
    ae_slice secret = options->secrets[i];
    char *copy = malloc(secret.length + 1);
    if (copy == NULL) return false;
    if (secret.length > 0) memcpy(copy, secret.data, secret.length);
    hook->secrets[i] = (ae_slice){copy, secret.length};
    hook->secret_count++;
  }
  return true;
}

static void webhook_free (ae_webhook *hook) {
  for (size_t i = 0; i < hook->secret_count; i++)
    free((char *)(uintptr_t)hook->secrets[i].data);
  free(hook->secrets);
  free(hook);
}

static ae_webhook *webhook_new (const ae_webhook_options *options) {
  ae_webhook *hook = calloc(1, sizeof *hook);
  if (hook == NULL) return NULL;
  hook->max_bytes = options->max_bytes > 0 ? options->max_bytes : AE_DEFAULT_MAX_BYTES;
  hook->inbox = options->inbox;
  hook->clock = options->clock;
  if (copy_secrets(hook, options)) return hook;
  webhook_free(hook);
  return NULL;
}

static uint32_t or_default (uint32_t value, uint32_t otherwise) {
  return value > 0 ? value : otherwise;
}

ae_code ae_webhook_start (const ae_webhook_options *options, ae_webhook **out,
                          ae_error *error) {
  ae_webhook *hook = webhook_new(options);
  ae_http_options http = {
    .name = "the receiver",
    .host = options->host,
    .port = options->port,
    .discard_bytes = DISCARD_BYTES,
    .connections = or_default(options->connection_limit, CONNECTIONS),
    .share = SHARE,
    .deadline = or_default(options->deadline, DEADLINE_SECONDS),
    .state_size = sizeof(ae_delivery),
    .handlers = {on_head, on_whole, on_unread, on_ended, on_closed, on_turned},
    .context = hook,
  };
  ae_code code;
  *out = NULL;
  if (hook == NULL) return ae_fail(error, AE_MEMORY, 0, "not enough memory for the receiver");
  http.max_bytes = hook->max_bytes;
  code = ae_http_start(&http, &hook->http, error);
  if (code == AE_OK) *out = hook;
  else webhook_free(hook);
  return code;
}

uint16_t ae_webhook_port (const ae_webhook *hook) {
  return ae_http_port(hook->http);
}

bool ae_webhook_carry (ae_webhook *hook, const ae_http_request *request) {
  return ae_http_carry(hook->http, request);
}

void ae_webhook_drain (ae_webhook *hook) {
  atomic_store(&hook->draining, true);
}

void ae_webhook_stop (ae_webhook *hook) {
  ae_webhook_drain(hook);
  ae_http_stop(hook->http);
  ae_webhook_log_more(hook, true);
  webhook_free(hook);
}

void ae_webhook_counts_read (const ae_webhook *hook, ae_webhook_counts *counts) {
  counts->received = atomic_load(&hook->received);
  counts->answered_2xx = atomic_load(&hook->answered_2xx);
  counts->last = atomic_load(&hook->last);
  counts->timeouts = ae_http_timeouts(hook->http);
  for (size_t i = 0; i < AE_CODE_COUNT; i++)
    counts->refused[i] = atomic_load(&hook->refused[i]);
}

/* }==================================================================== */
