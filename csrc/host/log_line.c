/*
** log_line.c: see log_line.h.
*/
#include "host/log_line.h"

#include <stdio.h>
#include <time.h>

#include "core/event.h"
#include "core/judge.h"
#include "core/mask.h"
#include "core/urn.h"

#define TEXT_BYTES 1500 /* the longest text of a field */
#define CLOSING 1       /* bytes kept for JSON's closing brace */

typedef struct line {
  char *text;
  size_t length;
  bool json;
} line;

/* Appends the whole text, or nothing when it does not fit. */
static void put (line *out, const char *text, size_t length) {
  if (length > AE_LOG_LINE_BYTES - CLOSING - out->length) return;
  memcpy(out->text + out->length, text, length);
  out->length += length;
}

/* Makes a text presentable: masks it before it is cut, so that no part of an identity
** number is left; makes it UTF-8; removes the control characters U+0080 to U+009F,
** which some terminals obey. Returns the length. */
static size_t presentable (ae_slice text, char *out) {
  char masked[TEXT_BYTES + 128];
  size_t length = text.length < sizeof masked ? text.length : sizeof masked;
  bool utf8;
  ae_mask((ae_slice){text.data, length}, masked);
  if (length > TEXT_BYTES) {
    length = TEXT_BYTES;
    while (length > 0 && ((unsigned char)masked[length] & 0xC0) == 0x80) length--;
  }
  utf8 = ae_text_is_utf8((ae_slice){masked, length});
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = (unsigned char)masked[i];
    bool control = byte == 0xC2 && i + 1 < length && (unsigned char)masked[i + 1] < 0xA0;
    if (control || (byte >= 0x80 && !utf8)) masked[i] = '?';
    if (control) masked[++i] = '?';
  }
  memcpy(out, masked, length);
  return length;
}

static bool is_bare (const char *text, size_t length) {
  for (size_t i = 0; i < length; i++)
    if ((unsigned char)text[i] <= ' ' || strchr("\"=\\\x7f", text[i]) != NULL) return false;
  return length > 0;
}

/* The letter of a byte's short escape (\n, \t …); 0: the byte has none. */
static char letter_of (char byte) {
  switch (byte) {
    case '\n': return 'n';
    case '\t': return 't';
    case '\r': return 'r';
    case '"':
    case '\\': return byte;
    default: return 0;
  }
}

static size_t escape (char byte, char out[8]) {
  char letter = letter_of(byte);
  int length;
  if (letter != 0) {
    out[0] = '\\';
    out[1] = letter;
    return 2;
  }
  out[0] = byte;
  if ((unsigned char)byte >= ' ' && byte != 0x7f) return 1;
  length = snprintf(out, 8, "\\x%02x", (unsigned)(unsigned char)byte);
  return length > 0 ? (size_t)length : 0;
}

/* Appends a value in logfmt, in quotes where it needs them. */
static void put_logfmt (line *out, const char *text, size_t length) {
  char quoted[4 * TEXT_BYTES + 2];
  size_t size = 0;
  if (is_bare(text, length)) {
    put(out, text, length);
    return;
  }
  quoted[size++] = '"';
  for (size_t i = 0; i < length; i++) size += escape(text[i], quoted + size);
  quoted[size++] = '"';
  put(out, quoted, size);
}

static void put_json (line *out, const char *text, size_t length) {
  char quoted[6 * TEXT_BYTES + 2];
  size_t size = ae_json_quote((ae_slice){text, length}, quoted, sizeof quoted);
  put(out, quoted, size <= sizeof quoted ? size : 0);
}

/* Appends a field, or nothing when it does not fit. */
static void put_field (line *out, const char *name, ae_slice value) {
  char text[TEXT_BYTES], key[40];
  size_t length = presentable(value, text), before = out->length, after;
  int size = snprintf(key, sizeof key, out->json ? "%s\"%s\":" : "%s%s=",
                      before == 0 ? (out->json ? "{" : "") : (out->json ? "," : " "), name);
  if (size <= 0 || (size_t)size >= sizeof key) return;
  put(out, key, (size_t)size);
  after = out->length;
  if (after == before) return;
  if (out->json) put_json(out, text, length);
  else put_logfmt(out, text, length);
  if (out->length == after) out->length = before;
}

static const char *level_name (ae_level level) {
#define NAME(code, name) name,
  static const char *const names[] = {AE_LEVELS(NAME)};
#undef NAME
  return names[level];
}

static ae_slice as_slice (const char *text) {
  return (ae_slice){text, strlen(text)};
}

size_t ae_log_make (char *text, bool json, ae_level level, const char *message,
                    const ae_log_field *fields, size_t count) {
  line out = {text, 0, json};
  char stamp[32] = "";
  time_t now = time(NULL);
  struct tm parts;
  if (gmtime_r(&now, &parts) != NULL)
    (void)strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &parts);
  put_field(&out, "time", as_slice(stamp));
  put_field(&out, "level", as_slice(level_name(level)));
  put_field(&out, "msg", as_slice(message));
  for (size_t i = 0; i < count; i++)
    if (fields[i].text.data != NULL) put_field(&out, fields[i].name, fields[i].text);
  if (json) out.text[out.length++] = '}';
  return out.length;
}
