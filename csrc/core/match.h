/*
** match.h: heads of rules compiled to one index. A head is a conjunction
** of conditions on context attributes; the index finds the heads that an
** event satisfies without trying each.
*/
#ifndef ALTINN_EVENTS_MATCH_H
#define ALTINN_EVENTS_MATCH_H

#include "core/event.h"

typedef struct ae_matcher ae_matcher;

typedef enum ae_test {
  AE_IS, /* one of the alternatives */
  AE_ABSENT,
  AE_PRESENT,
  AE_NO /* absent, or none of the alternatives */
} ae_test;

/* One alternative of a condition. */
typedef struct ae_alternative {
  bool prefix;
  ae_slice text;
} ae_alternative;

/* One condition on an attribute. Only AE_IS and AE_NO have alternatives. */
typedef struct ae_condition {
  ae_slice attribute;
  ae_test test;
  const ae_alternative *alternatives;
  size_t count;
} ae_condition;

/*
** A new matcher; NULL: no memory. All memory comes from malloc. A head of two
** equalities takes some 200 bytes (on 64 bits) besides its texts and names. A list in
** the key takes 12 to 24 bytes more for each combination; there are at most 64
** combinations, or as many as a single list is long. When memory runs out, the head is
** not added and nothing else changes.
*/
ae_matcher *ae_matcher_new (void);
void ae_matcher_free (ae_matcher *matcher);

/* Bytes that the matcher has asked malloc for, names of attributes aside. */
size_t ae_matcher_bytes (const ae_matcher *matcher);

/* Adds a head under the caller's number; copies all arguments. A head with that number
** is replaced, and counts as the last one added. The conditions may be those of the
** head that is replaced. */
ae_code ae_matcher_add (ae_matcher *matcher, uint32_t head, const ae_condition *conditions,
                        size_t count, ae_error *error);
bool ae_matcher_remove (ae_matcher *matcher, uint32_t head);

/*
** A deep copy of a matcher; NULL: no memory. Many threads may read a matcher, or one
** thread may change it. So a thread that changes heads while others match changes a
** copy, and publishes the copy for the next event.
*/
ae_matcher *ae_matcher_copy (const ae_matcher *matcher);

/*
** Writes the numbers of the matching heads, in the order added, to `out`
** (at most `capacity`), and returns how many there are. Only reads: threads may match
** at the same time as long as none adds or removes. When the result is more than
** `capacity`, the numbers are not in order and a head may count several times: call
** again with that much room.
*/
size_t ae_matcher_match (const ae_matcher *matcher, const ae_event *event, uint32_t *out,
                         size_t capacity);

/* Whether condition `index` (from 0) of a head holds for an event: for explanations. It
** tests the condition as it was given; the index of heads is not used. */
bool ae_matcher_holds (const ae_matcher *matcher, uint32_t head, size_t index,
                       const ae_event *event);
size_t ae_matcher_conditions (const ae_matcher *matcher, uint32_t head,
                              const ae_condition **conditions);

#endif
