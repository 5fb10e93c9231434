/*
** receiver_reply.c: answers. Refusals are problem details (RFC 9457).
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

void ae_refuse (ae_connection *c, unsigned status, ae_code code, const char *message) {
  c->status = status;
  if (message != NULL) ae_fail(&c->error, code, 0, "%s", message);
  if (message != NULL) c->faults.count = 0;
  atomic_fetch_add(&c->receiver->refused[code], 1);
}

void ae_refuse_draining (ae_connection *c) {
  ae_refuse(c, 503, AE_STORAGE, "shutting down: try again");
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

static char *problem_text (const ae_connection *c, size_t *length) {
  char *text = NULL;
  FILE *out = open_memstream(&text, length);
  if (out == NULL) return NULL;
  fprintf(out, "{\"type\":\"about:blank\",\"status\":%u", c->status);
  quote(out, "title", title_of(c->status));
  quote(out, "code", ae_code_name(c->error.code));
  quote(out, "detail", c->error.message);
  if (c->error.position > 0) fprintf(out, ",\"position\":%zu", c->error.position);
  if (c->index > 0) fprintf(out, ",\"index\":%u", (unsigned)c->index);
  if (c->error.code == AE_INVALID || c->error.code == AE_NOT_CLOUDEVENT)
    write_faults(out, &c->faults);
  fputs("}\n", out);
  if (fclose(out) == 0) return text;
  free(text);
  return NULL;
}

/* After a refusal for its framing nothing on the connection is certain. */
static bool must_close (const ae_connection *c) {
  return (c->status == 400 && c->mode == AE_UNSUPPORTED_MEDIA) || c->status == 413 ||
         c->status == 431 || atomic_load(&c->receiver->draining);
}

static void add_headers (const ae_connection *c, struct MHD_Response *response) {
  MHD_add_response_header(response, "Content-Type", "application/problem+json");
  if (c->status == 405) MHD_add_response_header(response, "Allow", "POST, OPTIONS");
  if (c->status == 503) MHD_add_response_header(response, "Retry-After", "5");
  if (must_close(c)) MHD_add_response_header(response, "Connection", "close");
}

static enum MHD_Result send_once (ae_connection *c, unsigned status,
                                  struct MHD_Response *response) {
  enum MHD_Result result;
  if (response == NULL) return MHD_NO;
  result = MHD_queue_response(c->connection, status, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result reply_problem (ae_connection *c) {
  size_t length;
  char *text = problem_text(c, &length);
  struct MHD_Response *response;
  if (text == NULL) return MHD_NO;
  response = MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE);
  if (response == NULL) {
    free(text);
    return MHD_NO;
  }
  add_headers(c, response);
  return send_once(c, c->status, response);
}

/* The handshake of the CloudEvents webhook specification 1.0.2, §4. */
enum MHD_Result ae_reply_options (ae_connection *c) {
  const char *origin = MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND,
                                                   "WebHook-Request-Origin");
  struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL,
                                                                  MHD_RESPMEM_PERSISTENT);
  if (response == NULL) return MHD_NO;
  MHD_add_response_header(response, "Allow", "POST, OPTIONS");
  if (origin != NULL) {
    MHD_add_response_header(response, "WebHook-Allowed-Origin", origin);
    MHD_add_response_header(response, "WebHook-Allowed-Rate", "*");
  }
  atomic_fetch_add(&c->receiver->answered_2xx, 1);
  return send_once(c, 200, response);
}

enum MHD_Result ae_reply (ae_connection *c) {
  ae_loop_phase(c, AE_PHASE_ANSWERING);
  if (c->status == 204) return ae_reply_options(c);
  if (c->status != 0) return reply_problem(c);
  atomic_fetch_add(&c->receiver->answered_2xx, 1);
  return MHD_queue_response(c->connection, 200, c->receiver->stored);
}
