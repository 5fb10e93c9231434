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
** Memory: malloc. NULL when there is none. A head of two equalities takes
** some 200 bytes (on 64 bits) beside its texts and names; a list as part of
** the key takes 12 to 24 bytes more for each combination, of which there are
** 64 at most, or as many as one list is long. Where memory runs out the head
** is not there, and all else is as it was.
*/
ae_matcher *ae_matcher_new (void);
void ae_matcher_free (ae_matcher *matcher);

/* Bytes that the matcher has asked malloc for, names of attributes aside. */
size_t ae_matcher_bytes (const ae_matcher *matcher);

/* Adds a head under a number of the caller's; copies all it is given.
** Adding a number that is there replaces it, as the last one added; the
** conditions may be those of the head that is replaced. */
ae_code ae_matcher_add (ae_matcher *matcher, uint32_t head, const ae_condition *conditions,
                        size_t count, ae_error *error);
bool ae_matcher_remove (ae_matcher *matcher, uint32_t head);

/*
** A matcher with the same heads, which has nothing in common with the first:
** NULL when there is no memory. A matcher may be read by many threads, or be
** changed by one. So heads come and go while others match: who changes them
** changes a copy, and puts it where the others find it for their next event.
*/
ae_matcher *ae_matcher_copy (const ae_matcher *matcher);

/*
** Writes the numbers of the matching heads, in the order added, to `out`
** (at most `capacity`) and returns how many there are. Only reads: threads
** may match at the same time as long as none adds or removes. With more than
** `capacity` the order is not made, and a head may count several times: call
** again with room for all.
*/
size_t ae_matcher_match (const ae_matcher *matcher, const ae_event *event, uint32_t *out,
                         size_t capacity);

/* Explaining: whether condition `index` of a head holds for an event. It
** looks at the conditions as they were given; matching keeps nothing for it. */
bool ae_matcher_holds (const ae_matcher *matcher, uint32_t head, size_t index,
                       const ae_event *event);
size_t ae_matcher_conditions (const ae_matcher *matcher, uint32_t head,
                              const ae_condition **conditions);

#endif
