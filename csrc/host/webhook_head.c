/*
** webhook_head.c: may this request bring events? Path, method, secret,
** lengths and media type, before the body is looked at.
*/
#include <stdlib.h>
#include <strings.h>

#include "core/judge.h"
#include "core/sha256.h"
#include "host/webhook_private.h"

/* The facts of the headers that decide about a request. */
typedef struct head {
  ae_delivery *d;
  size_t bytes;
  unsigned lengths, hosts, encodings;
  const char *length, *transfer_encoding;
  bool encoded; /* there is a Content-Encoding other than identity */
  bool malformed, full;
} head;

/* RFC 9110 §5.6.2: a token. */
static bool is_token (ae_slice name) {
  static const char others[] = "!#$%&'*+-.^_`|~";
  for (size_t i = 0; i < name.length; i++) {
    char ch = name.data[i];
    bool alphanumeric = (ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z') ||
                        (ch >= 'a' && ch <= 'z');
    if (!alphanumeric && (ch == '\0' || strchr(others, ch) == NULL)) return false;
  }
  return name.length > 0;
}

/* Whether a name is that of a framing header with more text behind it. libmicrohttpd
** 0.9.75 appends the content of a folded line to the header's name (RFC 9112 §5.2
** lets a server refuse such lines). If that hides a framing header, a proxy may see
** another body than we do. */
static bool is_folded (const char *key) {
  static const char *const names[] = {"content-length", "transfer-encoding"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    size_t length = strlen(names[i]);
    if (strncasecmp(key, names[i], length) == 0 && key[length] != '\0') return true;
  }
  return false;
}

static ae_slice trimmed (const char *text, size_t length) {
  while (length > 0 && (text[0] == ' ' || text[0] == '\t')) text++, length--;
  while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t')) length--;
  return (ae_slice){text, length};
}

static bool keep (ae_delivery *d, ae_slice name, ae_slice value) {
  if (d->header_count == d->header_capacity) {
    size_t capacity = d->header_capacity == 0 ? 32 : d->header_capacity * 2;
    ae_header *list = realloc(d->headers, capacity * sizeof *list);
    if (list == NULL) return false;
    d->headers = list;
    d->header_capacity = capacity;
  }
  d->headers[d->header_count++] = (ae_header){name, value};
  return true;
}

/* RFC 9110 §8.4 and §5.6.1: a list of codings, which may be empty. */
static bool is_encoded (const char *text) {
  while (*text != '\0') {
    size_t length = strcspn(text, ",");
    ae_slice coding = trimmed(text, length);
    if (coding.length > 0 && (coding.length != sizeof "identity" - 1 ||
                              strncasecmp(coding.data, "identity", coding.length) != 0))
      return true;
    text += length;
    if (*text == ',') text++;
  }
  return false;
}

/* Notes a header. Two Content-Length headers with different values are malformed (RFC
** 9112 §6.3). */
static void notice (head *h, const char *key, const char *value) {
  if (strcasecmp(key, "content-length") == 0) {
    if (h->lengths++ > 0 && strcmp(h->length, value) != 0) h->malformed = true;
    h->length = value;
  } else if (strcasecmp(key, "transfer-encoding") == 0) {
    h->encodings++;
    h->transfer_encoding = value;
  } else if (strcasecmp(key, "host") == 0) {
    h->hosts++;
  } else if (strcasecmp(key, "content-encoding") == 0) {
    h->encoded = h->encoded || is_encoded(value);
  }
}

static void each_header (void *context, ae_slice name, ae_slice value) {
  head *h = context;
  h->bytes += name.length + value.length + 4;
  if (!is_token(name) || is_folded(name.data) ||
      memchr(value.data, '\0', value.length) != NULL)
    h->malformed = true;
  notice(h, name.data, value.data);
  if (!keep(h->d, name, trimmed(value.data, value.length))) h->full = true;
}

/* Whether a text can be a subscription's name, which is shown to people, also in JSON:
** UTF-8 without control characters or slashes. */
static bool is_name (const char *text) {
  size_t length = strlen(text);
  if (!ae_text_is_utf8((ae_slice){text, length})) return false;
  for (size_t i = 0; i < length; i++)
    if ((unsigned char)text[i] < ' ' || text[i] == '\x7f' || text[i] == '/') return false;
  return length <= AE_NAME_BYTES;
}

/* Keeps the name of the subscription. False: no memory. */
static bool take_name (ae_delivery *d, const char *name) {
  size_t length = strlen(name);
  if (!ae_buffer_reserve(&d->name, length + 1)) return false;
  memcpy(d->name.data, name, length + 1);
  d->name.length = length;
  return true;
}

/* The name after the secret, or ""; NULL: the path has another secret. */
static const char *after_secret (const char *rest, ae_slice secret) {
  size_t length = strlen(rest);
  if (length < secret.length || !ae_same_secret(rest, secret.data, secret.length)) return NULL;
  if (rest[secret.length] == '\0') return "";
  return rest[secret.length] == '/' ? rest + secret.length + 1 : NULL;
}

/* Compares all secrets, also after a match: the time does not tell which one it is. */
static const char *find_secret (const ae_webhook *hook, const char *rest) {
  const char *found = NULL;
  for (size_t i = 0; i < hook->secret_count; i++) {
    const char *name = after_secret(rest, hook->secrets[i]);
    if (name != NULL) found = name;
  }
  return found;
}

/* RFC 9112 §3.2.2: the target may be a whole address. */
static const char *path_of (const char *url) {
  const char *slash;
  if (strncasecmp(url, "http://", 7) == 0) url += 7;
  else if (strncasecmp(url, "https://", 8) == 0) url += 8;
  else return url;
  slash = strchr(url, '/');
  return slash == NULL ? "/" : slash;
}

/* /events[/{secret}[/{name}]]; without secrets any is right. */
static bool judge_path (ae_delivery *d, const char *address) {
  const char *url = path_of(address);
  const char *rest = url + sizeof "/events" - 1, *name;
  if (strncmp(url, "/events", sizeof "/events" - 1) != 0 ||
      (rest[0] != '\0' && rest[0] != '/')) {
    ae_refuse(d, 404, AE_NOT_FOUND,
              "there is nothing here; events go to "
              "/events/{secret}");
    return false;
  }
  rest += rest[0] == '/';
  if (d->hook->secret_count > 0) {
    name = find_secret(d->hook, rest);
  } else {
    name = strchr(rest, '/');
    name = name == NULL ? "" : name + 1;
  }
  if (name == NULL) {
    ae_refuse(d, 401, AE_AUTH, "the secret in the path is missing or wrong");
    return false;
  }
  if (!is_name(name)) {
    ae_refuse(d, 404, AE_NOT_FOUND,
              "the name after the secret is too long, or holds characters that a name cannot "
              "have");
    return false;
  }
  if (take_name(d, name)) return true;
  ae_refuse_memory(d);
  return false;
}

/* Refuses a message that two parsers may frame differently (RFC 9112 §6.3, §3.2). */
static bool judge_framing (const head *h) {
  const char *version = ae_exchange_version(h->d->exchange), *reason = NULL;
  if (h->malformed)
    reason = "a header's name is no token, or two headers contradict each other";
  else if (h->encodings > 0 && h->lengths > 0)
    reason = "there are both Content-Length and Transfer-Encoding";
  else if (h->encodings > 1 ||
           (h->encodings == 1 && strcasecmp(h->transfer_encoding, "chunked") != 0))
    reason = "Transfer-Encoding is not chunked";
  else if (h->hosts > 1 || (h->hosts == 0 && strcmp(version, "HTTP/1.1") == 0))
    reason = "there must be one Host header";
  if (reason == NULL) return true;
  h->d->uncertain = true;
  ae_refuse(h->d, 400, AE_SYNTAX, reason);
  return false;
}

static bool judge_size (const head *h) {
  ae_delivery *d = h->d;
  if (h->bytes > AE_HEADER_BYTES) {
    ae_refuse(d, 431, AE_TOO_LARGE, "the headers have more than 16 KiB");
    return false;
  }
  if (h->lengths > 0 && strtoull(h->length, NULL, 10) > d->hook->max_bytes) {
    ae_fail(&d->error, AE_TOO_LARGE, 0, "the body is larger than the limit of %zu bytes",
            d->hook->max_bytes);
    ae_refuse(d, 413, AE_TOO_LARGE, NULL);
    return false;
  }
  return true;
}

static bool judge_media (const head *h) {
  ae_delivery *d = h->d;
  if (h->encoded) {
    ae_refuse(d, 415, AE_UNSUPPORTED,
              "Content-Encoding is not supported: send "
              "the event as it is");
    return false;
  }
  d->mode = ae_http_mode(d->headers, d->header_count);
  if (d->mode != AE_UNSUPPORTED_MEDIA) return true;
  ae_refuse(d, 415, AE_UNSUPPORTED,
            "Content-Type must be "
            "application/cloudevents+json, application/cloudevents-batch+json or "
            "application/json, or the event in ce- headers");
  return false;
}

static bool judge_method (ae_delivery *d) {
  const char *method = ae_exchange_method(d->exchange);
  if (strcmp(method, "POST") == 0) return true;
  if (strcmp(method, "OPTIONS") == 0) d->fate = AE_FATE_HANDSHAKE;
  else ae_refuse(d, 405, AE_UNSUPPORTED, "events come by POST");
  return false;
}

void ae_head_judge (ae_delivery *d) {
  head h;
  memset(&h, 0, sizeof h);
  h.d = d;
  ae_exchange_each(d->exchange, AE_HTTP_HEADER, each_header, &h);
  if (h.full) ae_refuse_memory(d);
  else if (judge_framing(&h) && judge_path(d, ae_exchange_path(d->exchange)) &&
           judge_method(d) && judge_size(&h) && judge_media(&h) &&
           atomic_load(&d->hook->draining))
    ae_refuse_draining(d);
}
