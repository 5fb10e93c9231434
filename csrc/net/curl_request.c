/*
** curl_request.c: sets the options of a libcurl handle for a request.
*/
#include "net/curl_private.h"

#include "core/loopback.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#define DEFAULT_TIMEOUT 30.0
#define DEFAULT_MAX_BODY ((size_t)1 << 20)
#define LONGEST_TIMEOUT 86400.0

/* The parts of an address, as libcurl reads them. */
typedef struct place {
  char *scheme, *host, *port;
} place;

static void place_free (place *p) {
  curl_free(p->scheme);
  curl_free(p->host);
  curl_free(p->port);
}

/* The parts of an invalid address are NULL: the transfer will fail with a message. */
static place place_of (const char *url) {
  place p = {NULL, NULL, NULL};
  CURLU *parsed = curl_url();
  if (parsed == NULL) return p;
  if (curl_url_set(parsed, CURLUPART_URL, url, CURLU_PATH_AS_IS) == CURLUE_OK) {
    curl_url_get(parsed, CURLUPART_SCHEME, &p.scheme, 0);
    curl_url_get(parsed, CURLUPART_HOST, &p.host, 0);
    curl_url_get(parsed, CURLUPART_PORT, &p.port, CURLU_DEFAULT_PORT);
  }
  curl_url_cleanup(parsed);
  return p;
}

static const char *text_or_none (const char *text) {
  return text == NULL ? "" : text;
}

static bool enter_site (ae_exchange *e, const place *p, ae_sites *sites) {
  char name[600]; /* longer names are cut and may share a line: no harm */
  int length = snprintf(name, sizeof name, "%s://%s:%s", text_or_none(p->scheme),
                        text_or_none(p->host), text_or_none(p->port));
  if (length < 0) return false;
  size_t most = sizeof name - 1;
  return ae_sites_enter(sites, e,
                        (ae_slice){name, (size_t)length < most ? (size_t)length : most});
}

/* {====================================================================
** Header fields
** ===================================================================== */

static bool append_line (ae_exchange *e, const char *line) {
  struct curl_slist *more = curl_slist_append(e->fields, line);
  if (more != NULL) e->fields = more;
  return more != NULL;
}

static bool add_field (ae_exchange *e, ae_slice name, ae_slice value) {
  char *line = malloc(name.length + value.length + 3);
  if (line == NULL) return false;
  memcpy(line, name.data, name.length);
  size_t at = name.length;
  line[at++] = value.length > 0 ? ':' : ';'; /* libcurl: "Name;" is an empty value */
  if (value.length > 0) line[at++] = ' ';
  if (value.length > 0) memcpy(line + at, value.data, value.length);
  line[at + value.length] = '\0';
  bool added = append_line(e, line);
  free(line);
  return added;
}

static bool has_field (const ae_request *request, const char *name) {
  size_t length = strlen(name);
  for (size_t i = 0; i < request->header_count; i++) {
    ae_slice given = request->headers[i].name;
    if (given.length == length && strncasecmp(given.data, name, length) == 0) return true;
  }
  return false;
}

/* An empty Accept-Encoding asks for the header to be left out. */
static bool is_left_out (ae_field field) {
  ae_slice name = AE_LITERAL("Accept-Encoding");
  return field.value.length == 0 && field.name.length == name.length &&
         strncasecmp(field.name.data, name.data, name.length) == 0;
}

/* Sets the header: the caller's fields, and none of those that libcurl adds, but Host and
** Content-Length. Adds "Accept-Encoding: identity" unless the caller has that field:
** without it a server may encode the body. */
static bool set_fields (ae_exchange *e, const ae_request *request) {
  for (size_t i = 0; i < request->header_count; i++)
    if (!is_left_out(request->headers[i]) &&
        !add_field(e, request->headers[i].name, request->headers[i].value))
      return false;
  return append_line(e, "Expect:") &&
         (has_field(request, "Content-Type") || append_line(e, "Content-Type:")) &&
         (has_field(request, "Accept") || append_line(e, "Accept:")) &&
         (has_field(request, "Accept-Encoding") ||
          append_line(e, "Accept-Encoding: identity")) &&
         curl_easy_setopt(e->easy, CURLOPT_HTTPHEADER, e->fields) == CURLE_OK;
}

/* }==================================================================== */

/* {====================================================================
** Proxies
** ===================================================================== */

static bool is_set (const char *name) {
  const char *value = getenv(name);
  return value != NULL && *value != '\0';
}

/* Notices a request to a proxy: its request line has a whole address. */
static int on_debug (CURL *easy, curl_infotype type, char *data, size_t length, void *user) {
  ae_exchange *e = user;
  (void)easy;
  if (type != CURLINFO_HEADER_OUT) return 0;
  const char *blank = memchr(data, ' ', length);
  if (blank == NULL) return 0;
  size_t left = length - (size_t)(blank + 1 - data);
  if (left >= 7 && strncasecmp(blank + 1, "http://", 7) == 0) e->proxied = true;
  return 0;
}

/* The request's own proxy, or the one that the environment names. The environment's is not
** asked for a loopback address, which means this machine: it would reach another machine
** by it, and would see secrets that must not leave this one. */
static bool set_proxy (ae_exchange *e, const place *p, const char *own) {
  if (own != NULL && *own != '\0') {
    e->own_proxy = true;
    e->proxied = p->scheme != NULL && strcasecmp(p->scheme, "http") == 0;
    return curl_easy_setopt(e->easy, CURLOPT_PROXY, own) == CURLE_OK &&
           curl_easy_setopt(e->easy, CURLOPT_NOPROXY, "") == CURLE_OK;
  }
  bool loopback = p->host != NULL && ae_host_is_loopback((ae_slice){p->host, strlen(p->host)});
  if (loopback || own != NULL || e->way != AE_WAY_HTTP)
    return curl_easy_setopt(e->easy, CURLOPT_NOPROXY, "*") == CURLE_OK;
  bool clear = p->scheme != NULL && strcasecmp(p->scheme, "http") == 0;
  if (clear && (is_set("http_proxy") || is_set("all_proxy") || is_set("ALL_PROXY"))) {
    curl_easy_setopt(e->easy, CURLOPT_DEBUGFUNCTION, on_debug);
    curl_easy_setopt(e->easy, CURLOPT_DEBUGDATA, e);
    curl_easy_setopt(e->easy, CURLOPT_VERBOSE, 1L);
  }
  return true;
}

/* }==================================================================== */

static bool keep_body (ae_exchange *e, ae_slice body) {
  e->request_body = malloc(body.length + 1);
  if (e->request_body == NULL) return false;
  if (body.length > 0) memcpy(e->request_body, body.data, body.length);
  e->length = body.length;
  return true;
}

static bool set_body (ae_exchange *e, ae_slice body) {
  return curl_easy_setopt(e->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.length) ==
           CURLE_OK &&
         curl_easy_setopt(e->easy, CURLOPT_POSTFIELDS, e->request_body) == CURLE_OK;
}

static void set_protocols (CURL *easy, ae_way way) {
#if LIBCURL_VERSION_NUM >= 0x075500
  static const char *const names[] = {"http,https", "smtp,smtps", "sftp"};
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, names[way]);
#else
  static const long bits[] = {CURLPROTO_HTTP | CURLPROTO_HTTPS,
                              CURLPROTO_SMTP | CURLPROTO_SMTPS, CURLPROTO_SFTP};
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS, bits[way]);
#endif
}

/* Opens a socket with close-on-exec: programs that rules start do not inherit it. */
static curl_socket_t open_socket (void *user, curlsocktype purpose,
                                  struct curl_sockaddr *address) {
  (void)user;
  (void)purpose;
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void set_manners (CURL *easy, ae_way way) {
  set_protocols(easy, way);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, NULL); /* the body is not decoded */
  /* Ending an exchange does not wait for the resolver, which may take much longer than
  ** the exchange's timeout. libcurl before 7.87 waits. */
#if LIBCURL_VERSION_NUM >= 0x075700
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
}

static void set_bounds (ae_exchange *e, const ae_request *request) {
  e->timeout = request->timeout > 0 ? request->timeout : DEFAULT_TIMEOUT;
  if (e->timeout > LONGEST_TIMEOUT) e->timeout = LONGEST_TIMEOUT;
  e->max_body = request->max_body > 0 ? request->max_body : DEFAULT_MAX_BODY;
  e->stream = request->stream;
  /* Deadlines are judged in curl.c, after all data that has arrived was read. libcurl
  ** has its own timeout for connecting, 300 s. */
  if (e->timeout > 300)
    curl_easy_setopt(e->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(e->timeout * 1000));
}

static bool set_options (ae_exchange *e, const ae_request *request) {
  CURL *easy = e->easy;
  e->error[0] = '\0';
  e->way = request->carriage.way;
  if (request->body.data != NULL && !keep_body(e, request->body)) return false;
  set_manners(easy, e->way);
  set_bounds(e, request);
  ae_exchange_receive(e);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, e->error);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, e);
  if (request->ca_file != NULL &&
      curl_easy_setopt(easy, CURLOPT_CAINFO, request->ca_file) != CURLE_OK)
    return false;
  return curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK;
}

static bool set_http (ae_exchange *e, const ae_request *request) {
  if (request->body.data != NULL && !set_body(e, request->body)) return false;
  if (strcmp(request->method, "HEAD") == 0) curl_easy_setopt(e->easy, CURLOPT_NOBODY, 1L);
  return curl_easy_setopt(e->easy, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK &&
         set_fields(e, request);
}

bool ae_exchange_prepare (ae_exchange *e, const ae_request *request, ae_sites *sites) {
  if (!set_options(e, request)) return false;
  if (!(e->way == AE_WAY_HTTP ? set_http : ae_exchange_carry)(e, request)) return false;
  place p = place_of(request->url);
  bool ready = set_proxy(e, &p, request->proxy) && enter_site(e, &p, sites);
  place_free(&p);
  return ready;
}
