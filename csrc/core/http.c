/*
** http.c: CloudEvents in HTTP messages (HTTP protocol binding 1.0.2): the mode of a
** message, and the headers and body of binary mode.
*/
#include "core/event.h"
#include "core/judge.h"
#include "core/scan.h"

#define PREFIX_LENGTH 3u /* of "ce-" */

static bool is_attribute (ae_slice name) {
  return name.length >= PREFIX_LENGTH &&
         ae_same_word((ae_slice){name.data, PREFIX_LENGTH}, AE_LITERAL("ce-"));
}

static bool is_content_type (ae_slice name) {
  return ae_same_word(name, AE_LITERAL("content-type"));
}

ae_mode ae_http_mode (const ae_header *headers, size_t count) {
  const ae_header *content_type = NULL;
  bool attributes = false;
  ae_slice bare;
  for (size_t i = 0; i < count; i++) {
    attributes |= is_attribute(headers[i].name);
    if (content_type == NULL && is_content_type(headers[i].name)) content_type = &headers[i];
  }
  if (content_type == NULL) return attributes ? AE_BINARY : AE_UNSUPPORTED_MEDIA;
  bare = ae_media_type_bare(content_type->value);
  if (ae_same_word(bare, AE_LITERAL("application/cloudevents+json"))) return AE_STRUCTURED;
  if (ae_same_word(bare, AE_LITERAL("application/cloudevents-batch+json"))) return AE_BATCH;
  if (bare.length >= 23 &&
      ae_same_word((ae_slice){bare.data, 23}, AE_LITERAL("application/cloudevents")))
    return AE_UNSUPPORTED_MEDIA;
  if (attributes) return AE_BINARY;
  return ae_same_word(bare, AE_LITERAL("application/json")) ? AE_STRUCTURED
                                                            : AE_UNSUPPORTED_MEDIA;
}

size_t ae_binary_size (const ae_header *headers, size_t count, size_t body_length) {
  size_t size = body_length + sizeof "datacontenttype";
  for (size_t i = 0; i < count; i++)
    if (is_attribute(headers[i].name) || is_content_type(headers[i].name))
      size += headers[i].name.length + headers[i].value.length;
  return size;
}

/* Collects the attributes of one message. */
typedef struct filler {
  ae_event *event;
  char *buffer; /* the event's text */
  ae_faults *faults;
  uint32_t at; /* the buffer's next free byte */
  bool content_typed;
} filler;

/* Copies bytes into the buffer; returns their offset. */
static uint32_t put (filler *f, ae_slice bytes) {
  uint32_t at = f->at;
  if (bytes.length > 0) memcpy(f->buffer + at, bytes.data, bytes.length);
  f->at += (uint32_t)bytes.length;
  return at;
}

/* Removes the quotes around a value in place (RFC 7230 §3.2.6). False: there is another
** quotation mark, which the sender must write as %22. */
static bool unquote (char *text, size_t *length) {
  size_t to = 0, at = 1;
  if (*length == 0 || memchr(text, '"', *length) == NULL) return true;
  if (text[0] != '"') return false;
  while (at < *length && text[at] != '"') {
    if (text[at] == '\\' && ++at == *length) return false;
    text[to++] = text[at++];
  }
  if (at + 1 != *length) return false;
  *length = to;
  return true;
}

/* One round of percent-decoding in place; false at a malformed escape. */
static bool percent_decode (char *text, size_t *length) {
  size_t to = 0;
  for (size_t at = 0; at < *length; at++) {
    char c = text[at];
    if (c == '%') {
      int high = at + 1 < *length ? ae_hex(text[at + 1]) : -1;
      int low = at + 2 < *length ? ae_hex(text[at + 2]) : -1;
      if (high < 0 || low < 0) return false;
      c = (char)(high * 16 + low);
      at += 2;
    }
    text[to++] = c;
  }
  *length = to;
  return true;
}

/*
** Decodes a header's value in the buffer (HTTP binding §3.1.3.2). Returns the reason of
** a fault, or NULL. Raw bytes that are not UTF-8 stay: the judge refuses them.
*/
static const char *decode_value (char *text, size_t *length) {
  if (!ae_text_is_utf8((ae_slice){text, *length})) return NULL;
  if (!unquote(text, length))
    return "has a quotation mark that is not of a pair around it all";
  if (!percent_decode(text, length))
    return "has a percent sign without two hexadecimal digits";
  return NULL;
}

static void add (filler *f, uint32_t name, size_t name_length, uint32_t value,
                 size_t value_length) {
  ae_attribute attribute = {0};
  attribute.name = name;
  attribute.name_length = (uint32_t)name_length;
  attribute.value = value;
  attribute.value_length = (uint32_t)value_length;
  attribute.kind = AE_STRING;
  (void)ae_event_add(f->event, &attribute);
}

/* Content-Type becomes datacontenttype, unchanged (§3.1.1). */
static void add_content_type (filler *f, const ae_header *header) {
  uint32_t name, value;
  if (f->content_typed) {
    ae_faults_add(f->faults, AE_INVALID, 0, AE_LITERAL("datacontenttype"),
                  "occurs more than once: there are two Content-Type headers");
    return;
  }
  f->content_typed = true;
  name = put(f, AE_LITERAL("datacontenttype"));
  value = put(f, header->value);
  add(f, name, f->at - name - header->value.length, value, header->value.length);
}

/* A `ce-` header becomes the attribute whose name follows the prefix (§3.1.3.1). */
static void add_attribute (filler *f, const ae_header *header) {
  ae_slice rest = {header->name.data + PREFIX_LENGTH, header->name.length - PREFIX_LENGTH};
  size_t length = header->value.length;
  uint32_t name, value;
  const char *reason;
  if (ae_same_word(rest, AE_LITERAL("datacontenttype"))) {
    ae_faults_add(f->faults, AE_INVALID, 0, AE_LITERAL("datacontenttype"),
                  "must come as Content-Type, not as ce-datacontenttype");
    return;
  }
  name = put(f, rest);
  for (size_t i = 0; i < rest.length; i++) f->buffer[name + i] = ae_lower(f->buffer[name + i]);
  value = put(f, header->value);
  reason = decode_value(f->buffer + value, &length);
  if (reason != NULL)
    ae_faults_add(f->faults, AE_INVALID, 0, (ae_slice){f->buffer + name, rest.length}, "%s",
                  reason);
  add(f, name, rest.length, value, length);
}

/* The body is the payload, octet for octet (§3.1.2). */
static void add_body (filler *f, ae_slice body) {
  if (body.length == 0) return;
  f->event->data = put(f, body);
  f->event->data_length = (uint32_t)body.length;
  f->event->data_kind = AE_OCTETS;
}

ae_code ae_event_from_binary (ae_event *event, char *buffer, size_t size,
                              const ae_header *headers, size_t count, ae_slice body,
                              const ae_limits *limits, ae_faults *faults, ae_error *error) {
  size_t needed = ae_binary_size(headers, count, body.length);
  filler f = {event, buffer, faults, 0, false};
  ae_event_begin(event, buffer);
  faults->count = 0;
  if (limits == NULL) limits = &ae_default_limits;
  if (needed > limits->max_bytes || needed > UINT32_MAX / 2)
    return ae_fail(error, AE_TOO_LARGE, 0, "the event has %zu bytes; the limit is %zu", needed,
                   limits->max_bytes);
  if (size < needed) return ae_fail(error, AE_MEMORY, 0, "the buffer is too small");
  for (size_t i = 0; i < count; i++) {
    if (is_content_type(headers[i].name)) add_content_type(&f, &headers[i]);
    else if (is_attribute(headers[i].name)) add_attribute(&f, &headers[i]);
  }
  if (event->count > event->capacity)
    return ae_fail(error, AE_MEMORY, 0, "the event has %u attributes", (unsigned)event->count);
  add_body(&f, body);
  return ae_event_judge(event, faults, error);
}
