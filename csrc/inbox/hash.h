/*
** hash.h: the 64-bit hashes of the inbox.
*/
#ifndef ALTINN_EVENTS_INBOX_HASH_H
#define ALTINN_EVENTS_INBOX_HASH_H

#include "core/slice.h"

#define AE_HASH_START UINT64_C(14695981039346656037)

/* FNV-1a of `text`, continued from `value`; begin with AE_HASH_START. */
static inline uint64_t ae_hash (uint64_t value, ae_slice text) {
  for (size_t i = 0; i < text.length; i++)
    value = (value ^ (uint8_t)text.data[i]) * UINT64_C(1099511628211);
  return value;
}

/* The number of the line of a rule's runs with one order key, never 0. */
static inline uint64_t ae_hash_line (ae_slice rule, ae_slice key) {
  uint64_t line = ae_hash(ae_hash(ae_hash(AE_HASH_START, rule), AE_LITERAL("\n")), key);
  return line == 0 ? 1 : line;
}

/* The hash of a run. Runs of one rule collide only where the hash would be 0:
** it becomes 1. */
static inline uint64_t ae_hash_run (uint64_t rule, int64_t sequence) {
  uint64_t h = rule ^ ((uint64_t)sequence * UINT64_C(0x9E3779B97F4A7C15));
  return h == 0 ? 1 : h;
}

#endif
