/* Reads an event from standard input and prints its type: the core without Lua.
** make build/lua5.4/libaltinn-events-core.a
** cc -Icsrc/core examples/parse.c build/lua5.4/libaltinn-events-core.a -o parse */
#include <stdio.h>
#include "event.h"

int main (void) {
  static char text[AE_DEFAULT_MAX_BYTES];
  ae_attribute attributes[32];
  ae_event event = { .attributes = attributes, .capacity = 32 };
  ae_faults faults;
  ae_error error;
  size_t length = fread(text, 1, sizeof text, stdin);
  ae_code code = ae_event_parse(&event, text, length, NULL, &faults, &error);
  ae_slice type = code == AE_OK ? ae_event_text(&event, AE_TYPE) : AE_LITERAL("no event");
  printf("%.*s%s%s\n", (int)type.length, type.data, code == AE_OK ? "" : ": ", code == AE_OK ? "" : error.message);
  return code != AE_OK;
}
