/*
** store_checkpoint.h: which thread checkpoints, and when; see store_checkpoint.c.
*/
#ifndef ALTINN_EVENTS_STORE_CHECKPOINT_H
#define ALTINN_EVENTS_STORE_CHECKPOINT_H

#include <pthread.h>
#include <stdatomic.h>

#include "inbox/store.h"

typedef enum ae_checkpoint_phase {
  AE_CHECKPOINT_IDLE,
  AE_CHECKPOINT_ASKED, /* the companion copies, or is about to */
  AE_CHECKPOINT_REST   /* the companion is done; the writer copies the rest */
} ae_checkpoint_phase;

typedef struct ae_checkpoint {
  atomic_int pages; /* in the log after the last commit */

  /* The writer's. */
  bool ready;     /* lock and condition are there */
  bool alone;     /* there is no companion */
  int next;       /* pages in the log from which on a checkpoint is due */
  int loud;       /* pages in the log from which on the operator is warned of a reader */
  bool accepted;  /* the file is in use: closing may empty its log */
  bool failing;   /* the last checkpoint failed, and the operator was told */
  bool untrusted; /* a sync failed: no checkpoint until the next start */

  /* Under the lock. */
  pthread_mutex_t lock;
  pthread_cond_t more;
  pthread_t companion;
  bool started, closing;
  ae_checkpoint_phase phase;
  int result; /* SQLite's result of the companion's last turn */
} ae_checkpoint;

/* To be called as soon as the database is open. Until ae_store_checkpoint is called
** for the first time, closing the database does not checkpoint. */
void ae_checkpoint_begin (ae_store *store);
/* Ends the companion; to be called before the database is closed. Does nothing when
** ae_checkpoint_begin was not called. */
void ae_checkpoint_end (ae_store *store);

#endif
