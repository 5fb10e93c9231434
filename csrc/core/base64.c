/*
** base64.c: RFC 4648 §4, the standard alphabet. Strict: padding is
** required, its bits are zero, no other character is passed over.
*/
#include "core/event.h"

static const char alphabet[] =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The six bits of a character; 64: it is not in the alphabet. */
static unsigned sextet (char c) {
  if (c >= 'A' && c <= 'Z') return (unsigned)(c - 'A');
  if (c >= 'a' && c <= 'z') return (unsigned)(c - 'a') + 26;
  if (c >= '0' && c <= '9') return (unsigned)(c - '0') + 52;
  return c == '+' ? 62 : c == '/' ? 63 : 64;
}

/* The number of padding characters at the end of the text, two at most. */
static size_t padding (ae_slice text) {
  if (text.length < 4 || text.data[text.length - 1] != '=') return 0;
  return text.data[text.length - 2] == '=' ? 2 : 1;
}

bool ae_base64_valid (ae_slice text) {
  size_t pads = padding(text), digits = text.length - pads;
  unsigned seen = 0, last;
  if (text.length % 4 != 0) return false;
  if (digits == 0) return true;
  for (size_t i = 0; i < digits; i++) seen |= sextet(text.data[i]);
  if (seen > 63) return false;
  last = sextet(text.data[digits - 1]);
  return pads == 0 || (last & (pads == 1 ? 3u : 15u)) == 0;
}

size_t ae_base64_decoded_size (ae_slice text) {
  return text.length / 4 * 3 - padding(text);
}

void ae_base64_decode (ae_slice text, char *out) {
  size_t size = ae_base64_decoded_size(text), to = 0;
  for (size_t at = 0; at < text.length; at += 4) {
    uint32_t group = 0;
    for (size_t i = 0; i < 4; i++) group = group << 6 | (sextet(text.data[at + i]) & 63u);
    for (size_t i = 0; i < 3 && to < size; i++)
      out[to++] = (char)(group >> (16 - 8 * i) & 0xFF);
  }
}

size_t ae_base64_encoded_size (size_t length) {
  return (length + 2) / 3 * 4;
}

void ae_base64_encode (ae_slice octets, char *out) {
  const unsigned char *in = (const unsigned char *)octets.data;
  for (size_t at = 0; at < octets.length; at += 3) {
    size_t left = octets.length - at;
    uint32_t group = (uint32_t)in[at] << 16;
    if (left > 1) group |= (uint32_t)in[at + 1] << 8;
    if (left > 2) group |= in[at + 2];
    *out++ = alphabet[group >> 18];
    *out++ = alphabet[group >> 12 & 63];
    *out++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
    *out++ = left > 2 ? alphabet[group & 63] : '=';
  }
}
