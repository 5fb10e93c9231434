/*
** log_line.c: see log_line.h.
*/
#include "host/log_line.h"

#include <time.h>

#include "core/mask.h"
#include "core/scan.h"

#define TEXT_BYTES 2000 /* the longest text of a field */
/* Masking sees some bytes beyond the cut, so that an identity number across the cut is
** masked too. */
#define SEEN_BYTES (TEXT_BYTES + 128)
#define STAMP_BYTES 32
#define LONGEST_ESCAPE 6 /* bytes that one byte may become: \u001b */

typedef struct line {
  char *at; /* where the next byte goes */
  bool json;
} line;

static const ae_slice replacement = {"\xEF\xBF\xBD", 3}; /* U+FFFD */
static const ae_slice ellipsis = {" \xE2\x80\xA6", 4};

static void put (line *out, ae_slice text) {
  if (text.length > 0) memcpy(out->at, text.data, text.length);
  out->at += text.length;
}

static void put_byte (line *out, char byte) {
  *out->at++ = byte;
}

static ae_slice as_slice (const char *text) {
  return (ae_slice){text, strlen(text)};
}

/* {====================================================================
** Characters
** ===================================================================== */

/* A character, or a byte that is no part of one. */
typedef struct unit {
  size_t length;
  uint32_t point; /* 0xFFFD for a byte that is no part of a character */
  bool valid;
} unit;

static unit read_unit (const char *p, const char *end) {
  unit u = {1, (unsigned char)*p, true};
  size_t length;
  if (u.point < 0x80) return u;
  length = ae_utf8_read(p, (size_t)(end - p), &u.point);
  if (length == 0) return (unit){1, 0xFFFD, false};
  u.length = length;
  return u;
}

/* Whether a character beyond ASCII ends a line (U+2028, U+2029), controls a terminal (C1)
** or turns the direction of writing. */
static bool is_unseemly (uint32_t point) {
  return (point >= 0x80 && point <= 0x9F) || point == 0x200E || point == 0x200F ||
         (point >= 0x2028 && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
}

/* An ASCII character that stands for itself in a value without quotes. */
static bool is_bare (unsigned char byte) {
  return byte > ' ' && byte < 0x7F && byte != '"' && byte != '=' && byte != '\\';
}

/* An ASCII character that stands for itself between quotes. */
static bool is_plain (unsigned char byte) {
  return byte >= ' ' && byte < 0x7F && byte != '"' && byte != '\\';
}

static char letter_of (uint32_t point) {
  switch (point) {
    case '\n': return 'n';
    case '\t': return 't';
    case '\r': return 'r';
    case '"': return '"';
    case '\\': return '\\';
    default: return 0;
  }
}

static void put_escape (line *out, uint32_t point) {
  static const char digits[] = "0123456789abcdef";
  const char letter = letter_of(point);
  put_byte(out, '\\');
  if (letter != 0) {
    put_byte(out, letter);
    return;
  }
  put_byte(out, 'u');
  for (int shift = 12; shift >= 0; shift -= 4) put_byte(out, digits[point >> shift & 15]);
}

static void put_unit (line *out, const char *p, unit u) {
  if (!u.valid) put(out, replacement);
  else if (u.point < 0x80 ? !is_plain((unsigned char)u.point) : is_unseemly(u.point))
    put_escape(out, u.point);
  else put(out, (ae_slice){p, u.length});
}

/* Appends a text with its escapes. */
static void put_escaped (line *out, ae_slice text) {
  const char *p = text.data, *end = p + text.length;
  while (p < end) {
    const char *from = p;
    unit u;
    while (p < end && is_plain((unsigned char)*p)) p++;
    put(out, (ae_slice){from, (size_t)(p - from)});
    if (p == end) break;
    u = read_unit(p, end);
    put_unit(out, p, u);
    p += u.length;
  }
}

/* }==================================================================== */

static bool needs_quotes (ae_slice text) {
  const char *p = text.data, *end = p + text.length;
  while (p < end) {
    unit u = read_unit(p, end);
    if (u.point < 0x80 ? !is_bare((unsigned char)u.point) : is_unseemly(u.point)) return true;
    p += u.length;
  }
  return text.length == 0;
}

static void put_text (line *out, ae_slice text) {
  const bool quotes = out->json || needs_quotes(text);
  if (quotes) put_byte(out, '"');
  put_escaped(out, text);
  if (quotes) put_byte(out, '"');
}

/* Copies a text as UTF-8; `out` has room for three times its length. */
static size_t make_readable (ae_slice text, char *out) {
  const char *p = text.data, *end = p + text.length;
  line copy = {out, false};
  while (p < end) {
    unit u = read_unit(p, end);
    put(&copy, u.valid ? (ae_slice){p, u.length} : replacement);
    p += u.length;
  }
  return (size_t)(copy.at - out);
}

/* A text for people: UTF-8, masked, and cut when it is long. */
static void put_short (line *out, ae_slice text) {
  char shown[SEEN_BYTES * 3 + 4];
  size_t length = text.length < SEEN_BYTES ? text.length : SEEN_BYTES;
  length = make_readable((ae_slice){text.data, length}, shown);
  ae_mask((ae_slice){shown, length}, shown);
  if (length > TEXT_BYTES) {
    length = TEXT_BYTES;
    while (length > 0 && ae_utf8_tail((unsigned char)shown[length])) length--;
    memcpy(shown + length, ellipsis.data, ellipsis.length);
    length += ellipsis.length;
  }
  put_text(out, (ae_slice){shown, length});
}

static void put_name (line *out, const char *name, bool first) {
  if (!out->json) {
    if (!first) put_byte(out, ' ');
    put(out, as_slice(name));
    put_byte(out, '=');
    return;
  }
  put_byte(out, first ? '{' : ',');
  put_text(out, as_slice(name));
  put_byte(out, ':');
}

static void put_field (line *out, const ae_log_field *field, ae_log_kind kind, bool first) {
  if (field->text.data == NULL) return;
  put_name(out, field->name, first);
  switch (kind) {
    case AE_LOG_TEXT: put_short(out, field->text); break;
    case AE_LOG_WORD: put_text(out, field->text); break;
    case AE_LOG_VALUE: put(out, field->text); break;
  }
}

static ae_log_kind kind_of (const ae_log_fields *fields, size_t index) {
  return fields->kinds == NULL ? AE_LOG_TEXT : fields->kinds[index];
}

static size_t bound_of (const ae_log_field *field, ae_log_kind kind) {
  size_t text = field->text.length;
  if (field->text.data == NULL) return 0;
  if (kind == AE_LOG_TEXT) text = text < SEEN_BYTES ? text : SEEN_BYTES + ellipsis.length;
  /* the name and its value, with quotes, and the characters between */
  return LONGEST_ESCAPE * (strlen(field->name) + text) + 8;
}

size_t ae_log_bound (ae_slice message, const ae_log_fields *fields) {
  size_t bound = 64 + STAMP_BYTES + LONGEST_ESCAPE * message.length;
  for (size_t i = 0; i < fields->count; i++)
    bound += bound_of(&fields->list[i], kind_of(fields, i));
  return bound;
}

static const char *level_name (ae_level level) {
#define NAME(code, name) name,
  static const char *const names[] = {AE_LEVELS(NAME)};
#undef NAME
  return names[level];
}

/* The present time; formatted once a second for each thread. */
static ae_slice stamp (void) {
  static _Thread_local time_t second;
  static _Thread_local char text[STAMP_BYTES];
  static _Thread_local size_t length;
  time_t now = time(NULL);
  struct tm parts;
  if (length == 0 || now != second) {
    second = now;
    length = gmtime_r(&now, &parts) == NULL
               ? 0
               : strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  }
  return (ae_slice){text, length};
}

size_t ae_log_make (char *text, bool json, ae_level level, ae_slice message,
                    const ae_log_fields *fields) {
  const ae_log_field head[] = {
    {"time", stamp()}, {"level", as_slice(level_name(level))}, {"msg", message}};
  line out = {text, json};
  for (size_t i = 0; i < sizeof head / sizeof head[0]; i++)
    put_field(&out, &head[i], AE_LOG_WORD, i == 0);
  for (size_t i = 0; i < fields->count; i++)
    put_field(&out, &fields->list[i], kind_of(fields, i), false);
  if (json) put_byte(&out, '}');
  return (size_t)(out.at - text);
}
