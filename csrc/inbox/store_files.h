/*
** store_files.h: the files that make up one inbox; see store_files.c.
*/
#ifndef ALTINN_EVENTS_STORE_FILES_H
#define ALTINN_EVENTS_STORE_FILES_H

#include <sys/types.h>

#include "inbox/store.h"

/* The identity of a file, whatever its name. */
typedef struct ae_file {
  dev_t device;
  ino_t inode;
} ae_file;

/* The inbox's name with an ending, as "-wal": malloc'ed, NULL: no memory. */
char *ae_store_beside (const ae_store *store, const char *ending);
/* AE_STORAGE for a database that is apart from its log. `fresh`: the database has
** just been created. */
ae_code ae_store_check_logs (const ae_store *store, bool fresh, ae_error *error);
/* The same for a program that opens the inbox beside a host. */
ae_code ae_store_check_path (const char *path, ae_error *error);
/* Takes away the access of all but the owner, where this user may. */
void ae_store_make_private (const ae_store *store);
/* Whether the database is still under its name. */
bool ae_store_in_place (const ae_store *store);

#endif
