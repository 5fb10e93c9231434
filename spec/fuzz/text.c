/*
** text.c: any bytes as each kind of text that an attribute can hold
** (libFuzzer): addresses, times, media types, Base64, words of the
** catalogue, parties, identity numbers; and the ways of sweeping for marks.
*/
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/catalogue.h"
#include "core/judge.h"
#include "core/marks.h"
#include "core/mask.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void must (bool good) { if (!good) abort(); }

static char *room (size_t size) {
  char *memory = malloc(size ? size : 1);
  must(memory != NULL);
  return memory;
}

/* What is written can be read, and what can be read is written the same. */
static void base64 (ae_slice text) {
  size_t length = ae_base64_encoded_size(text.length);
  char *encoded = room(length), *octets = room(ae_base64_decoded_size((ae_slice){ encoded, 0 }) + text.length + 3);
  ae_base64_encode(text, encoded);
  must(ae_base64_valid((ae_slice){ encoded, length }));
  must(ae_base64_decoded_size((ae_slice){ encoded, length }) == text.length);
  ae_base64_decode((ae_slice){ encoded, length }, octets);
  must(text.length == 0 || memcmp(octets, text.data, text.length) == 0);
  if (ae_base64_valid(text)) {
    size_t decoded = ae_base64_decoded_size(text);
    must(ae_base64_encoded_size(decoded) == text.length && decoded <= text.length);
    ae_base64_decode(text, octets);
    ae_base64_encode((ae_slice){ octets, decoded }, encoded);
    must(text.length == 0 || memcmp(encoded, text.data, text.length) == 0);
  }
  free(encoded);
  free(octets);
}

/* Masking twice is masking once. */
static void mask (ae_slice text) {
  char *once = room(text.length), *twice = room(text.length);
  ae_mask(text, once);
  ae_mask((ae_slice){ once, text.length }, twice);
  must(text.length == 0 || memcmp(once, twice, text.length) == 0);
  free(once);
  free(twice);
}

static void quote (ae_slice text) {
  size_t length = ae_json_quote(text, NULL, 0), decoded;
  char *quoted = room(length);
  bool lone;
  must(ae_json_quote(text, quoted, length) == length);
  must((ae_json_check((ae_slice){ quoted, length }, 1, NULL) == AE_OK) == ae_text_is_utf8(text));
  decoded = ae_json_decode((ae_slice){ quoted + 1, length - 2 }, quoted, &lone);
  must(decoded == text.length && !lone && (decoded == 0 || memcmp(quoted, text.data, decoded) == 0));
  free(quoted);
}

/* The form that addresses have as a rule is judged as every other is. */
static void scheme (ae_slice text) {
  const char *reason = NULL;
  char *one = room(text.length + 8);
  ae_slice address = { one, text.length + 8 };
  memcpy(one, "https://", 8);
  if (text.length > 0) memcpy(one + 8, text.data, text.length);
  bool good = ae_uri_reference(address, &reason);
  one[4] = 'x';
  must(ae_uri_reference(address, &reason) == good);
  free(one);
}

/* An address that is absolute is a reference, too. */
static void grammar (ae_slice text) {
  const char *reason = NULL;
  ae_timestamp time;
  if (ae_uri_absolute(text, &reason)) must(ae_uri_reference(text, &reason));
  else must(reason != NULL);
  if (ae_timestamp_parse(text, &time, &reason)) must(time.nanoseconds >= 0 && time.nanoseconds <= 999999999);
  if (ae_media_type_valid(text)) must(ae_media_type_bare(text).length > 2);
  if (ae_text_reason(text) == NULL) must(ae_text_is_utf8(text));
}

static void catalogue (ae_slice text) {
  const char *near = ae_catalogue_suggest(text);
  const ae_event_type *type = ae_catalogue_name(text);
  if (type != NULL) must(ae_catalogue_type((ae_slice){ type->type, strlen(type->type) }) == type);
  if (near != NULL) {
    ae_slice word = { near, strlen(near) };
    must(ae_catalogue_name(word) != NULL || ae_catalogue_type(word) != NULL);
  }
}

/* An event whose type, source and parties are the text, built by hand. */
static void describe (char *text, size_t length) {
  static const char names[] = "idtypesourcesubjectalternativesubjectresourceinstancespecversion1.0";
  static const uint8_t lengths[] = { 2, 4, 6, 7, 18, 16, 11 };
  ae_attribute slots[7];
  ae_event event = { .attributes = slots, .capacity = 7 };
  ae_faults faults;
  ae_meaning meaning;
  char *buffer = room(sizeof names + length);
  uint32_t at = 0;
  memcpy(buffer, names, sizeof names);
  if (length > 0) memcpy(buffer + sizeof names, text, length);
  ae_event_begin(&event, buffer);
  for (size_t i = 0; i < sizeof lengths; at += lengths[i++]) {
    ae_attribute one = { .name = at, .name_length = lengths[i], .kind = AE_STRING, .value = sizeof names,
                         .value_length = (uint32_t)length };
    if (i + 1 == sizeof lengths) one.value = at + lengths[i], one.value_length = 3;
    must(ae_event_add(&event, &one));
  }
  must(!ae_event_add(&event, &slots[0]));
  event.count = 7;
  faults.count = 0;
  if (ae_event_judge(&event, &faults, NULL) == AE_OK) {
    ae_describe(&event, &meaning);
    must(ae_publisher_name(meaning.publisher) != NULL && ae_party_kind_name(meaning.party.kind) != NULL);
    (void)ae_about_name(meaning.about);
  }
  free(buffer);
}

static void sweep (ae_slice text) {
  static ae_marks plain, other;
  size_t from = text.length > 0 ? (unsigned char)text.data[0] % text.length : 0;
  ae_marks_sweep(&plain, text, from, AE_SWEEP_WORDS);
  for (ae_sweep how = AE_SWEEP_SSE2; how <= AE_SWEEP_BEST; how++) {
    size_t i = 0;
    ae_marks_sweep(&other, text, from, how);
    must(other.end == plain.end);
    do must(other.at[i] == plain.at[i]);
    while (plain.at[i++] != plain.end);
  }
}

static void names (void) {
  const char *name;
  ae_slice host;
  for (int code = 0; code <= AE_CODE_COUNT; code++) must(ae_code_name((ae_code)code) != NULL);
  for (size_t i = 0; ae_environment(i, &name, &host); i++) must(name != NULL && host.length > 0);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  char *copy = room(size);
  ae_slice text = { copy, size };
  if (size > 0) memcpy(copy, data, size);
  base64(text);
  mask(text);
  quote(text);
  grammar(text);
  scheme(text);
  if (size < 40) catalogue(text);  /* its distances are slow when each comparison is traced */
  describe(copy, size);
  sweep(text);
  names();
  free(copy);
  return 0;
}
