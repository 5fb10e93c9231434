/*
** aside.h: blocking actions of effects, carried out aside from the workers: a file in a
** folder, a line at the end of a file, a program. Helper threads, started when they
** are needed, carry them out; the answer is a message in the worker's queue.
*/
#ifndef ALTINN_EVENTS_HOST_ASIDE_H
#define ALTINN_EVENTS_HOST_ASIDE_H

#include <stdatomic.h>

#include "host/queue.h"

/* Threads at most; those that may wait for programs at the same time; and actions of
** one target at the same time, unless `at_once` says otherwise. */
#define AE_ASIDE_THREADS 16
#define AE_ASIDE_COMMANDS 12
#define AE_ASIDE_AT_ONCE 4

/* Bytes that are kept of a program's output, and of a sentence. */
#define AE_ASIDE_ANSWER 8192
#define AE_ASIDE_TEXT 512

/* Longest name of a file. */
#define AE_ASIDE_NAME 200

#define AE_ASIDE_KINDS(X) \
  X(AE_ASIDE_FILE, "file") \
  X(AE_ASIDE_APPEND, "append") \
  X(AE_ASIDE_COMMAND, "command")

#define AE_ASIDE_OUTCOMES(X) \
  X(AE_ASIDE_SENT, "sent") \
  X(AE_ASIDE_NOT_SENT, "not_sent") \
  X(AE_ASIDE_REFUSED, "refused") \
  X(AE_ASIDE_UNKNOWN, "unknown")

#define AE_ASIDE_ENUM(name, text) name,
typedef enum ae_aside_kind { AE_ASIDE_KINDS(AE_ASIDE_ENUM) AE_ASIDE_KIND_COUNT } ae_aside_kind;
typedef enum ae_aside_outcome { AE_ASIDE_OUTCOMES(AE_ASIDE_ENUM) } ae_aside_outcome;
#undef AE_ASIDE_ENUM

/* An action, and later its answer: one block of malloc. Texts end with NUL and point
** into the block; those that are optional may be NULL. */
typedef struct ae_action {
  ae_message head; /* AE_MESSAGE_ASIDE in the worker's queue */
  ae_queue *queue; /* the worker's */
  int64_t ticket;
  ae_aside_kind kind;
  bool again;          /* an earlier attempt may have been carried out */
  unsigned at_once;    /* actions of the target at the same time; 0: AE_ASIDE_AT_ONCE */
  uint32_t timeout;    /* seconds: of a program, of a wait for a lock */
  const char *target;  /* the target's name */
  const char *key;     /* the effect's */
  const char *place;   /* folder of a file; file of a line; working folder of a program */
  const char *name;    /* of the file */
  const char *header;  /* first line of a new file of lines */
  ae_slice body;       /* content, line without its newline, standard input */
  char **arguments;    /* the program and its arguments, NULL at the end */
  atomic_bool dropped; /* nobody waits for the answer any more */
  /* The answer. */
  ae_aside_outcome outcome;
  int code;                 /* exit status of a program */
  char text[AE_ASIDE_TEXT]; /* why it is not "sent", and what to do; "" when sent */
  size_t answer_length;
  char answer[AE_ASIDE_ANSWER];  /* the first output of a program */
  _Alignas(void *) char bytes[]; /* the arguments, and all texts */
} ae_action;

typedef struct ae_aside ae_aside;

/* NULL: no memory. Starts no thread. Sees to it that the ends of programs can be
** waited for: a SIGCHLD that the process inherited as ignored gets its default. */
ae_aside *ae_aside_new (void);

/* Carries an action out, in turn; takes it over. Its answer goes to the action's queue,
** which must live until ae_aside_end. Any thread. */
void ae_aside_begin (ae_aside *aside, ae_action *action);

/* Nobody waits for the answer of this action any more: it is not begun, and a program
** that runs already is ended. Any thread. */
void ae_aside_drop (ae_aside *aside, const ae_queue *queue, int64_t ticket);

/* Ends: what has not begun is dropped, programs are ended, and their outcome is
** unknown; what comes later is not sent. Waits for the threads until `until` (ns,
** CLOCK_MONOTONIC). False: one hangs in the system, and `aside` must not be freed. */
bool ae_aside_end (ae_aside *aside, int64_t until);
/* To be called after ae_aside_end; NULL is allowed. */
void ae_aside_free (ae_aside *aside);

/* Writes a sentence to `text` when actions at this place cannot be carried out just now:
** the folder of files is missing or may not be written, a program is not there. `place` is
** the folder, the file of lines, or the program. */
bool ae_aside_is_fit (ae_aside_kind kind, const char *place, char text[AE_ASIDE_TEXT]);

#endif
