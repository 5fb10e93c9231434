/*
** listen.h: a listening TCP socket.
*/
#ifndef ALTINN_EVENTS_HTTP_LISTEN_H
#define ALTINN_EVENTS_HTTP_LISTEN_H

#include "core/slice.h"

/* The socket, or -1 and *error. *port is the real one afterwards; *everywhere:
** it is open to all networks that the machine is in. */
int ae_listen (const char *host, uint16_t *port, bool *everywhere, ae_error *error);

#endif
