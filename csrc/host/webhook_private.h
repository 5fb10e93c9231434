/*
** receiver_private.h: what the files of the receiver share: receiver.c
** (requests), receiver_head.c (may this request bring events?),
** receiver_body.c (its events, as works for the inbox), receiver_reply.c
** (answers), receiver_loop.c (the thread; connections and their deadlines).
*/
#ifndef ALTINN_EVENTS_RECEIVER_PRIVATE_H
#define ALTINN_EVENTS_RECEIVER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "http/libraries.h"

#include <microhttpd.h>

#include "core/event.h"
#include "host/webhook.h"

/* Bytes of a refused body that are read, so that the client sees the answer
** and can go on with its connection; beyond, the connection is closed. */
#define AE_DISCARD_BYTES (8u * 1024u * 1024u)
#define AE_HEADER_BYTES (16u * 1024u)
#define AE_NAME_BYTES 128u
#define AE_KEEP_ALIVE_SECONDS 75u

/* Which deadline counts for a connection. */
typedef enum ae_phase {
  AE_PHASE_FIRST, /* nothing came yet, or a part of the first headers */
  AE_PHASE_IDLE,  /* between two requests */
  AE_PHASE_READING,
  AE_PHASE_HELD, /* suspended: the inbox has the events */
  AE_PHASE_ANSWERING
} ae_phase;

typedef struct ae_buffer {
  char *data;
  size_t length, capacity;
} ae_buffer;

/* A connection, and the one request that it has at a time. */
typedef struct ae_connection {
  struct ae_receiver *receiver;
  struct MHD_Connection *connection;
  struct ae_connection *next, *previous;
  int descriptor;
  ae_phase phase;
  int64_t since; /* ms, monotonic: begin of the phase or request */
  bool counted;  /* cut already */

  /* The request; the thread's, unless it is held. */
  bool begun, judged;
  unsigned status; /* 0: to be accepted, else the answer */
  ae_error error;
  ae_faults faults;
  ae_mode mode;
  size_t discarded;
  uint32_t index;    /* 1-based element of a batch, 0 = none */
  ae_buffer body;    /* as it came */
  ae_buffer text;    /* the copy that is read; spans point here */
  ae_buffer encoded; /* binary mode: as structured JSON */
  ae_buffer name;    /* of the subscription */
  ae_header *headers;
  size_t header_count, header_capacity;
  ae_attribute *attributes;
  size_t attribute_capacity;
  ae_work *works;
  size_t work_count, work_capacity;
} ae_connection;

struct ae_receiver {
  struct MHD_Daemon *daemon;
  struct MHD_Response *stored; /* 200 without a body */
  uint16_t port;
  ae_slice *secrets; /* own copies */
  size_t secret_count;
  size_t max_bytes;
  uint32_t deadline;
  ae_inbox *inbox;
  atomic_bool draining, running;
  atomic_long held;
  int wake;          /* eventfd: requests were resumed */
  atomic_bool woken; /* it has been written to */
  pthread_t thread;
  bool started;
  ae_connection *connections;               /* the thread's */
  size_t connection_count, connection_peak; /* peak: since memory was given back */
  int64_t swept;                            /* ms, monotonic */
  bool queued;                              /* works that the inbox does not know of yet */
  _Atomic uint64_t received, answered_2xx, timeouts;
  _Atomic uint64_t refused[AE_CODE_COUNT];
};

/* receiver_head.c */

/* Judges what the headers say; sets status and error of a refusal. */
void ae_head_judge (ae_connection *c, const char *url, const char *method,
                    const char *version);

/* receiver_body.c */

/* Makes room in a buffer. False: no memory. */
bool ae_buffer_reserve (ae_buffer *buffer, size_t capacity);
/* Reads and judges the events; on success works are ready to be submitted,
** else status and error are set. */
void ae_body_judge (ae_connection *c);

/* receiver_reply.c */

/* A refusal: status and the failure's fields, counted by its code. */
void ae_refuse (ae_connection *c, unsigned status, ae_code code, const char *message);
/* The refusal while the host stops. */
void ae_refuse_draining (ae_connection *c);
/* Queues the answer to the request. */
enum MHD_Result ae_reply (ae_connection *c);
/* The answer to a request whose method is no POST. */
enum MHD_Result ae_reply_options (ae_connection *c);

/* receiver_loop.c */

/* A connection comes or goes (MHD_NotifyConnectionCallback). */
void ae_loop_notify (void *receiver, struct MHD_Connection *connection, void **context,
                     enum MHD_ConnectionNotificationCode code);
/* Begins a phase, whose time counts from now on. */
void ae_loop_phase (ae_connection *c, ae_phase phase);
/* Starts the thread that runs the daemon. False: there is none to have. */
bool ae_loop_start (ae_receiver *receiver);
/* The request goes on; any thread. */
void ae_loop_resume (ae_connection *c);
/* Ends and joins it. What it was resuming still may be: see ae_loop_finish. */
void ae_loop_stop (ae_receiver *receiver);
/* After the thread has ended and nothing is held: sends the answers that are
** left, for a second at most. */
void ae_loop_finish (ae_receiver *receiver);

/* listen.c: a listening socket; -1 and *error. The port is the real one. */
int ae_listen (const char *host, uint16_t *port, ae_error *error);

#endif
