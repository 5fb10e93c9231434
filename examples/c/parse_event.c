// The core without Lua: reads an event from standard input, prints its type.
// cc -std=c11 -Icsrc examples/c/parse_event.c csrc/core/*.c -o parse_event
#include <stdio.h>
#include "core/event.h"

int main (void) {
  static char text[AE_DEFAULT_MAX_BYTES];
  ae_attribute attributes[64];
  ae_event event = { .attributes = attributes, .capacity = 64 };
  ae_faults faults;
  ae_error error;
  size_t length = fread(text, 1, sizeof text, stdin);
  ae_code code = ae_event_parse(&event, text, length, NULL, &faults, &error);
  if (code != AE_OK)
    return fprintf(stderr, "%s at byte %zu: %s\n", ae_code_name(code), error.position, error.message), 1;
  const ae_attribute *type = &attributes[event.known[AE_TYPE]];
  printf("%.*s\n", (int)type->value_length, event.text + type->value);
}
