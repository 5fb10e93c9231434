/*
** listen.h: a listening TCP socket.
*/
#ifndef ALTINN_EVENTS_HTTP_LISTEN_H
#define ALTINN_EVENTS_HTTP_LISTEN_H

#include "core/slice.h"

/* Opens the socket; -1: failed, see *error. *port becomes the real port; *everywhere:
** whether the socket listens on every address of the machine. */
int ae_listen (const char *host, uint16_t *port, bool *everywhere, ae_error *error);

#endif
