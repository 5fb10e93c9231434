/*
** store_checkpoint.h: who brings the log into the database, and when; see
** store_checkpoint.c.
*/
#ifndef ALTINN_EVENTS_STORE_CHECKPOINT_H
#define ALTINN_EVENTS_STORE_CHECKPOINT_H

#include <pthread.h>
#include <stdatomic.h>

#include "inbox/store.h"

typedef enum ae_checkpoint_phase {
  AE_CHECKPOINT_IDLE,
  AE_CHECKPOINT_ASKED, /* the companion copies, or is about to */
  AE_CHECKPOINT_REST   /* it has; the rest is the writer's */
} ae_checkpoint_phase;

typedef struct ae_checkpoint {
  atomic_int pages; /* in the log after the last commit */

  /* The writer's. */
  bool ready;     /* lock and condition are there */
  int next;       /* so many pages in the log ask for a checkpoint */
  int loud;       /* so many, and a reader in the way, are told of */
  bool accepted;  /* the file is in use: closing may empty its log */
  bool failing;   /* it was told that the last one failed */
  bool untrusted; /* a sync failed: no checkpoint until the next start */

  /* Under the lock. */
  pthread_mutex_t lock;
  pthread_cond_t more;
  pthread_t companion;
  bool started, closing;
  ae_checkpoint_phase phase;
  int result; /* SQLite's, of the companion's last turn */
} ae_checkpoint;

/* As soon as the database is open; closing it leaves the log as it is until
** ae_store_checkpoint is called. */
void ae_checkpoint_begin (ae_store *store);
/* Before it is closed: ends the companion. Also without a beginning. */
void ae_checkpoint_end (ae_store *store);

#endif
