/*
** fingerprints.h: a set of fingerprints of texts (SHA-256, truncated): of all (source,
** id) pairs that were ever stored, with 12 bytes each, and of the meanings of events,
** with 8. A fingerprint takes 1 to 1.3 times its bytes. One thread's.
*/
#ifndef ALTINN_EVENTS_FINGERPRINTS_H
#define ALTINN_EVENTS_FINGERPRINTS_H

#include "core/slice.h"

#define AE_FINGERPRINT_SIZE 12

/* A set may use fewer bytes, the first ones. */
typedef struct ae_fingerprint {
  uint8_t bytes[AE_FINGERPRINT_SIZE];
} ae_fingerprint;

typedef struct ae_fingerprints ae_fingerprints;

/* An empty set of fingerprints of `size` bytes: 8 to AE_FINGERPRINT_SIZE. NULL: no
** memory. */
ae_fingerprints *ae_fingerprints_new (size_t size);
/* NULL is allowed. */
void ae_fingerprints_free (ae_fingerprints *set);

/* The fingerprint of `count` texts, as the set has them. */
ae_fingerprint ae_fingerprint_make (const ae_fingerprints *set, const ae_slice *texts,
                                    size_t count);

typedef enum ae_adding { AE_ADDED, AE_PRESENT_ALREADY, AE_NO_ROOM } ae_adding;

/* Adds an item unless the set has it already. */
ae_adding ae_fingerprints_add (ae_fingerprints *set, const ae_fingerprint *item);
/* Removes an item; does nothing when the set does not have it. */
void ae_fingerprints_remove (ae_fingerprints *set, const ae_fingerprint *item);

/* The number of items; *bytes: the memory that the set takes. */
size_t ae_fingerprints_count (const ae_fingerprints *set, size_t *bytes);

#endif
