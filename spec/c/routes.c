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
  const ae_head_words words[] = {
    {AE_LITERAL("one"), AE_BY_ATTRIBUTE, AE_LITERAL("subject"), 0, &condition, 1},
    {AE_LITERAL("two"), AE_UNORDERED, {NULL, 0}, 7, &condition, 1},
    {AE_LITERAL("three"), AE_BY_CONSTANT, AE_LITERAL("the printer"), 0, &condition, 1}};
  ae_heads *heads = ae_heads_new(3);
  ae_error error;
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (heads == NULL || ae_heads_add(heads, &words[i], &error) != AE_OK) abort();
  return heads;
}

static void read_event (ae_event *event, ae_attribute *attributes, char *text) {
  ae_faults faults = {.count = 0};
  event->attributes = attributes;
  event->capacity = 16;
  if (ae_event_parse(event, text, strlen(text), NULL, &faults, NULL) != AE_OK) abort();
}

int main (void) {
  char text[] =
    "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/x\",\"type\":\"x.wanted\","
    "\"subject\":\"somebody\"}";
  ae_slice body = {text, sizeof text - 1}, none = AE_LITERAL("no event"), rules[3], key;
  char copy[sizeof text];
  ae_attribute attributes[16];
  ae_event event;
  ae_routes routes;
  size_t count;
  memcpy(copy, text, sizeof text);
  read_event(&event, attributes, copy);
  ae_routes_init(&routes);
  ae_routes_replace(&routes, heads_of());
  count = ae_routes_match(&routes, none, &event, rules, 3);
  key = ae_routes_key(&routes, none, &event, AE_LITERAL("one"));
  printf("read=%zu key=%.*s\n", count, (int)key.length, key.data);
  count = ae_routes_match(&routes, body, NULL, rules, 3);
  key = ae_routes_key(&routes, body, NULL, AE_LITERAL("one"));
  printf("stored=%zu key=%.*s\n", count, (int)key.length, key.data);
  printf("unreadable=%d ",
         ae_routes_match(&routes, none, NULL, rules, 3) == AE_MATCH_UNREADABLE);
  key = ae_routes_key(&routes, body, NULL, AE_LITERAL("two"));
  printf("unordered=%d\n", key.data == NULL);
  key = ae_routes_key(&routes, body, NULL, AE_LITERAL("three"));
  printf("constant=%.*s at_once=%zu,%zu\n", (int)key.length, key.data,
         ae_routes_at_once(&routes, AE_LITERAL("one")),
         ae_routes_at_once(&routes, AE_LITERAL("two")));
  ae_routes_free(&routes);
  return 0;
}
