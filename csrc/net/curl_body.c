/*
** curl_body.c: the callbacks of libcurl, which only store the reply.
*/
#include "net/curl_private.h"

#include <stdlib.h>

#define MAX_HEADER ((size_t)64 << 10)

static bool text_add (ae_curl_text *t, const char *data, size_t length, size_t most) {
  if (t->length > most || length > most - t->length) return false;
  if (length > SIZE_MAX / 2 - t->length) return false;
  if (t->length + length > t->room) {
    size_t room = t->room > 0 ? t->room * 2 : 1024;
    while (room < t->length + length) room *= 2;
    char *moved = realloc(t->data, room);
    if (moved == NULL) return false;
    t->data = moved;
    t->room = room;
  }
  if (length > 0) memcpy(t->data + t->length, data, length);
  t->length += length;
  return true;
}

long ae_exchange_status (const ae_exchange *e) {
  long status = 0;
  curl_easy_getinfo(e->easy, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

bool ae_exchange_is_streamed (const ae_exchange *e) {
  long status = e->stream ? ae_exchange_status(e) : 0;
  return status >= 200 && status <= 299;
}

static size_t on_body (char *data, size_t size, size_t count, void *user) {
  ae_exchange *e = user;
  if (ae_exchange_is_streamed(e)) {
    bool room = !e->part_out && e->body.length < AE_CURL_PART;
    if (room && text_add(&e->body, data, size * count, SIZE_MAX)) return size * count;
    if (room) return 0; /* no memory */
    e->paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  if (text_add(&e->body, data, size * count, e->max_body)) return size * count;
  e->overflow = true;
  return 0;
}

/* A new status line begins a new header (after 100 Continue). */
static size_t on_header (char *data, size_t size, size_t count, void *user) {
  ae_exchange *e = user;
  size_t length = size * count;
  if (length > 5 && memcmp(data, "HTTP/", 5) == 0) {
    e->header.length = 0;
    e->in_header = true;
    return length;
  }
  if (length > 0 && (data[0] == '\r' || data[0] == '\n')) e->in_header = false;
  if (text_add(&e->header, data, length, MAX_HEADER)) return length;
  e->overflow = true;
  return 0;
}

void ae_exchange_receive (ae_exchange *e) {
  curl_easy_setopt(e->easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(e->easy, CURLOPT_WRITEDATA, e);
  curl_easy_setopt(e->easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(e->easy, CURLOPT_HEADERDATA, e);
}
