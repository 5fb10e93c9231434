/*
** scan.h: the inner loops that the readers of the core share: white space,
** runs of plain characters, UTF-8. Nothing here reads outside the range.
*/
#ifndef ALTINN_EVENTS_SCAN_H
#define ALTINN_EVENTS_SCAN_H

#include "core/json.h"
#include "core/slice.h"

/* AE_PLAIN leaves out all vector instructions: for other processors, and for tests. */
#if defined(__SSE2__) && defined(__GNUC__) && !defined(AE_PLAIN)
#define AE_SSE2 1
#include <emmintrin.h>
#endif

/* The end of the white space (RFC 8259 §2) that starts at `at`. */
static inline size_t ae_scan_blank (const char *text, size_t length, size_t at) {
  while (at < length && (unsigned char)text[at] <= ' ') {
    char c = text[at];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') break;
    at++;
  }
  return at;
}

/* Whether a byte is plain: it stands for itself in a JSON string and in an attribute.
** These are U+0020 to U+007E without the quotation mark and the backslash. */
static inline bool ae_byte_plain (char byte) {
  unsigned char b = (unsigned char)byte;
  return b >= 0x20 && b < 0x7F && b != '"' && b != '\\';
}

#ifdef AE_SSE2
/* Sets a bit for each of 16 bytes that is not plain. Add one to a byte and read the sum
** as a signed number: it is below 0x21 exactly for the control characters (0x00 to
** 0x1F) and the bytes from 0x7F to 0xFF. So one comparison finds both. */
static inline unsigned ae_special_mask (const char *bytes) {
  __m128i chunk = _mm_loadu_si128((const __m128i *)(const void *)bytes);
  __m128i outside = _mm_cmplt_epi8(_mm_add_epi8(chunk, _mm_set1_epi8(1)), _mm_set1_epi8(0x21));
  __m128i quote = _mm_cmpeq_epi8(chunk, _mm_set1_epi8('"'));
  __m128i escape = _mm_cmpeq_epi8(chunk, _mm_set1_epi8('\\'));
  return (unsigned)_mm_movemask_epi8(_mm_or_si128(outside, _mm_or_si128(quote, escape)));
}
#endif

/* The first byte from `at` on that is not plain, or `length`. The last bytes of a text
** are read by a load that ends where the text ends. */
static inline size_t ae_scan_plain (const char *text, size_t length, size_t at) {
#ifdef AE_SSE2
  while (length - at >= 16) {
    unsigned mask = ae_special_mask(text + at);
    if (mask != 0) return at + (size_t)__builtin_ctz(mask);
    at += 16;
  }
  if (length >= 16 && at < length) {
    unsigned mask = ae_special_mask(text + length - 16) >> (16 - (length - at));
    return mask != 0 ? at + (size_t)__builtin_ctz(mask) : length;
  }
#endif
  while (at < length && ae_byte_plain(text[at])) at++;
  return at;
}

/* Whether a byte continues a UTF-8 sequence (RFC 3629 §3). */
static inline bool ae_utf8_tail (unsigned char byte) {
  return (byte & 0xC0) == 0x80;
}

/*
** The length of the UTF-8 sequence (RFC 3629 §4) of more than one byte at `bytes`, and
** its code point; 0: there is no such sequence.
*/
static inline size_t ae_utf8_read (const char *bytes, size_t left, uint32_t *point) {
  const unsigned char *b = (const unsigned char *)bytes;
  if (left >= 2 && b[0] >= 0xC2 && b[0] <= 0xDF && ae_utf8_tail(b[1])) {
    *point = (b[0] & 0x1Fu) << 6 | (b[1] & 0x3Fu);
    return 2;
  }
  if (left >= 3 && (b[0] & 0xF0) == 0xE0 && ae_utf8_tail(b[1]) && ae_utf8_tail(b[2])) {
    *point = (b[0] & 0x0Fu) << 12 | (b[1] & 0x3Fu) << 6 | (b[2] & 0x3Fu);
    return *point >= 0x800 && (*point < 0xD800 || *point > 0xDFFF) ? 3 : 0;
  }
  if (left >= 4 && (b[0] & 0xF8) == 0xF0 && ae_utf8_tail(b[1]) && ae_utf8_tail(b[2]) &&
      ae_utf8_tail(b[3])) {
    *point = (b[0] & 0x07u) << 18 | (b[1] & 0x3Fu) << 12 | (b[2] & 0x3Fu) << 6 |
             (b[3] & 0x3Fu);
    return *point >= 0x10000 && *point <= 0x10FFFF ? 4 : 0;
  }
  return 0;
}

/* Letters and digits by their bytes: no locale. */
static inline char ae_lower (char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* ASCII digits only, whatever the locale. */
static inline bool ae_is_digit (char c) {
  return c >= '0' && c <= '9';
}

/* The value of a hexadecimal digit, -1 for anything else. */
static inline int ae_hex (char c) {
  if (ae_is_digit(c)) return c - '0';
  c = ae_lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether two texts are the same but for the case of ASCII letters;
** `lower` is in lower case already. */
static inline bool ae_same_word (ae_slice text, ae_slice lower) {
  if (text.length != lower.length) return false;
  for (size_t i = 0; i < text.length; i++)
    if (ae_lower(text.data[i]) != lower.data[i]) return false;
  return true;
}

/* Passes over the string that begins at json->at, a quotation mark. */
ae_code ae_json_string (ae_json *json, ae_json_value *value, ae_error *error);

/* Whether the inside of a checked string escapes a lone surrogate, so that
** it is a value of JSON but no text. */
bool ae_json_has_lone (ae_slice inside);

#endif
