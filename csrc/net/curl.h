/*
** curl.h: requests over libcurl's multi interface, many at once: HTTP; mail over SMTP;
** files over SFTP, where libcurl has it. TLS and the keys of SSH hosts are verified,
** redirects are not followed, no signals are used, and a loopback address is asked by way
** of a proxy only when the request names that proxy.
**
** An exchange waits in line, runs, is finished, and is given out:
**
**   add --> [in line] --> [running] --> [finished] --> next
**              |  the site has room   |  the reply, a fault, or the timeout
**              '------ cancel --------'
**
** A site is a scheme, host and port. The number of running exchanges with one site is
** limited, so that a site that does not answer leaves room for the others.
**
** An ae_curl belongs to one thread.
*/
#ifndef ALTINN_EVENTS_CURL_H
#define ALTINN_EVENTS_CURL_H

#include "core/slice.h"

typedef struct ae_curl ae_curl;

/* One field of a request's or reply's header. */
typedef struct ae_field {
  ae_slice name, value;
} ae_field;

/* How a request goes that is no HTTP. */
typedef enum ae_way {
  AE_WAY_HTTP,
  AE_WAY_MAIL,  /* url smtp:// or smtps://; the body is the message, its lines end with
                   CR LF; without `to` nothing is sent: the server greets, and answers NOOP */
  AE_WAY_UPLOAD /* url sftp://; the body becomes the file, and is then renamed; without
                   `rename` the folder is listed, and nothing is written */
} ae_way;

/* What a mail or an upload needs besides. Texts may be NULL: none. */
typedef struct ae_carriage {
  ae_way way;
  const char *user, *password;
  const char *from; /* mail: sender, an address */
  const char *const *to;
  size_t to_count;
  bool plain;              /* mail: smtp:// without TLS; else STARTTLS must succeed */
  const char *rename;      /* upload: the path that the file gets at the end */
  const char *known_hosts; /* upload: keys of hosts, as OpenSSH stores them */
  const char *key_file;    /* upload: private key; NULL: the password */
} ae_carriage;

/* A request; everything is copied when it is added. */
typedef struct ae_request {
  const char *method;      /* "POST" */
  const char *url;         /* of the carriage's way; the path is sent as it is */
  const ae_field *headers; /* without CR, LF and NUL: the caller's duty; an
                              empty Accept-Encoding: the header is not sent */
  size_t header_count;
  ae_slice body;       /* absent: none */
  double timeout;      /* seconds for the whole exchange once it runs; 0 = 30 */
  size_t max_body;     /* of the reply, bytes; 0 = 1 MiB */
  const char *ca_file; /* PEM file of trusted authorities; NULL: the system's */
  const char *proxy;   /* NULL: the one that the environment names; "": none */
  bool stream;         /* a 2xx body comes in parts, however large it is */
  ae_carriage carriage;
} ae_request;

/* A part of a streamed body, and the header of its reply. After a part was returned, no
** more of its body is read until ae_curl_more: so the memory of a stream is bounded. */
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
  long status; /* 0: no answer; also of an answer that broke off later; mail: of the last
                  reply; the body has the lines of all */
  ae_slice header_text, body;
  ae_code code;        /* AE_OK, AE_NETWORK, AE_TLS, AE_TIMEOUT, AE_TOO_LARGE,
                          AE_INVALID (the URL), AE_MEMORY; upload: AE_AUTH,
                          AE_FORBIDDEN, AE_NOT_FOUND, AE_STORAGE */
  ae_stage stage;      /* when code is AE_NETWORK */
  const char *message; /* when code is not AE_OK: a sentence */
  bool not_sent;       /* failed, and it is certain that no byte of the request was written;
                          mail: of the message; upload: that the file was not renamed */
  bool proxied;        /* the request went to a proxy */
} ae_reply;

/* `connections`: the most exchanges that run at once; `per_site`: the most of these with
** one site. Both are 1 or more. Further exchanges wait in line, and their timeouts do
** not run. NULL: no memory. Calls curl_global_init once in a process. */
ae_curl *ae_curl_new (unsigned connections, unsigned per_site);
/* Cancels all exchanges and frees all memory. */
void ae_curl_free (ae_curl *curl);

/* Whether the libcurl of this process carries uploads (sftp). */
bool ae_curl_has_sftp (void);

/* Adds a request; returns the id of its exchange, 0: no memory. */
uint64_t ae_curl_add (ae_curl *curl, const ae_request *request);
/* Cancels an exchange; false: there is none with that id (any more). */
bool ae_curl_cancel (ae_curl *curl, uint64_t id);
/* The number of exchanges whose reply was not returned yet. While it is not 0,
** ae_curl_step has work. */
size_t ae_curl_count (const ae_curl *curl);

/* The next part of a streamed body; false: no more for now. It belongs to
** the ae_curl and lives until ae_curl_more. */
bool ae_curl_part (ae_curl *curl, ae_part *part);
/* The caller is done with the part: the body goes on. False: no part of that exchange
** is out. */
bool ae_curl_more (ae_curl *curl, uint64_t id);

/* Works on the transfers; waits up to `timeout` seconds for one of them or
** for `descriptor` to become readable (-1: none). Data that has arrived is read before
** deadlines are judged. A long time without a call (a stopped process, a rule in a C
** function) does not count against any deadline. */
void ae_curl_step (ae_curl *curl, double timeout, int descriptor);
/* The next finished exchange; false: no more. A streamed exchange is finished only after
** its last part was taken. */
bool ae_curl_next (ae_curl *curl, ae_reply *reply);

#endif
