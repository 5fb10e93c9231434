/*
** event.c: any bytes as an event or a batch of them (libFuzzer). What must
** hold: no crash, no read outside the input; reading without writing comes to
** the same; an event that is accepted is written and accepted again; a second
** writing gives the same text; a batch's elements lie inside it.
** Run by `make fuzz`; FUZZ_SECONDS bounds it.
*/
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/catalogue.h"

#define CAPACITY 200

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Without writing: the same, or that there are escapes. */
static void only_read (const char *text, size_t length, ae_code code) {
  static ae_attribute attributes[CAPACITY];
  static ae_faults faults;
  ae_event event = { .attributes = attributes, .capacity = CAPACITY };
  ae_code seen = ae_event_read(&event, text, length, &ae_default_limits, &faults, NULL);
  if (seen == code) return;
  if (seen != AE_MEMORY || memchr(text, '\\', length) == NULL) abort();
}

/* Reads `length` bytes of `text`, which is written over. */
static ae_code read_event (char *text, size_t length, ae_event *event,
                           ae_attribute *attributes) {
  ae_faults faults;
  ae_error error;
  memset(event, 0, sizeof *event);
  memset(&faults, 0, sizeof faults);
  event->attributes = attributes;
  event->capacity = CAPACITY;
  return ae_event_parse(event, text, length, &ae_default_limits, &faults,
                        &error);
}

/* Writes an event into fresh memory of exactly the size needed. */
static char *written (const ae_event *event, size_t *length) {
  char *text;
  *length = ae_event_encode(event, NULL, 0);
  text = malloc(*length + 1);
  if (text == NULL || ae_event_encode(event, text, *length) != *length) abort();
  return text;
}

/* Each attribute is found by its name; it means something or nothing. */
static void find_all (const ae_event *event) {
  ae_meaning meaning;
  ae_describe(event, &meaning);
  for (uint32_t i = 0; i < event->count; i++) {
    ae_slice name = ae_attribute_name(event, &event->attributes[i]);
    if (ae_event_find(event, name) != &event->attributes[i]) abort();
  }
  if (ae_event_find(event, AE_LITERAL("nobodygivesthisname")) != NULL) abort();
}

static void again (const ae_event *event) {
  ae_attribute attributes[CAPACITY];
  ae_event second;
  size_t first_length, second_length;
  char *first = written(event, &first_length);
  char *copy = malloc(first_length + 1), *other;
  if (copy == NULL) abort();
  memcpy(copy, first, first_length);
  if (read_event(copy, first_length, &second, attributes) != AE_OK) abort();
  other = written(&second, &second_length);
  if (first_length != second_length || memcmp(first, other, first_length) != 0)
    abort();
  free(first);
  free(copy);
  free(other);
}

static void walk_batch (ae_slice text) {
  ae_batch batch;
  ae_slice element;
  if (ae_batch_open(&batch, text, &ae_default_limits, NULL) != AE_OK) return;
  while (ae_batch_next(&batch, &element))
    if (element.data < text.data ||
        element.data + element.length > text.data + text.length) abort();
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  ae_attribute attributes[CAPACITY];
  ae_event event;
  ae_code code;
  /* Exactly: a read beyond is seen. */
  char *text = malloc(size ? size : 1), *copy = malloc(size ? size : 1);
  if (text == NULL || copy == NULL) abort();
  if (size) memcpy(text, data, size);
  if (size) memcpy(copy, data, size);
  walk_batch((ae_slice){ copy, size });
  code = read_event(text, size, &event, attributes);
  only_read(copy, size, code);
  if (code == AE_OK) {
    find_all(&event);
    again(&event);
  }
  free(text);
  free(copy);
  return 0;
}
