/*
** match_head.c: copies a head's conditions, so that the caller's need not stay.
*/
#include "core/match_head.h"

#include <stdlib.h>

size_t ae_match_head_bytes (const ae_condition *conditions, size_t count) {
  size_t size = count * (sizeof(ae_condition) + 1);
  for (size_t i = 0; i < count; i++) {
    size += conditions[i].attribute.length + conditions[i].count * sizeof(ae_alternative);
    for (size_t j = 0; j < conditions[i].count; j++)
      size += conditions[i].alternatives[j].text.length;
  }
  return size + 1;
}

static ae_slice copy_text (ae_slice text, char **at) {
  ae_slice copy = {*at, text.length};
  if (text.length > 0) memcpy(*at, text.data, text.length);
  *at += text.length;
  return copy;
}

_Static_assert(sizeof(ae_condition) % _Alignof(ae_alternative) == 0,
               "alternatives follow conditions in the block");

/* The block: conditions, alternatives, the index of each field, texts. */
bool ae_match_head_copy (ae_match_head *head, const ae_condition *conditions, size_t count) {
  char *block = malloc(ae_match_head_bytes(conditions, count));
  if (!block) return false;
  head->conditions = (ae_condition *)(void *)block;
  head->count = count;
  ae_alternative *alternatives = (ae_alternative *)(void *)(block +
                                                            count * sizeof(ae_condition));
  size_t total = 0;
  for (size_t i = 0; i < count; i++) total += conditions[i].count;
  head->fields = (uint8_t *)(alternatives + total);
  char *at = (char *)(head->fields + count);
  for (size_t i = 0; i < count; i++) {
    ae_condition *c = &head->conditions[i];
    *c = conditions[i];
    c->attribute = copy_text(conditions[i].attribute, &at);
    for (size_t j = 0; j < c->count; j++) {
      alternatives[j].prefix = conditions[i].alternatives[j].prefix;
      alternatives[j].text = copy_text(conditions[i].alternatives[j].text, &at);
    }
    c->alternatives = alternatives;
    alternatives += c->count;
  }
  return true;
}

void ae_match_head_clear (ae_match_head *head) {
  free(head->conditions);
  *head = (ae_match_head){0};
}
