/*
** curl.h: HTTP requests over libcurl's multi interface, many at once.
** TLS is verified, redirects are not followed, no signals are used, and a
** loopback address is never asked by way of a proxy.
**
** An exchange waits in line, runs, is finished, and is given out:
**
**   add --> [in line] --> [running] --> [finished] --> next
**              |  the site has room   |  the reply, a fault, or the timeout
**              '------ cancel --------'
**
** A site is a scheme, host and port. It holds at most so many exchanges that
** run, so that one which does not answer leaves room for the others.
*/
#ifndef ALTINN_EVENTS_CURL_H
#define ALTINN_EVENTS_CURL_H

#include "core/slice.h"

typedef struct ae_curl ae_curl;

/* One field of a request's or reply's header. */
typedef struct ae_field {
  ae_slice name, value;
} ae_field;

/* A request; everything is copied when it is added. */
typedef struct ae_request {
  const char *method;      /* "POST" */
  const char *url;         /* http or https; the path is sent as it is */
  const ae_field *headers; /* no CR, LF or NUL in them: the caller's duty; an empty
                              Accept-Encoding: the header is not sent */
  size_t header_count;
  ae_slice body;       /* absent: none */
  double timeout;      /* seconds for the whole exchange once it runs; 0 = 30 */
  size_t max_body;     /* of the reply, bytes; 0 = 1 MiB */
  const char *ca_file; /* PEM file of trusted authorities; NULL: the system's */
  bool stream;         /* a 2xx body comes in parts, however large it is */
} ae_request;

/* A part of a body that is streamed, and the header that came before it.
** While it is out, until ae_curl_more, no more of this body is read: what
** one stream keeps in memory is bounded. */
typedef struct ae_part {
  uint64_t id;
  long status;
  ae_slice header_text;
  ae_slice bytes; /* not empty */
} ae_part;

/* A finished exchange. It belongs to the ae_curl and lives until the next
** ae_curl_next. `header_text` holds the lines of the final header. */
typedef struct ae_reply {
  uint64_t id;
  long status; /* 0: no answer */
  ae_slice header_text, body;
  ae_code code;        /* AE_OK, AE_NETWORK, AE_TLS, AE_TIMEOUT,
                               AE_TOO_LARGE, AE_INVALID (the URL), AE_MEMORY */
  const char *message; /* when code is not AE_OK: a sentence */
  bool not_sent;       /* it failed, and no byte of the request was written: certain */
  bool proxied;        /* a proxy of the environment stood between */
} ae_reply;

/* `connections`: exchanges that run at once; `per_site`: of them those with
** one site. Further ones wait in line, and their clocks do not run. Both are
** 1 or more. NULL: no memory. Calls curl_global_init once in a process. */
ae_curl *ae_curl_new (unsigned connections, unsigned per_site);
/* Cancels what is under way and frees all. */
void ae_curl_free (ae_curl *curl);

/* Begins a request; 0: no memory. */
uint64_t ae_curl_add (ae_curl *curl, const ae_request *request);
/* Forgets a request; false: it is not known (any more). */
bool ae_curl_cancel (ae_curl *curl, uint64_t id);
/* Exchanges whose reply was not given out yet: as long as there is one,
** ae_curl_step has work. */
size_t ae_curl_count (const ae_curl *curl);

/* The next part of a streamed body; false: no more for now. It belongs to
** the ae_curl and lives until ae_curl_more. */
bool ae_curl_part (ae_curl *curl, ae_part *part);
/* The part that is out was taken: the body goes on. False: none is out. */
bool ae_curl_more (ae_curl *curl, uint64_t id);

/* Works on the transfers; waits up to `timeout` seconds for one of them or
** for `descriptor` to become readable (-1: none). What has arrived is read
** before a timeout is judged, and time in which nobody called this for long
** (a stopped process, a rule in a C function) is no exchange's. */
void ae_curl_step (ae_curl *curl, double timeout, int descriptor);
/* The next finished exchange; false: no more. A streamed one comes after
** its last part was taken. */
bool ae_curl_next (ae_curl *curl, ae_reply *reply);

#endif
