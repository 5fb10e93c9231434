/*
** mask.c: see mask.h. A text is read in units. A unit is a plain character, or the
** encoding of one octet or code point.
*/
#include "core/mask.h"

#include "core/scan.h"
#include "core/urn.h"

#define NUMBER 11
#define SEPARATORS 3

typedef enum kind { OTHER, DIGIT, SEPARATOR } kind;

typedef struct unit {
  kind kind;
  unsigned length; /* bytes */
} unit;

static kind kind_of (uint32_t point) {
  if ((point >= '0' && point <= '9') || (point >= 0xFF10 && point <= 0xFF19)) return DIGIT;
  switch (point) {
    case ' ':
    case '\t':
    case '-':
    case '.':
    case '_':
    case '+':
    case 0xA0:   /* no-break space */
    case 0xAD:   /* soft hyphen */
    case 0x202F: /* narrow no-break space */
    case 0x205F:
    case 0x2212: /* minus */
    case 0x3000: return SEPARATOR;
    default: return point >= 0x2000 && point <= 0x2015 ? SEPARATOR : OTHER;
  }
}

/* The value of a percent-encoded octet; -1: there is none. */
static int octet_at (const char *p, const char *end) {
  if (end - p < 3 || *p != '%') return -1;
  int high = ae_hex(p[1]), low = ae_hex(p[2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Reads one percent-encoded character of UTF-8, or one octet that begins none. */
static unit read_percent (const char *p, const char *end) {
  char bytes[4];
  size_t count = 0;
  uint32_t point;
  int octet;
  while (count < sizeof bytes && (octet = octet_at(p + 3 * count, end)) >= 0)
    bytes[count++] = (char)octet;
  if (count == 0) return (unit){OTHER, 1};
  if ((unsigned char)bytes[0] < 0x80) return (unit){kind_of((unsigned char)bytes[0]), 3};
  size_t length = ae_utf8_read(bytes, count, &point);
  return length == 0 ? (unit){OTHER, 3} : (unit){kind_of(point), (unsigned)(3 * length)};
}

/* Reads an escape: \u and four hexadecimal digits. */
static unit read_escape (const char *p, const char *end) {
  uint32_t point = 0;
  if (end - p < 6 || p[1] != 'u') return (unit){OTHER, 1};
  for (int i = 2; i < 6; i++) {
    int digit = ae_hex(p[i]);
    if (digit < 0) return (unit){OTHER, 1};
    point = point * 16 + (uint32_t)digit;
  }
  return (unit){kind_of(point), 6};
}

static unit read_unit (const char *p, const char *end) {
  uint32_t point;
  unsigned char byte = (unsigned char)*p;
  if (byte == '%') return read_percent(p, end);
  if (byte == '\\') return read_escape(p, end);
  if (byte < 0x80) return (unit){kind_of(byte), 1};
  size_t length = ae_utf8_read(p, (size_t)(end - p), &point);
  return length == 0 ? (unit){OTHER, 1} : (unit){kind_of(point), (unsigned)length};
}

/* Passes over the separators between two groups at *p. False: there is none, or there
** are more than SEPARATORS, which separate two numbers. */
static bool pass_separators (const char **p, const char *end) {
  int count = 0;
  while (*p < end) {
    unit u = read_unit(*p, end);
    if (u.kind != SEPARATOR) break;
    *p += u.length;
    count++;
  }
  return count > 0 && count <= SEPARATORS;
}

/* Whether a separator is allowed after `digits` digits. after[n]: there is one after n
** digits. */
static bool may_separate (int digits, const bool *after) {
  switch (digits) {
    case 2: return true;
    case 4: return after[2];
    case 6: return true;
    case 9: return after[6];
    default: return false;
  }
}

/* Where an identity number that starts at `p` ends, or NULL. */
static const char *identity_end (const char *p, const char *end) {
  bool after[NUMBER] = {false};
  int digits = 0;
  while (digits < NUMBER) {
    const char *digit = p;
    if (digits > 0 && pass_separators(&digit, end)) {
      if (!may_separate(digits, after)) return NULL;
      after[digits] = true;
    } else if (digit != p || (digits == 4 && after[2])) {
      return NULL;
    }
    if (digit >= end) return NULL;
    unit u = read_unit(digit, end);
    if (u.kind != DIGIT) return NULL;
    p = digit + u.length;
    digits++;
  }
  return p < end && read_unit(p, end).kind == DIGIT ? NULL : p;
}

/* Whether the eleven digits at `p` are in the last group (twelve digits) of a UUID. One
** UUID of 230 has such a run by chance, and ids of events are UUIDs. */
static bool in_uuid (const char *begin, const char *p, const char *end) {
  const ptrdiff_t before = 24, size = 36;
  const char *first = p - begin < before ? NULL : p - before;
  if (first == NULL) return false;
  if (p + NUMBER == end || ae_hex(p[NUMBER]) < 0) {
    if (first == begin) return false;
    first--;
  }
  return end - first >= size && ae_is_uuid((ae_slice){first, (size_t)size}) &&
         (first == begin || ae_hex(first[-1]) < 0) &&
         (first + size == end || ae_hex(first[size]) < 0);
}

/* Whether a byte may begin a digit, or a unit that hides one. */
static bool is_plain (char c) {
  return (c < '0' || c > '9') && c != '%' && c != '\\' && (unsigned char)c != 0xEF;
}

static char *hide (const char *p, const char *stop, const char *end, char *out) {
  while (p < stop) {
    unit u = read_unit(p, end);
    if (u.kind == DIGIT) memset(out, '*', u.length);
    else memmove(out, p, u.length);
    out += u.length;
    p += u.length;
  }
  return out;
}

void ae_mask (ae_slice text, char *out) {
  const char *p = text.data, *end = text.data + text.length;
  bool inside = false; /* within a run of digits */
  while (p < end) {
    if (is_plain(*p)) {
      *out++ = *p++;
      inside = false;
      continue;
    }
    unit u = read_unit(p, end);
    const char *stop = u.kind == DIGIT && !inside ? identity_end(p, end) : NULL;
    if (stop != NULL && stop - p == NUMBER && in_uuid(text.data, p, end)) stop = NULL;
    inside = u.kind == DIGIT && stop == NULL;
    if (stop == NULL) {
      memmove(out, p, u.length);
      out += u.length;
      p += u.length;
    } else {
      out = hide(p, stop, end, out);
      p = stop;
    }
  }
}
