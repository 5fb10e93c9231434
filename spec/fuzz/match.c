/*
** match.c: heads that come and go, and events, from any bytes (libFuzzer).
** The matcher must find what trying each head finds, in the order added, and
** explain it the same way; so must its copy.
*/
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/match.h"

#define HEADS 48
#define CONDITIONS 4
#define ALTERNATIVES 6
#define TEXTS 16384

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

typedef struct bytes { const uint8_t *at; size_t left; } bytes;

typedef struct wanted {
  bool there;
  unsigned rank;
  size_t count;
  ae_condition conditions[CONDITIONS];
  ae_alternative alternatives[CONDITIONS][ALTERNATIVES];
} wanted;

typedef struct world {
  ae_matcher *matcher;
  unsigned ranks;
  wanted heads[HEADS];
  char texts[TEXTS];  /* of the heads, used in a ring */
  size_t text_at;
} world;

static const ae_slice names[] = {
  AE_LITERAL("type"), AE_LITERAL("subject"), AE_LITERAL("x"), AE_LITERAL("y"), AE_LITERAL("resource")
};

static unsigned next (bytes *b, unsigned most) {
  if (b->left == 0) return 0;
  b->left--;
  return *b->at++ % most;
}

/* A short text of few letters, or a long one. Stays where it is. */
static ae_slice next_text (world *w, bytes *b) {
  unsigned kind = next(b, 16);
  size_t length = kind < 12 ? kind % 5 : (kind - 11) * 17;
  if (w->text_at + length > TEXTS) w->text_at = 0;
  char *text = w->texts + w->text_at;
  for (size_t i = 0; i < length; i++) text[i] = i < 4 ? "ab1t"[next(b, 4)] : 'a';
  if (kind == 11) memcpy(text, "true", length < 4 ? length : 4);
  w->text_at += length;
  return (ae_slice){ text, length };
}

static void fill_head (world *w, bytes *b, wanted *head) {
  head->count = next(b, CONDITIONS + 1);
  for (size_t i = 0; i < head->count; i++) {
    ae_condition *c = &head->conditions[i];
    c->attribute = names[next(b, sizeof names / sizeof *names)];
    c->test = (ae_test)next(b, 4);
    c->alternatives = head->alternatives[i];
    c->count = next(b, ALTERNATIVES + 1);
    for (size_t j = 0; j < c->count; j++) {
      head->alternatives[i][j].prefix = next(b, 2);
      head->alternatives[i][j].text = next_text(w, b);
    }
  }
}

static bool holds (const ae_condition *c, ae_slice value) {
  bool one = false;
  for (size_t i = 0; i < c->count; i++) {
    ae_slice text = c->alternatives[i].text;
    if (value.data == NULL || value.length < text.length || memcmp(value.data, text.data, text.length) != 0) continue;
    one |= c->alternatives[i].prefix || value.length == text.length;
  }
  switch (c->test) {
    case AE_IS: return one;
    case AE_ABSENT: return value.data == NULL;
    case AE_PRESENT: return value.data != NULL;
    case AE_NO: return !one;
  }
  return false;
}

/* The text of an attribute; numbers and booleans by their canonical form. */
static ae_slice value_of (const ae_event *event, ae_slice name) {
  const ae_attribute *attribute = ae_event_find(event, name);
  if (attribute == NULL) return (ae_slice){ NULL, 0 };
  if (attribute->kind == AE_BOOLEAN) return attribute->integer ? AE_LITERAL("true") : AE_LITERAL("false");
  if (attribute->kind == AE_INTEGER) return attribute->integer == 1 ? AE_LITERAL("1") : AE_LITERAL("-11");
  return ae_attribute_text(event, attribute);
}

static bool head_holds (const world *w, uint32_t number, const ae_event *event) {
  const wanted *head = &w->heads[number];
  bool all = true;
  for (size_t i = 0; i < head->count; i++) {
    bool one = holds(&head->conditions[i], value_of(event, head->conditions[i].attribute));
    if (one != ae_matcher_holds(w->matcher, number, i, event)) abort();
    all &= one;
  }
  return all;
}

/* What comes next of the heads by rank, after `rank`; HEADS: none. */
static uint32_t after (const world *w, unsigned rank) {
  uint32_t best = HEADS;
  for (uint32_t i = 0; i < HEADS; i++)
    if (w->heads[i].there && w->heads[i].rank > rank && (best == HEADS || w->heads[i].rank < w->heads[best].rank))
      best = i;
  return best;
}

static void match (const world *w, const ae_event *event) {
  uint32_t found[HEADS * 64], few[1];
  size_t at = 0, count = ae_matcher_match(w->matcher, event, found, sizeof found / sizeof *found);
  for (uint32_t i = after(w, 0); i < HEADS; i = after(w, w->heads[i].rank)) {
    if (!head_holds(w, i, event)) continue;
    if (at == count || found[at++] != i) abort();
  }
  if (at != count) abort();
  if ((ae_matcher_match(w->matcher, event, few, 1) == 0) != (count == 0)) abort();
  if (ae_matcher_bytes(w->matcher) == 0) abort();
}

static void add_value (world *w, bytes *b, char *text, size_t *length, ae_slice name) {
  unsigned kind = next(b, 6);
  if (kind == 0) return;
  ae_slice value = next_text(w, b);
  if (kind == 1) value = AE_LITERAL("true");
  if (kind == 2) value = next(b, 2) ? AE_LITERAL("1") : AE_LITERAL("-11");
  const char *quote = kind < 3 ? "" : "\"";
  text[(*length)++] = ',';
  text[(*length)++] = '"';
  memcpy(text + *length, name.data, name.length);
  *length += name.length;
  memcpy(text + *length, "\":", 2);
  *length += 2;
  memcpy(text + *length, quote, strlen(quote));
  *length += strlen(quote);
  memcpy(text + *length, value.data, value.length);
  *length += value.length;
  memcpy(text + *length, quote, strlen(quote));
  *length += strlen(quote);
}

static void try_event (world *w, bytes *b) {
  char text[1024] = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/\"";
  size_t length = strlen(text);
  ae_attribute attributes[16];
  ae_event event = { .attributes = attributes, .capacity = 16 };
  ae_faults faults;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) add_value(w, b, text, &length, names[i]);
  text[length++] = '}';
  if (ae_event_parse(&event, text, length, NULL, &faults, NULL) == AE_OK) match(w, &event);
}

static void change (world *w, bytes *b) {
  uint32_t number = next(b, HEADS);
  wanted *head = &w->heads[number];
  if (next(b, 4) == 0) {
    if (ae_matcher_remove(w->matcher, number) != head->there) abort();
    head->there = false;
    return;
  }
  memset(head, 0, sizeof *head);
  fill_head(w, b, head);
  if (ae_matcher_add(w->matcher, number, head->conditions, head->count, NULL) != AE_OK) abort();
  head->there = true;
  head->rank = ++w->ranks;
}

static void copy (world *w) {
  ae_matcher *other = ae_matcher_copy(w->matcher);
  if (other == NULL) abort();
  ae_matcher_free(w->matcher);
  w->matcher = other;
}

/* Replaces a head by its own conditions: it becomes the last. */
static void renew (world *w, bytes *b) {
  uint32_t number = next(b, HEADS);
  const ae_condition *conditions;
  size_t count = ae_matcher_conditions(w->matcher, number, &conditions);
  if (!w->heads[number].there) return;
  if (ae_matcher_add(w->matcher, number, conditions, count, NULL) != AE_OK) abort();
  w->heads[number].rank = ++w->ranks;
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  static world w;
  bytes b = { data, size };
  memset(&w, 0, sizeof w);
  w.matcher = ae_matcher_new();
  if (w.matcher == NULL) abort();
  /* The texts of the heads must last: a ring is not gone round. */
  while (b.left > 0 && w.text_at < TEXTS - 2500) {
    unsigned what = next(&b, 8);
    if (what < 5) change(&w, &b);
    else if (what == 5 && next(&b, 2)) copy(&w);
    else if (what == 5) renew(&w, &b);
    else try_event(&w, &b);
  }
  try_event(&w, &b);
  ae_matcher_free(w.matcher);
  return 0;
}
