/*
** admin.h: the admin port: GET of a few short texts, for people and their
** monitoring on a trusted network.
*/
#ifndef ALTINN_EVENTS_HOST_ADMIN_H
#define ALTINN_EVENTS_HOST_ADMIN_H

#include "core/slice.h"

typedef struct ae_admin ae_admin;

/* A text, which is malloc'ed and becomes the server's; NULL: no text. */
typedef struct ae_admin_page {
  char *body;
  size_t length;
  bool json; /* it is JSON; else plain text */
} ae_admin_page;

/* Returns the HTTP status for a path, and fills in the page, which is empty. Called on the
** admin port's thread. */
typedef unsigned (*ae_admin_render)(void *context, const char *path, ae_admin_page *page);

/* Starts the server on a thread of its own. AE_NETWORK when the address cannot
** be had. */
ae_code ae_admin_start (const char *host, uint16_t port, ae_admin_render render, void *context,
                        ae_admin **admin, ae_error *error);
uint16_t ae_admin_port (const ae_admin *admin);
/* Whether the admin port listens on every address of the machine. */
bool ae_admin_everywhere (const ae_admin *admin);
void ae_admin_stop (ae_admin *admin);

#endif
