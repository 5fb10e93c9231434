/*
** admin.c: the admin port: GET of a few short texts. It serves people and
** their monitoring on a trusted network, one request at a time.
*/
#include <stdlib.h>

#include "host/webhook_private.h"

#define ADMIN_CONNECTIONS 64u
#define ADMIN_SECONDS 10u

struct ae_admin {
  struct MHD_Daemon *daemon;
  ae_admin_render render;
  void *context;
  uint16_t port;
};

static enum MHD_Result reply (struct MHD_Connection *connection, unsigned status, char *body,
                              size_t length) {
  enum MHD_Result result;
  struct MHD_Response *response = MHD_create_response_from_buffer(length, body,
                                                                  MHD_RESPMEM_MUST_FREE);
  if (response == NULL) {
    free(body);
    return MHD_NO;
  }
  MHD_add_response_header(response, "Content-Type",
                          "text/plain; version=0.0.4; charset=utf-8");
  MHD_add_response_header(response, "Cache-Control", "no-store");
  if (status == 405) MHD_add_response_header(response, "Allow", "GET, HEAD");
  result = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return result;
}

static enum MHD_Result handle (void *argument, struct MHD_Connection *connection,
                               const char *url, const char *method, const char *version,
                               const char *bytes, size_t *size, void **context) {
  ae_admin *admin = argument;
  char *body = NULL;
  size_t length = 0;
  unsigned status;
  (void)version;
  (void)bytes;
  if (*context == NULL || *size > 0) {
    *context = admin;
    *size = 0;
    return MHD_YES;
  }
  if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
    return reply(connection, 405, NULL, 0);
  status = admin->render(admin->context, url, &body, &length);
  return reply(connection, status, body, body == NULL ? 0 : length);
}

ae_code ae_admin_start (const char *host, uint16_t port, ae_admin_render render, void *context,
                        ae_admin **out, ae_error *error) {
  ae_admin *admin = calloc(1, sizeof *admin);
  int listener;
  if (admin == NULL)
    return ae_fail(error, AE_MEMORY, 0, "not enough memory for the admin port");
  *admin = (ae_admin){NULL, render, context, port};
  listener = ae_listen(host, &admin->port, error);
  if (listener >= 0)
    admin->daemon = MHD_start_daemon(
      MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, handle, admin, MHD_OPTION_LISTEN_SOCKET,
      listener, MHD_OPTION_CONNECTION_LIMIT, ADMIN_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
      ADMIN_SECONDS, MHD_OPTION_END);
  *out = admin;
  if (admin->daemon != NULL) return AE_OK;
  free(admin);
  *out = NULL;
  if (listener < 0) return AE_NETWORK;
  return ae_fail(error, AE_NETWORK, 0, "cannot start the admin port's thread");
}

uint16_t ae_admin_port (const ae_admin *admin) {
  return admin->port;
}

void ae_admin_stop (ae_admin *admin) {
  MHD_stop_daemon(admin->daemon);
  free(admin);
}
