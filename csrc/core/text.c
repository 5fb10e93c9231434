/*
** text.c: the String of CloudEvents 1.0.2, "Type System": no control
** characters, no noncharacters of Unicode, no surrogates.
*/
#include "core/judge.h"
#include "core/scan.h"

/* Noncharacters: U+FDD0 to U+FDEF, and the last two of every plane. */
static bool is_noncharacter (uint32_t point) {
  return (point >= 0xFDD0 && point <= 0xFDEF) || (point & 0xFFFE) == 0xFFFE;
}

/* A surrogate coded as if it were UTF-8: a lone \uD800 is decoded to that. */
static bool is_surrogate (const char *bytes, size_t left) {
  return left >= 2 && (unsigned char)bytes[0] == 0xED && (unsigned char)bytes[1] >= 0xA0;
}

const char *ae_text_reason (ae_slice text) {
  size_t at = 0;
  while (at < text.length) {
    const char *bytes = text.data + at;
    size_t left = text.length - at, length;
    uint32_t point;
    unsigned char byte = (unsigned char)*bytes;
    if (byte >= 0x20 && byte < 0x7F) {
      at++;
      continue;
    }
    if (byte < 0x80) return "holds a control character";
    length = ae_utf8_read(bytes, left, &point);
    if (length == 0)
      return is_surrogate(bytes, left) ? "holds half of a surrogate pair" : "is not UTF-8";
    if (point < 0xA0) return "holds a control character";
    if (is_noncharacter(point)) return "holds a noncharacter of Unicode";
    at += length;
  }
  return NULL;
}

bool ae_text_is_utf8 (ae_slice text) {
  size_t at = 0;
  while (at < text.length) {
    uint32_t point;
    size_t length = 1;
    if ((unsigned char)text.data[at] >= 0x80)
      length = ae_utf8_read(text.data + at, text.length - at, &point);
    if (length == 0) return false;
    at += length;
  }
  return true;
}
