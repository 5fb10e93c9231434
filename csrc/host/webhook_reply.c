/*
** webhook_reply.c: answers. Refusals are problem details (RFC 9457).
*/
#include <stdio.h>
#include <stdlib.h>

#include "host/webhook_private.h"

static const char *title_of (unsigned status) {
  switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 431: return "Request Header Fields Too Large";
    default: return "Service Unavailable";
  }
}

void ae_refuse (ae_delivery *d, unsigned status, ae_code code, const char *message) {
  d->fate = AE_FATE_REFUSED;
  d->status = status;
  if (message != NULL) {
    ae_fail(&d->error, code, 0, "%s", message);
    d->faults.count = 0;
  }
  atomic_fetch_add(&d->hook->refused[code], 1);
}

void ae_refuse_memory (ae_delivery *d) {
  ae_refuse(d, 503, AE_MEMORY, "not enough memory at the moment");
}

void ae_refuse_draining (ae_delivery *d) {
  ae_refuse(d, 503, AE_STORAGE, "shutting down: try again");
}

static void quote (FILE *out, const char *name, const char *text) {
  char buffer[6 * AE_MESSAGE_SIZE + 2];
  size_t size = ae_json_quote((ae_slice){text, strlen(text)}, buffer, sizeof buffer);
  if (size > sizeof buffer) size = 0;
  fprintf(out, ",\"%s\":%.*s", name, (int)size, buffer);
}

static void write_faults (FILE *out, const ae_faults *faults) {
  uint32_t count = faults->count < AE_FAULTS_KEPT ? faults->count : AE_FAULTS_KEPT;
  if (count == 0) return;
  if (faults->list[0].attribute[0] != '\0') quote(out, "attribute", faults->list[0].attribute);
  fputs(",\"faults\":[", out);
  for (uint32_t i = 0; i < count; i++) {
    const ae_fault *fault = &faults->list[i];
    fprintf(out, "%s{\"position\":%zu", i > 0 ? "," : "", fault->position);
    quote(out, "code", ae_code_name(fault->code));
    quote(out, "attribute", fault->attribute);
    quote(out, "message", fault->message);
    fputc('}', out);
  }
  fputc(']', out);
}

/* The problem details of a refusal, malloc'ed; NULL: no memory. */
static char *problem_text (const ae_delivery *d, size_t *length) {
  char *text = NULL;
  FILE *out = open_memstream(&text, length);
  bool whole;
  if (out == NULL) return NULL;
  fprintf(out, "{\"type\":\"about:blank\",\"status\":%u", d->status);
  quote(out, "title", title_of(d->status));
  quote(out, "code", ae_code_name(d->error.code));
  quote(out, "detail", d->error.message);
  if (d->error.position > 0) fprintf(out, ",\"position\":%zu", d->error.position);
  if (d->index > 0) fprintf(out, ",\"index\":%u", (unsigned)d->index);
  if (d->error.code == AE_INVALID || d->error.code == AE_NOT_CLOUDEVENT)
    write_faults(out, &d->faults);
  fputs("}\n", out);
  whole = ferror(out) == 0;
  if (fclose(out) == 0 && whole) return text;
  free(text);
  return NULL;
}

/* Answers; when there is no memory for the answer, ends the connection, which is no 2xx
** either. */
static void answer (ae_delivery *d, const ae_http_reply *reply) {
  ae_http_reply none = {.status = 0};
  if (ae_exchange_answer(d->exchange, reply, NULL) != AE_OK)
    (void)ae_exchange_answer(d->exchange, &none, NULL);
}

static void reply_problem (ae_delivery *d) {
  ae_header headers[2] = {
    {AE_LITERAL("Content-Type"), AE_LITERAL("application/problem+json")}};
  ae_http_reply reply = {.status = d->status, .headers = headers, .header_count = 1};
  char *text = problem_text(d, &reply.body.length);
  reply.body.data = text;
  if (text == NULL) reply.status = 0;
  if (d->status == 405)
    headers[reply.header_count++] = (ae_header){AE_LITERAL("Allow"),
                                                AE_LITERAL("POST, OPTIONS")};
  if (d->status == 503)
    headers[reply.header_count++] = (ae_header){AE_LITERAL("Retry-After"), AE_LITERAL("5")};
  reply.now = d->uncertain;
  reply.close = d->uncertain || d->status == 413 || d->status == 431 ||
                atomic_load(&d->hook->draining);
  answer(d, &reply);
  free(text);
}

/* The handshake of the CloudEvents webhook specification 1.0.2, §4. */
static void reply_handshake (ae_delivery *d) {
  const char *origin = ae_exchange_header(d->exchange, "WebHook-Request-Origin");
  bool asked = origin != NULL && origin[0] != '\0';
  ae_header headers[] = {{AE_LITERAL("Allow"), AE_LITERAL("POST, OPTIONS")},
                         {AE_LITERAL("WebHook-Allowed-Origin"), {origin, 0}},
                         {AE_LITERAL("WebHook-Allowed-Rate"), AE_LITERAL("*")}};
  ae_http_reply reply = {.status = 200, .headers = headers};
  reply.header_count = asked ? 3 : 1;
  atomic_fetch_add(&d->hook->answered_2xx, 1);
  answer(d, &reply);
}

static void reply_accepted (ae_delivery *d) {
  ae_http_reply reply = {.status = 200};
  if (d->work_count > 0) atomic_store(&d->hook->last, d->works[0].time);
  atomic_fetch_add(&d->hook->answered_2xx, 1);
  answer(d, &reply);
}

void ae_reply (ae_delivery *d) {
  switch (d->fate) {
    case AE_FATE_HANDSHAKE: reply_handshake(d); break;
    case AE_FATE_REFUSED: reply_problem(d); break;
    default: reply_accepted(d); break;
  }
}
