/*
** match_head.h: a head of the matcher: one block with copies of its conditions and of
** all texts that they point to.
*/
#ifndef ALTINN_EVENTS_MATCH_HEAD_H
#define ALTINN_EVENTS_MATCH_HEAD_H

#include "core/match.h"

typedef struct ae_match_head {
  ae_condition *conditions; /* the block; NULL: the place is free */
  size_t count;
  uint8_t *fields;    /* of each condition, in the block: index into
                                matcher->fields */
  uint64_t rank : 56; /* order added */
  uint64_t filed : 8; /* filing of match.c */
} ae_match_head;

/* Copies conditions into a free head; does not set head->fields. False: no memory,
** nothing has changed. */
bool ae_match_head_copy (ae_match_head *head, const ae_condition *conditions, size_t count);

/* Frees what the head holds; its place is free afterwards. */
void ae_match_head_clear (ae_match_head *head);

/* Bytes of the block that ae_match_head_copy makes; never 0, so that a head without
** conditions has a block too. */
size_t ae_match_head_bytes (const ae_condition *conditions, size_t count);

#endif
