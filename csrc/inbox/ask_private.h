/*
** ask_private.h: what store_ask.c and store_hand.c share.
*/
#ifndef ALTINN_EVENTS_ASK_PRIVATE_H
#define ALTINN_EVENTS_ASK_PRIVATE_H

#include "inbox/ask.h"
#include "inbox/store_private.h"

struct ae_ask {
  char *path;
  sqlite3 *db;
  sqlite3_stmt *rows; /* of the last query */
};

#endif
