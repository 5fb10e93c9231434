/*
** curl.c: see curl.h. One `exchange` is one request under way; handles are
** kept and used again, so that connections and their memory are.
*/
#include "net/curl.h"

#include <pthread.h>
#include <stdlib.h>

#if defined(__has_include)
#if !__has_include(<curl/curl.h>)
#error \
  "curl/curl.h not found: install libcurl4-openssl-dev (Debian, Ubuntu), libcurl-devel (Fedora), curl-dev (Alpine) or curl (Homebrew)"
#endif
#endif
#include <curl/curl.h>

#define DEFAULT_TIMEOUT 30.0
#define DEFAULT_MAX_BODY ((size_t)1 << 20)
#define MAX_HEADER ((size_t)64 << 10)
#define HANDLES_KEPT 64
#define PART ((size_t)256 << 10) /* of a streamed body, and what a spare buffer may keep */

typedef struct text {
  char *data;
  size_t length, room;
} text;

typedef struct exchange exchange;
struct exchange {
  exchange *next;
  CURL *easy;
  struct curl_slist *fields;
  uint64_t id;
  text header, body;
  char *request_body;
  size_t max_body;
  bool overflow;
  bool stream;   /* asked for */
  bool part_out; /* the body's bytes are in use until ae_curl_more */
  bool paused;   /* libcurl holds the rest back */
  ae_code code;
  char message[AE_MESSAGE_SIZE];
  char error[CURL_ERROR_SIZE];
};

struct ae_curl {
  CURLM *multi;
  exchange *busy;     /* under way */
  exchange *finished; /* not yet given out, in order */
  exchange *given;    /* the one that the last reply points into */
  exchange *spare;
  size_t count, spares;
  uint64_t ids;
};

static pthread_once_t global_once = PTHREAD_ONCE_INIT;

static void global_init (void) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
}

ae_curl *ae_curl_new (unsigned connections) {
  pthread_once(&global_once, global_init);
  ae_curl *curl = calloc(1, sizeof(*curl));
  if (!curl) return NULL;
  curl->multi = curl_multi_init();
  if (!curl->multi) {
    free(curl);
    return NULL;
  }
  curl_multi_setopt(curl->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)connections);
  curl_multi_setopt(curl->multi, CURLMOPT_MAXCONNECTS, (long)(connections ? connections : 64));
  return curl;
}

static void exchange_free (exchange *e) {
  if (!e) return;
  if (e->easy) curl_easy_cleanup(e->easy);
  curl_slist_free_all(e->fields);
  free(e->header.data);
  free(e->body.data);
  free(e->request_body);
  free(e);
}

static void free_list (exchange *list) {
  while (list) {
    exchange *next = list->next;
    exchange_free(list);
    list = next;
  }
}

void ae_curl_free (ae_curl *curl) {
  if (!curl) return;
  for (exchange *e = curl->busy; e; e = e->next)
    curl_multi_remove_handle(curl->multi, e->easy);
  free_list(curl->busy);
  free_list(curl->finished);
  free_list(curl->spare);
  exchange_free(curl->given);
  curl_multi_cleanup(curl->multi);
  free(curl);
}

/* {====================================================================
** Callbacks of libcurl: they only store
** ===================================================================== */

static bool text_add (text *t, const char *data, size_t length, size_t most) {
  if (length > most - t->length) return false;
  if (t->length + length > t->room) {
    size_t room = t->room ? t->room * 2 : 1024;
    while (room < t->length + length) room *= 2;
    char *moved = realloc(t->data, room);
    if (!moved) return false;
    t->data = moved;
    t->room = room;
  }
  if (length > 0) memcpy(t->data + t->length, data, length);
  t->length += length;
  return true;
}

static long status_of (const exchange *e) {
  long status = 0;
  curl_easy_getinfo(e->easy, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

/* Whether what is in `body` is, or is to be, a part. */
static bool is_streamed (const exchange *e) {
  long status = e->stream ? status_of(e) : 0;
  return status >= 200 && status <= 299;
}

static size_t on_body (char *data, size_t size, size_t count, void *user) {
  exchange *e = user;
  if (is_streamed(e)) {
    if (!e->part_out && e->body.length < PART &&
        text_add(&e->body, data, size * count, SIZE_MAX))
      return size * count;
    if (!e->part_out && e->body.length < PART) return 0; /* no memory */
    e->paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  if (text_add(&e->body, data, size * count, e->max_body)) return size * count;
  e->overflow = true;
  return 0;
}

/* A new status line begins a new header (after 100 Continue). */
static size_t on_header (char *data, size_t size, size_t count, void *user) {
  exchange *e = user;
  size_t length = size * count;
  if (length > 5 && memcmp(data, "HTTP/", 5) == 0) {
    e->header.length = 0;
    return length;
  }
  if (text_add(&e->header, data, length, MAX_HEADER)) return length;
  e->overflow = true;
  return 0;
}

/* }==================================================================== */

/* {====================================================================
** Beginning
** ===================================================================== */

static exchange *exchange_take (ae_curl *curl) {
  exchange *e = curl->spare;
  if (e) {
    curl->spare = e->next;
    curl->spares--;
    e->next = NULL;
    return e;
  }
  e = calloc(1, sizeof(*e));
  if (!e) return NULL;
  e->easy = curl_easy_init();
  if (e->easy) return e;
  free(e);
  return NULL;
}

/* Back to the spare ones, with its memory and nothing of the exchange. */
static void exchange_keep (ae_curl *curl, exchange *e) {
  if (curl->spares >= HANDLES_KEPT) {
    exchange_free(e);
    return;
  }
  curl_easy_reset(e->easy);
  curl_slist_free_all(e->fields);
  free(e->request_body);
  e->fields = NULL;
  e->request_body = NULL;
  e->header.length = e->body.length = 0;
  e->overflow = e->stream = e->part_out = e->paused = false;
  if (e->body.room > PART) {
    free(e->body.data);
    e->body = (text){NULL, 0, 0};
  }
  e->next = curl->spare;
  curl->spare = e;
  curl->spares++;
}

static bool add_field (exchange *e, ae_slice name, ae_slice value) {
  char *line = malloc(name.length + value.length + 3);
  if (!line) return false;
  memcpy(line, name.data, name.length);
  size_t at = name.length;
  line[at++] = value.length > 0 ? ':' : ';'; /* libcurl: "Name;" is an empty value */
  if (value.length > 0) line[at++] = ' ';
  if (value.length > 0) memcpy(line + at, value.data, value.length);
  line[at + value.length] = '\0';
  struct curl_slist *more = curl_slist_append(e->fields, line);
  free(line);
  if (!more) return false;
  e->fields = more;
  return true;
}

static bool set_body (exchange *e, ae_slice body) {
  e->request_body = malloc(body.length + 1);
  if (!e->request_body) return false;
  if (body.length > 0) memcpy(e->request_body, body.data, body.length);
  return curl_easy_setopt(e->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.length) ==
           CURLE_OK &&
         curl_easy_setopt(e->easy, CURLOPT_POSTFIELDS, e->request_body) == CURLE_OK;
}

static void set_protocols (CURL *easy) {
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static bool set_options (exchange *e, const ae_request *request) {
  CURL *easy = e->easy;
  double timeout = request->timeout > 0 ? request->timeout : DEFAULT_TIMEOUT;
  if (timeout > 86400) timeout = 86400;
  if (timeout < 0.001) timeout = 0.001; /* libcurl: 0 ms is for ever */
  e->max_body = request->max_body ? request->max_body : DEFAULT_MAX_BODY;
  e->stream = request->stream;
  e->error[0] = '\0';
  if (request->body.data && !set_body(e, request->body)) return false;
  if (strcmp(request->method, "HEAD") == 0) curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  set_protocols(easy);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  if (request->ca_file && curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file) != CURLE_OK)
    return false;
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(timeout * 1000));
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, e->error);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, e);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, e);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, e);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, e->fields);
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, NULL);
  return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK;
}

/* A field that libcurl would add by itself is left out. */
static bool leave_out (exchange *e, const char *field) {
  struct curl_slist *more = curl_slist_append(e->fields, field);
  if (more) e->fields = more;
  return more != NULL;
}

/* Whether a name is the one given in lower case. */
static bool is_named (ae_slice name, ae_slice lower) {
  if (name.length != lower.length) return false;
  for (size_t i = 0; i < name.length; i++) {
    char c = name.data[i];
    if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != lower.data[i]) return false;
  }
  return true;
}

/* What is sent is what was asked for: of the fields that libcurl adds only
** Host and Content-Length. */
static bool set_fields (exchange *e, const ae_request *request) {
  bool typed = false, accepts = false;
  for (size_t i = 0; i < request->header_count; i++) {
    const ae_field *field = &request->headers[i];
    typed = typed || is_named(field->name, AE_LITERAL("content-type"));
    accepts = accepts || is_named(field->name, AE_LITERAL("accept"));
    if (!add_field(e, field->name, field->value)) return false;
  }
  return leave_out(e, "Expect:") && (typed || leave_out(e, "Content-Type:")) &&
         (accepts || leave_out(e, "Accept:"));
}

uint64_t ae_curl_add (ae_curl *curl, const ae_request *request) {
  exchange *e = exchange_take(curl);
  if (!e) return 0;
  e->id = ++curl->ids;
  if (!set_fields(e, request) || !set_options(e, request) ||
      curl_multi_add_handle(curl->multi, e->easy) != CURLM_OK) {
    exchange_keep(curl, e);
    return 0;
  }
  e->next = curl->busy;
  curl->busy = e;
  curl->count++;
  return e->id;
}

/* }==================================================================== */

/* {====================================================================
** Ending
** ===================================================================== */

static void unlink_busy (ae_curl *curl, exchange *e) {
  exchange **at = &curl->busy;
  while (*at && *at != e) at = &(*at)->next;
  if (*at) *at = e->next;
  e->next = NULL;
  curl_multi_remove_handle(curl->multi, e->easy);
}

bool ae_curl_cancel (ae_curl *curl, uint64_t id) {
  for (exchange *e = curl->busy; e; e = e->next) {
    if (e->id != id) continue;
    unlink_busy(curl, e);
    curl->count--;
    exchange_keep(curl, e);
    return true;
  }
  for (exchange **at = &curl->finished; *at; at = &(*at)->next) {
    exchange *e = *at;
    if (e->id != id) continue;
    *at = e->next;
    curl->count--;
    exchange_keep(curl, e);
    return true;
  }
  return false;
}

size_t ae_curl_count (const ae_curl *curl) {
  return curl->count;
}

static ae_code code_of (CURLcode result) {
  switch (result) {
    case CURLE_OK: return AE_OK;
    case CURLE_OPERATION_TIMEDOUT: return AE_TIMEOUT;
    case CURLE_URL_MALFORMAT: return AE_INVALID;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS: return AE_TLS;
    case CURLE_OUT_OF_MEMORY: return AE_MEMORY;
    default: return AE_NETWORK;
  }
}

/* An address of another protocol; or, once a request went out, an answer
** that is no HTTP/1.0 or later. */
static ae_code protocol_code (const exchange *e) {
  long sent = 0;
  curl_easy_getinfo(e->easy, CURLINFO_REQUEST_SIZE, &sent);
  return sent > 0 ? AE_NETWORK : AE_INVALID;
}

static void finish (ae_curl *curl, exchange *e, CURLcode result) {
  unlink_busy(curl, e);
  e->code = e->overflow                            ? AE_TOO_LARGE
            : result == CURLE_UNSUPPORTED_PROTOCOL ? protocol_code(e)
                                                   : code_of(result);
  if (e->overflow) {
    ae_error error;
    ae_fail(&error, AE_TOO_LARGE, 0, "the reply is larger than %zu bytes", e->max_body);
    memcpy(e->message, error.message, sizeof(e->message));
  } else if (result != CURLE_OK) {
    const char *why = e->error[0] ? e->error : curl_easy_strerror(result);
    size_t length = strlen(why);
    if (length >= sizeof(e->message)) length = sizeof(e->message) - 1;
    memcpy(e->message, why, length);
    e->message[length] = '\0';
  }
  exchange **at = &curl->finished;
  while (*at) at = &(*at)->next;
  *at = e;
}

static void collect (ae_curl *curl) {
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(curl->multi, &left)) != NULL) {
    if (message->msg != CURLMSG_DONE) continue;
    char *private = NULL;
    CURLcode result = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
    if (private) finish(curl, (exchange *)(void *)private, result);
  }
}

/* Whether a part waits to be given out. */
static bool has_part (const exchange *e) {
  return e->stream && !e->part_out && e->body.length > 0 && is_streamed(e);
}

/* Whether the parts of a finished exchange were all taken. */
static bool is_complete (const exchange *e) {
  return !e->stream || e->body.length == 0 || !is_streamed(e);
}

static bool is_ready (const ae_curl *curl) {
  for (const exchange *e = curl->finished; e; e = e->next)
    if (is_complete(e) || has_part(e)) return true;
  for (const exchange *e = curl->busy; e; e = e->next)
    if (has_part(e)) return true;
  return false;
}

static void work (ae_curl *curl) {
  int running;
  curl_multi_perform(curl->multi, &running);
  collect(curl);
}

void ae_curl_step (ae_curl *curl, double timeout, int descriptor) {
  work(curl);
  if (is_ready(curl)) return;
  struct curl_waitfd extra = {.fd = descriptor, .events = CURL_WAIT_POLLIN};
  int wait = timeout >= 3600 ? 3600000 : timeout > 0 ? (int)(timeout * 1000 + 0.999) : 0;
  if (wait <= 0) return;
  curl_multi_poll(curl->multi, &extra, descriptor >= 0 ? 1 : 0, wait, NULL);
  work(curl);
}

static exchange *with_part (exchange *list) {
  while (list && !has_part(list)) list = list->next;
  return list;
}

bool ae_curl_part (ae_curl *curl, ae_part *part) {
  exchange *e = with_part(curl->finished);
  if (!e) e = with_part(curl->busy);
  if (!e) return false;
  e->part_out = true;
  *part = (ae_part){.id = e->id,
                    .status = status_of(e),
                    .header_text = {e->header.data, e->header.length},
                    .bytes = {e->body.data, e->body.length}};
  return true;
}

static exchange *with_id (exchange *list, uint64_t id) {
  while (list && list->id != id) list = list->next;
  return list;
}

bool ae_curl_more (ae_curl *curl, uint64_t id) {
  exchange *e = with_id(curl->busy, id);
  bool busy = e != NULL;
  if (!busy) e = with_id(curl->finished, id);
  if (!e || !e->part_out) return false;
  e->part_out = false;
  e->body.length = 0;
  if (busy && e->paused) {
    e->paused = false;
    curl_easy_pause(e->easy, CURLPAUSE_CONT); /* may fill the body at once */
  }
  return true;
}

bool ae_curl_next (ae_curl *curl, ae_reply *reply) {
  if (curl->given) exchange_keep(curl, curl->given);
  exchange **at = &curl->finished;
  while (*at && !is_complete(*at)) at = &(*at)->next;
  exchange *e = curl->given = *at;
  if (!e) return false;
  *at = e->next;
  e->next = NULL;
  curl->count--;
  *reply = (ae_reply){.id = e->id,
                      .code = e->code,
                      .header_text = {e->header.data, e->header.length},
                      .body = {e->body.data, e->body.length},
                      .message = e->code == AE_OK ? NULL : e->message};
  if (e->code == AE_OK || e->overflow) reply->status = status_of(e);
  return true;
}

/* }==================================================================== */
