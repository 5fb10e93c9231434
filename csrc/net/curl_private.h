/*
** curl_private.h: shared by the files of curl:
**
**   curl.c          the path of an exchange, from add to next
**   curl_request.c  sets the options of a libcurl handle for a request
**   curl_body.c     the callbacks that store the reply
**   curl_site.c     which exchange may run: a line for each site
**   curl_fault.c    the code and message of a failure
**   curl_upload.c   mail and uploads: their options, and what their replies mean
**   curl_apart.c    a thread for each of these
*/
#ifndef ALTINN_EVENTS_CURL_PRIVATE_H
#define ALTINN_EVENTS_CURL_PRIVATE_H

#include "net/curl.h"

#if defined(__has_include)
#if !__has_include(<curl/curl.h>)
#error \
  "curl/curl.h not found: install libcurl4-openssl-dev (Debian, Ubuntu), libcurl-devel (Fedora), curl-dev (Alpine) or curl (Homebrew)"
#endif
#endif
#include <curl/curl.h>

#include <pthread.h>
#include <stdatomic.h>

#define AE_CURL_PART \
  ((size_t)256 << 10) /* of a streamed body, and what a spare buffer keeps */

typedef struct ae_curl_text {
  char *data;
  size_t length, room;
} ae_curl_text;

typedef struct ae_exchange ae_exchange;
typedef struct ae_site ae_site;

/* The thread that carries out a mail or an upload. */
typedef struct ae_apart {
  pthread_t thread;
  pthread_mutex_t lock; /* of `socket` */
  int socket;           /* -1: none is open */
  CURLM *wakes;         /* is woken at the end */
  CURLcode result;      /* counts when `ended` */
  atomic_bool ended, stopped;
} ae_apart;

/* One request under way. Its libcurl handle is used again for later requests. */
struct ae_exchange {
  ae_exchange *next; /* in the list that has the exchange */
  ae_site *site;     /* until it is finished */
  CURL *easy;
  struct curl_slist *fields;
  uint64_t id;
  ae_curl_text header, body;
  char *request_body;
  ae_way way;
  size_t given, length; /* mail, upload: bytes of the body that libcurl took; all */
  struct curl_slist *recipients, *commands;
  size_t max_body;
  double timeout, began,
    deadline;      /* seconds; `began`, `deadline`: ae_curl_clock, once running */
  ae_apart *apart; /* its thread; NULL: it has none, or does not run */
  bool expired;    /* its deadline has passed, and its thread has not ended yet */
  bool running;    /* libcurl has it */
  bool overflow;
  bool in_header; /* the header of an answer of HTTP has begun and not ended */
  bool stream;    /* parts were asked for */
  bool part_out;  /* the body's bytes are in use until ae_curl_more */
  bool paused;    /* libcurl was told to pause the body */
  bool proxied;
  bool own_proxy; /* the request named it */
  bool not_sent;
  ae_code code;
  ae_stage stage; /* counts when code is AE_NETWORK */
  char message[AE_MESSAGE_SIZE];
  char error[CURL_ERROR_SIZE];
};

/* A line of exchanges: first in, first out. */
typedef struct ae_line {
  ae_exchange *first, *last;
} ae_line;

struct ae_site {
  ae_site *next;
  size_t running;
  ae_line line;
  size_t length;
  char name[]; /* scheme, host and port */
};

/* The sites, which take turns: the first of the list is the next. */
typedef struct ae_sites {
  ae_site *first;
  size_t running, most, most_of_site;
} ae_sites;

/* Seconds of the monotonic clock. */
double ae_curl_clock (void);

/* curl_site.c. Puts the exchange into the line of its site; false: no memory. */
bool ae_sites_enter (ae_sites *sites, ae_exchange *e, ae_slice name);
/* The next exchange that may run, taken from its line; NULL: none may. */
ae_exchange *ae_sites_start (ae_sites *sites);
/* Removes an exchange that is over, whether it runs or waits in line. */
void ae_sites_leave (ae_sites *sites, ae_exchange *e);
/* The exchange with that id that stands in line; NULL: none. */
ae_exchange *ae_sites_find (const ae_sites *sites, uint64_t id);
/* Any exchange that stands in line; NULL: none does. */
ae_exchange *ae_sites_any (const ae_sites *sites);

/* curl_request.c. Sets up the handle, and enters the exchange into its site's
** line; false: no memory. */
bool ae_exchange_prepare (ae_exchange *e, const ae_request *request, ae_sites *sites);

/* curl_upload.c. Sets the options of a mail or an upload; false: no memory, or libcurl
** cannot do it. */
bool ae_exchange_carry (ae_exchange *e, const ae_request *request);
/* Fills code, message and not_sent of a mail or an upload. */
void ae_exchange_judge_carriage (ae_exchange *e, CURLcode result);
/* Whether it is certain that a mail or an upload had no effect. */
bool ae_exchange_carried_nothing (const ae_exchange *e);

/* curl_apart.c. Begins a thread that carries the exchange out, and wakes `multi` when it has
** ended; until ae_exchange_join nobody else touches handle and buffers. False: there is no
** thread. */
bool ae_exchange_begin_apart (ae_exchange *e, CURLM *multi);
/* Makes the thread end soon. */
void ae_exchange_stop (ae_exchange *e);
bool ae_exchange_has_ended (const ae_exchange *e);
/* Waits for the thread; the result of libcurl. */
CURLcode ae_exchange_join (ae_exchange *e);

/* curl_body.c. Whether the reply's body goes out in parts: asked for, and a 2xx. */
bool ae_exchange_is_streamed (const ae_exchange *e);
long ae_exchange_status (const ae_exchange *e);
/* Tells the handle where header and body go. */
void ae_exchange_receive (ae_exchange *e);

/* curl_fault.c. The code of libcurl's result. */
ae_code ae_exchange_code (CURLcode result);
/* Sets the message, cut to its room. */
void ae_exchange_say (ae_exchange *e, const char *text);
/* Fills code, message and not_sent. */
void ae_exchange_judge (ae_exchange *e, CURLcode result);
/* Fills code, message and not_sent of an exchange whose deadline has passed. */
void ae_exchange_expire (ae_exchange *e);

#endif
