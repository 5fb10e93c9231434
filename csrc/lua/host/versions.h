/*
** versions.h: the versions of rules that the inbox keeps, and its key.
*/
#ifndef ALTINN_EVENTS_VERSIONS_H
#define ALTINN_EVENTS_VERSIONS_H

#include "inbox/inbox.h"
#include "lua/compat.h"

/* Hands over the list at argument 2, { rule =, version =, file =, text = } each, and
** waits until it is stored. Pushes true; or nil, a message and a code. */
int ae_versions_keep (lua_State *L, ae_inbox *inbox, ae_clock *clock);
/* Pushes the inbox's own secret key, 64 hex digits. */
int ae_versions_key (lua_State *L, ae_inbox *inbox);

#endif
