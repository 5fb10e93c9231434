/*
** differential.c: any bytes as JSON (libFuzzer), accepted or refused by our
** reader as by an independent one (Jansson). What Jansson bounds more than
** RFC 8259 does is left out: numbers beyond a double (§6), escapes of half
** a surrogate pair (§8.2), NUL in names, depth.
*/
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/event.h"
#include "core/json.h"
#include "core/judge.h"
#include "core/scan.h"

#define DEPTH 500

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static bool bounded_more (const json_error_t *error, ae_slice text) {
  switch (json_error_code(error)) {
    case json_error_numeric_overflow:
    case json_error_null_byte_in_key:
    case json_error_stack_overflow: return true;
    default: return ae_json_has_lone(text);
  }
}

/* The payload of an event is accepted as a text alone is. */
static void as_payload (ae_slice json, bool good) {
  static const char before[] = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/\",\"type\":\"t\",\"data\":";
  ae_attribute attributes[16];
  ae_event event = { .attributes = attributes, .capacity = 16 };
  ae_faults faults;
  ae_limits limits = { 1u << 24, DEPTH + 1 };
  size_t length = sizeof before - 1 + json.length + 1;
  char *text = malloc(length);
  if (text == NULL) abort();
  memcpy(text, before, sizeof before - 1);
  if (json.length > 0) memcpy(text + sizeof before - 1, json.data, json.length);
  text[length - 1] = '}';
  ae_code code = ae_event_parse(&event, text, length, &limits, &faults, NULL);
  if (good && code != AE_OK) abort();
  free(text);
}

/* Our decoded form of a string is theirs. */
static void compare_string (ae_slice text, json_t *value) {
  char *out = malloc(text.length);
  bool lone;
  size_t at = 0, end = text.length;
  while (text.data[at] != '"') at++;
  while (text.data[end - 1] != '"') end--;
  size_t length = ae_json_decode((ae_slice){ text.data + at + 1, end - at - 2 }, out, &lone);
  if (lone || length != json_string_length(value) || memcmp(out, json_string_value(value), length) != 0) abort();
  if (!ae_text_is_utf8((ae_slice){ out, length })) abort();
  free(out);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  json_error_t why;
  ae_error error;
  char *copy = malloc(size ? size : 1);
  if (copy == NULL) abort();
  if (size > 0) memcpy(copy, data, size);
  ae_slice text = { copy, size };
  ae_code code = ae_json_check(text, DEPTH, &error);
  json_t *value = json_loadb(copy, size, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &why);
  if (code == AE_OK && value == NULL && !bounded_more(&why, text)) {
    fprintf(stderr, "refused by Jansson alone: %s\n", why.text);
    abort();
  }
  bool nul = size > 0 && memchr(copy, '\0', size) != NULL;  /* Jansson overlooks some */
  if (nul && code == AE_OK) abort();
  if (code == AE_SYNTAX && value != NULL && !nul) {
    fprintf(stderr, "refused by us alone: %s at %zu\n", error.message, error.position);
    abort();
  }
  if (code != AE_OK && code != AE_SYNTAX && code != AE_TOO_LARGE) abort();
  if (code == AE_OK && json_is_string(value)) compare_string(text, value);
  as_payload(text, code == AE_OK);
  json_decref(value);
  free(copy);
  return 0;
}
