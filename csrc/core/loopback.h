/*
** loopback.h: whether a host is this machine.
*/
#ifndef ALTINN_EVENTS_LOOPBACK_H
#define ALTINN_EVENTS_LOOPBACK_H

#include "core/slice.h"

/* 127.0.0.0/8 in its full form, localhost (in any case), ::1 (also in
** brackets). The host stands alone: no port, no user. */
bool ae_host_is_loopback (ae_slice host);

#endif
