/*
** queue.h: the queue of messages for a worker: runs to carry out, answers of the inbox,
** orders. Any thread may push; the worker takes.
*/
#ifndef ALTINN_EVENTS_HOST_QUEUE_H
#define ALTINN_EVENTS_HOST_QUEUE_H

#include <pthread.h>

#include "inbox/inbox.h"

typedef enum ae_message_kind {
  AE_MESSAGE_RUN,    /* ae_run_message */
  AE_MESSAGE_ACK,    /* ae_parcel: committed, or refused */
  AE_MESSAGE_AGAIN,  /* ae_parcel without a ticket: refused, to be submitted again */
  AE_MESSAGE_CANCEL, /* ae_cancel: a run was taken back */
  AE_MESSAGE_ASIDE,  /* ae_action: carried out aside; see aside.h */
  AE_MESSAGE_RELOAD, /* ae_order with the new settings */
  AE_MESSAGE_STOP    /* ae_order: finish the runs in flight, begin no new ones */
} ae_message_kind;

/* First member of every message; a message is one block of malloc. */
typedef struct ae_message {
  struct ae_message *next;
  ae_message_kind kind;
} ae_message;

typedef struct ae_run_message {
  ae_message head;
  ae_run run; /* slices point into `bytes` */
  char bytes[];
} ae_run_message;

/* Tells a worker to let go of a run. Afterwards the same block is the RELEASE that
** answers the inbox. */
typedef struct ae_cancel {
  ae_message head;
  ae_work release; /* its rule points into `bytes` */
  char bytes[];
} ae_cancel;

typedef struct ae_order {
  ae_message head;
  size_t length;
  char text[];
} ae_order;

typedef struct ae_list {
  ae_message *first, **last;
} ae_list;

/* An empty list. */
void ae_list_init (ae_list *list);
/* Frees the messages. */
void ae_list_free (ae_list *list);
void ae_list_append (ae_list *list, ae_message *message);

typedef struct ae_queue {
  pthread_mutex_t lock;
  ae_list runs;   /* runs, and reloads, which are in force for the runs after them */
  ae_list urgent; /* all other messages, which never wait behind runs */
  bool signalled; /* the descriptor is readable */
  int fd;         /* eventfd: readable while there may be messages */
} ae_queue;

/* False: no descriptor or no memory. */
bool ae_queue_init (ae_queue *queue);
/* Frees the messages too. */
void ae_queue_free (ae_queue *queue);
/* Never fails; `wake` makes the descriptor readable. Any thread. */
void ae_queue_push (ae_queue *queue, ae_message *message, bool wake);
void ae_queue_wake (ae_queue *queue);
/* Ends a wait, whether there are messages or not. Any thread. */
void ae_queue_poke (ae_queue *queue);
/* Takes at most `max` messages as a list: first the urgent ones, then runs and reloads,
** each oldest first; NULL when there is none. */
ae_message *ae_queue_take (ae_queue *queue, size_t max);
/* Any thread. */
bool ae_queue_is_empty (ae_queue *queue);
/* Waits until the descriptor is readable or the time is over. */
void ae_queue_wait (ae_queue *queue, int milliseconds);

/* NULL: no memory. */
ae_run_message *ae_run_message_new (const ae_run *run);
ae_cancel *ae_cancel_new (int64_t sequence, ae_slice rule, uint64_t claim);
ae_order *ae_order_new (ae_message_kind kind, ae_slice text);

#endif
