/*
** admin.c: see admin.h.
*/
#include "host/admin.h"

#include <stdlib.h>

#include "http/http.h"

#define CONNECTIONS 64u
#define SHARE 8u /* uses one in eight of the process's descriptors */
#define DEADLINE_SECONDS 10u
#define MOST_BYTES ((size_t)64 << 10) /* of a request's body, which is not used */

struct ae_admin {
  ae_http *http;
  ae_admin_render render;
  void *context;
};

/* Answers; when there is no memory for the answer, ends the connection. */
static void answer (ae_exchange *exchange, const ae_http_reply *reply) {
  ae_http_reply none = {.status = 0};
  if (ae_exchange_answer(exchange, reply, NULL) != AE_OK)
    (void)ae_exchange_answer(exchange, &none, NULL);
}

static void on_whole (ae_exchange *exchange) {
  ae_header headers[] = {
    {AE_LITERAL("Content-Type"), AE_LITERAL("text/plain; version=0.0.4; charset=utf-8")},
    {AE_LITERAL("Cache-Control"), AE_LITERAL("no-store")},
    {AE_LITERAL("Allow"), AE_LITERAL("GET, HEAD")} /* for status 405 only */
  };
  const ae_admin *admin = ae_exchange_context(exchange);
  const char *method = ae_exchange_method(exchange);
  ae_http_reply reply = {.status = 405, .headers = headers, .header_count = 3};
  ae_admin_page page = {NULL, 0, false};
  if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) {
    reply.header_count = 2;
    reply.status = admin->render(admin->context, ae_exchange_path(exchange), &page);
    if (page.body != NULL) reply.body = (ae_slice){page.body, page.length};
    if (page.json) headers[0].value = AE_LITERAL("application/json");
  }
  answer(exchange, &reply);
  free(page.body);
}

static void on_unread (ae_exchange *exchange, ae_code why) {
  ae_http_reply reply = {.status = why == AE_TOO_LARGE ? 413 : 503, .close = true};
  answer(exchange, &reply);
}

ae_code ae_admin_start (const char *host, uint16_t port, ae_admin_render render, void *context,
                        ae_admin **out, ae_error *error) {
  ae_admin *admin = calloc(1, sizeof *admin);
  ae_http_options options = {
    .name = "the admin port",
    .host = host,
    .port = port,
    .max_bytes = MOST_BYTES,
    .discard_bytes = MOST_BYTES,
    .connections = CONNECTIONS,
    .share = SHARE,
    .deadline = DEADLINE_SECONDS,
    .handlers = {.whole = on_whole, .unread = on_unread},
    .context = admin,
  };
  ae_code code;
  *out = NULL;
  if (admin == NULL)
    return ae_fail(error, AE_MEMORY, 0, "not enough memory for the admin port");
  admin->render = render;
  admin->context = context;
  code = ae_http_start(&options, &admin->http, error);
  if (code == AE_OK) *out = admin;
  else free(admin);
  return code;
}

uint16_t ae_admin_port (const ae_admin *admin) {
  return ae_http_port(admin->http);
}

bool ae_admin_everywhere (const ae_admin *admin) {
  return ae_http_everywhere(admin->http);
}

void ae_admin_stop (ae_admin *admin) {
  ae_http_stop(admin->http);
  free(admin);
}
