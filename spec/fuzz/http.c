/*
** http.c: any bytes as an HTTP message (libFuzzer): lines of "name: value",
** an empty line, a body. An event of binary mode that is accepted is written
** as JSON, accepted again, and means the same.
*/
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/event.h"

#define HEADERS 32
#define CAPACITY 40

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Takes a line off the front of *rest. */
static ae_slice next_line (ae_slice *rest) {
  const char *end = rest->length > 0 ? memchr(rest->data, '\n', rest->length) : NULL;
  ae_slice line = { rest->data, end ? (size_t)(end - rest->data) : rest->length };
  size_t taken = line.length + (end != NULL);
  rest->data += taken;
  rest->length -= taken;
  return line;
}

static size_t split (ae_slice *rest, ae_header *headers) {
  size_t count = 0;
  while (rest->length > 0 && count < HEADERS) {
    ae_slice line = next_line(rest);
    const char *colon = line.length > 0 ? memchr(line.data, ':', line.length) : NULL;
    if (line.length == 0) break;
    size_t name = colon ? (size_t)(colon - line.data) : line.length;
    size_t value = name + (colon != NULL);
    while (value < line.length && line.data[value] == ' ') value++;
    headers[count].name = (ae_slice){ line.data, name };
    headers[count++].value = (ae_slice){ line.data + value, line.length - value };
  }
  return count;
}

/* Each attribute is found again, with the same text. */
static void compare (const ae_event *event, const ae_event *again) {
  if (event->count != again->count) abort();
  for (uint32_t i = 0; i < event->count; i++) {
    const ae_attribute *one = &event->attributes[i];
    const ae_attribute *other = ae_event_find(again, ae_attribute_name(event, one));
    if (other == NULL || !ae_slice_equal(ae_attribute_text(event, one), ae_attribute_text(again, other)))
      abort();
  }
}

static void write_and_read (const ae_event *event) {
  ae_attribute attributes[CAPACITY];
  ae_event again = { .attributes = attributes, .capacity = CAPACITY };
  ae_faults faults;
  ae_limits limits = { 1u << 24, AE_DEFAULT_MAX_DEPTH };
  size_t length = ae_event_encode(event, NULL, 0);
  char *text = malloc(length);
  if (text == NULL || ae_event_encode(event, text, length) != length) abort();
  if (ae_event_parse(&again, text, length, &limits, &faults, NULL) != AE_OK) abort();
  compare(event, &again);
  free(text);
}

static void binary (const ae_header *headers, size_t count, ae_slice body) {
  ae_attribute attributes[CAPACITY];
  ae_event event = { .attributes = attributes, .capacity = CAPACITY };
  ae_faults faults;
  ae_error error;
  size_t size = ae_binary_size(headers, count, body.length);
  char *buffer = malloc(size ? size : 1);
  if (buffer == NULL) abort();
  faults.count = 0;
  if (ae_event_from_binary(&event, buffer, size, headers, count, body, NULL, &faults, &error) == AE_OK)
    write_and_read(&event);
  free(buffer);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  ae_header headers[HEADERS];
  char *copy = malloc(size ? size : 1);
  if (copy == NULL) abort();
  if (size > 0) memcpy(copy, data, size);
  ae_slice body = { copy, size };
  size_t count = split(&body, headers);
  (void)ae_http_mode(headers, count);
  binary(headers, count, body);
  free(copy);
  return 0;
}
