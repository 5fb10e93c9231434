/*
** encode.c: an event as structured JSON (JSON event format §3).
*/
#include "core/event.h"
#include "core/judge.h"
#include "core/scan.h"

#include <stdio.h>

/* Counts all bytes written; stores those that fit. */
typedef struct writer {
  char *out;
  size_t size, at;
} writer;

static void put (writer *w, ae_slice bytes) {
  if (w->at < w->size && bytes.length > 0) {
    size_t room = w->size - w->at;
    memcpy(w->out + w->at, bytes.data, bytes.length < room ? bytes.length : room);
  }
  w->at += bytes.length;
}

static void put_escape (writer *w, unsigned char byte) {
  static const char short_of[] = "\"\"\\\\\bb\ff\nn\rr\tt";
  char escape[8];
  int length;
  for (size_t i = 0; i + 1 < sizeof short_of; i += 2)
    if ((unsigned char)short_of[i] == byte) {
      escape[0] = '\\';
      escape[1] = short_of[i + 1];
      put(w, (ae_slice){escape, 2});
      return;
    }
  length = snprintf(escape, sizeof escape, "\\u%04x", byte);
  put(w, (ae_slice){escape, (size_t)length});
}

static bool must_escape (char c) {
  return (unsigned char)c < 0x20 || c == 0x7F || c == '"' || c == '\\';
}

static void put_string (writer *w, ae_slice text) {
  size_t at = 0;
  put(w, AE_LITERAL("\""));
  while (at < text.length) {
    size_t end = ae_scan_plain(text.data, text.length, at);
    while (end < text.length && !must_escape(text.data[end])) end++;
    put(w, (ae_slice){text.data + at, end - at});
    if (end < text.length) put_escape(w, (unsigned char)text.data[end++]);
    at = end;
  }
  put(w, AE_LITERAL("\""));
}

static void put_value (writer *w, const ae_event *event, const ae_attribute *attribute) {
  char digits[16];
  switch (attribute->kind) {
    case AE_STRING: put_string(w, ae_attribute_text(event, attribute)); break;
    case AE_BOOLEAN:
      put(w, attribute->integer ? AE_LITERAL("true") : AE_LITERAL("false"));
      break;
    default: {
      int length = snprintf(digits, sizeof digits, "%ld", (long)attribute->integer);
      put(w, (ae_slice){digits, (size_t)length});
    }
  }
}

static void put_member (writer *w, ae_slice name) {
  if (w->at > 1) put(w, AE_LITERAL(","));
  put_string(w, name);
  put(w, AE_LITERAL(":"));
}

static void put_base64 (writer *w, ae_slice octets) {
  char group[4];
  put_member(w, AE_LITERAL("data_base64"));
  put(w, AE_LITERAL("\""));
  for (size_t at = 0; at < octets.length; at += 3) {
    size_t left = octets.length - at;
    ae_base64_encode((ae_slice){octets.data + at, left < 3 ? left : 3}, group);
    put(w, (ae_slice){group, 4});
  }
  put(w, AE_LITERAL("\""));
}

/* Whether octets can be written as `data` without Base64: the media type says JSON, and
** the octets are JSON. The event's own object takes one level of the depth. */
static bool octets_are_json (const ae_event *event, ae_slice octets) {
  ae_slice type = ae_event_text(event, AE_DATACONTENTTYPE);
  return type.data != NULL && ae_media_type_is_json(type) &&
         ae_json_check(octets, AE_DEFAULT_MAX_DEPTH - 1, NULL) == AE_OK;
}

static void put_payload (writer *w, const ae_event *event) {
  ae_slice span = {event->text + event->data, event->data_length};
  if (event->data_kind == AE_BASE64) {
    put_member(w, AE_LITERAL("data_base64"));
    put_string(w, span);
  } else if (event->data_kind == AE_OCTETS && !octets_are_json(event, span))
    put_base64(w, span);
  else if (event->data_kind != AE_NONE) {
    put_member(w, AE_LITERAL("data"));
    put(w, span);
  }
}

size_t ae_event_encode (const ae_event *event, char *out, size_t size) {
  writer w = {out, size, 0};
  put(&w, AE_LITERAL("{"));
  for (uint32_t i = 0; i < event->count; i++) {
    const ae_attribute *attribute = &event->attributes[i];
    if (attribute->kind == AE_NONE || attribute->kind == AE_JSON) continue;
    put_member(&w, ae_attribute_name(event, attribute));
    put_value(&w, event, attribute);
  }
  put_payload(&w, event);
  put(&w, AE_LITERAL("}"));
  return w.at;
}

size_t ae_json_quote (ae_slice text, char *out, size_t size) {
  writer w = {out, size, 0};
  put_string(&w, text);
  return w.at;
}
