/*
** json.h: a strict reader of JSON (RFC 8259) over a range of bytes. It
** checks and walks; it builds nothing. UTF-8 is checked (RFC 3629).
*/
#ifndef ALTINN_EVENTS_JSON_H
#define ALTINN_EVENTS_JSON_H

#include "core/slice.h"

typedef enum ae_json_kind {
  AE_JSON_NULL,
  AE_JSON_FALSE,
  AE_JSON_TRUE,
  AE_JSON_NUMBER,
  AE_JSON_STRING,
  AE_JSON_ARRAY,
  AE_JSON_OBJECT
} ae_json_kind;

/* The state of a reader. `at` is an offset; errors have the position at + 1. */
typedef struct ae_json {
  const char *text;
  size_t length, at;
  uint32_t depth, max_depth;
} ae_json;

/* A value that was passed over: its kind and its text, with the quotes of a string. */
typedef struct ae_json_value {
  ae_json_kind kind;
  bool plain; /* strings: no backslash inside */
  bool ascii; /* strings: only U+0020 to U+007E and no backslash */
  size_t at, length;
} ae_json_value;

/* Passes over white space. */
void ae_json_blank (ae_json *json);

/* Passes over one complete value, checking all of it. */
ae_code ae_json_skip (ae_json *json, ae_json_value *value, ae_error *error);

/* Checks that `text` is exactly one JSON value with white space around. */
ae_code ae_json_check (ae_slice text, uint32_t max_depth, ae_error *error);

/*
** Decodes the inside of a checked JSON string (without its quotes) into
** `out`, which may be the string's own first byte: decoding never grows it.
** Returns the decoded length. A lone surrogate is written in the manner of
** UTF-8 (three bytes that are no UTF-8) and *lone is set.
*/
size_t ae_json_decode (ae_slice inside, char *out, bool *lone);

#endif
