/*
** inside.c: requests that come from within the process, to a server without a socket.
*/
#include <assert.h>
#include <stdlib.h>
#include <strings.h>

#include "http/private.h"

/* Ends an exchange that has been answered. */
static void end (ae_exchange *e) {
  const ae_http_handlers *handlers = &e->http->options.handlers;
  if (handlers->ended != NULL) handlers->ended(e);
  if (handlers->closed != NULL) handlers->closed(e->http->options.context, e->user);
  free(e);
}

void ae_http_inside_answer (ae_exchange *e, const ae_http_reply *reply) {
  const bool held = e->state == AE_HELD;
  e->answered = true;
  e->request->answered(e->request->context, reply);
  if (!held) return; /* ae_http_carry ends it */
  atomic_fetch_sub(&e->http->held, 1);
  end(e);
}

void ae_http_inside_hold (ae_exchange *e) {
  e->state = AE_HELD;
  atomic_fetch_add(&e->http->held, 1);
}

const char *ae_http_inside_header (const ae_http_request *request, const char *name) {
  for (size_t i = 0; i < request->header_count; i++)
    if (strcasecmp(request->headers[i].name.data, name) == 0)
      return request->headers[i].value.data;
  return NULL;
}

bool ae_http_carry (ae_http *http, const ae_http_request *request) {
  const ae_http_handlers *handlers = &http->options.handlers;
  ae_exchange *e = calloc(1, sizeof *e + http->options.state_size);
  if (e == NULL) return false;
  assert(http->options.host == NULL);
  e->http = http;
  e->request = request;
  e->method = request->method;
  e->path = request->path;
  e->version = "HTTP/1.1";
  e->state = AE_READING;
  if (handlers->head != NULL) handlers->head(e);
  if (!e->answered && request->body.length > http->options.max_bytes)
    handlers->unread(e, AE_TOO_LARGE);
  if (!e->answered) handlers->whole(e);
  if (e->answered) end(e);
  else assert(e->state == AE_HELD);
  if (handlers->turned != NULL) handlers->turned(http->options.context);
  return true;
}
