/*
** event.c: any bytes as an event (libFuzzer). What must hold: no crash, no
** read outside the input; an event that is accepted is written and accepted
** again; a second writing gives the same text.
** Run by `make fuzz`; FUZZ_SECONDS bounds it.
*/
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../csrc/core/catalogue.h"

#define CAPACITY 200

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Reads `length` bytes of `text`, which is written over. */
static bool accepts (char *text, size_t length, ae_event *event,
                     ae_attribute *attributes) {
  ae_faults faults;
  ae_error error;
  memset(event, 0, sizeof *event);
  memset(&faults, 0, sizeof faults);
  event->attributes = attributes;
  event->capacity = CAPACITY;
  return ae_event_parse(event, text, length, &ae_default_limits, &faults,
                        &error) == AE_OK;
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
  if (!accepts(copy, first_length, &second, attributes)) abort();
  other = written(&second, &second_length);
  if (first_length != second_length || memcmp(first, other, first_length) != 0)
    abort();
  free(first);
  free(copy);
  free(other);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  ae_attribute attributes[CAPACITY];
  ae_event event;
  char *text = malloc(size ? size : 1);  /* exactly: a read beyond is seen */
  if (text == NULL) abort();
  if (size) memcpy(text, data, size);
  if (accepts(text, size, &event, attributes)) {
    find_all(&event);
    again(&event);
  }
  free(text);
  return 0;
}
