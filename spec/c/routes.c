/*
** routes.c: an event that was read at reception is not read again to find its
** rules and their keys: its text may be anything.
*/
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/routes.h"

static ae_heads *heads_of (void) {
  ae_alternative text = {false, AE_LITERAL("x.wanted")};
  ae_condition condition = {AE_LITERAL("type"), AE_IS, &text, 1};
  ae_heads *heads = ae_heads_new(2);
  ae_error error;
  if (heads == NULL ||
      ae_heads_add(heads, AE_LITERAL("one"), true, AE_LITERAL("subject"), &condition, 1,
                   &error) != AE_OK ||
      ae_heads_add(heads, AE_LITERAL("two"), false, (ae_slice){NULL, 0}, &condition, 1,
                   &error) != AE_OK)
    abort();
  return heads;
}

static void read_event (ae_event *event, ae_attribute *attributes, char *text) {
  ae_faults faults = {.count = 0};
  event->attributes = attributes;
  event->capacity = 16;
  if (ae_event_parse(event, text, strlen(text), NULL, &faults, NULL) != AE_OK) abort();
}

int main (void) {
  char text[] = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/x\",\"type\":\"x.wanted\","
                "\"subject\":\"somebody\"}";
  ae_slice body = {text, sizeof text - 1}, none = AE_LITERAL("no event"), rules[2], key;
  char copy[sizeof text];
  ae_attribute attributes[16];
  ae_event event;
  ae_routes routes;
  size_t count;
  memcpy(copy, text, sizeof text);
  read_event(&event, attributes, copy);
  ae_routes_init(&routes);
  ae_routes_replace(&routes, heads_of());
  count = ae_routes_match(&routes, none, &event, rules, 2);
  key = ae_routes_key(&routes, none, &event, AE_LITERAL("one"));
  printf("read=%zu key=%.*s\n", count, (int)key.length, key.data);
  count = ae_routes_match(&routes, body, NULL, rules, 2);
  key = ae_routes_key(&routes, body, NULL, AE_LITERAL("one"));
  printf("stored=%zu key=%.*s\n", count, (int)key.length, key.data);
  printf("unreadable=%d ", ae_routes_match(&routes, none, NULL, rules, 2) == AE_MATCH_UNREADABLE);
  key = ae_routes_key(&routes, body, NULL, AE_LITERAL("two"));
  printf("unordered=%d\n", key.data == NULL);
  ae_routes_free(&routes);
  return 0;
}
