/*
** fingerprints.h: the set of all (source, id) pairs that were ever stored, as
** fingerprints of 12 bytes (SHA-256, truncated): 12 to 16 bytes per id.
** One thread's.
*/
#ifndef ALTINN_EVENTS_FINGERPRINTS_H
#define ALTINN_EVENTS_FINGERPRINTS_H

#include "core/slice.h"

#define AE_FINGERPRINT_SIZE 12

typedef struct ae_fingerprint {
  uint8_t bytes[AE_FINGERPRINT_SIZE];
} ae_fingerprint;

typedef struct ae_fingerprints ae_fingerprints;

/* NULL: no memory. */
ae_fingerprints *ae_fingerprints_new (void);
/* NULL is allowed. */
void ae_fingerprints_free (ae_fingerprints *set);

/* The fingerprint of a source and an id. False: no memory. */
bool ae_fingerprint_make (ae_fingerprints *set, ae_slice source, ae_slice id,
                          ae_fingerprint *out);

typedef enum ae_adding { AE_ADDED, AE_PRESENT_ALREADY, AE_NO_ROOM } ae_adding;

/* Adds an item unless the set has it already. */
ae_adding ae_fingerprints_add (ae_fingerprints *set, const ae_fingerprint *item);
/* Removes an item; does nothing when the set does not have it. */
void ae_fingerprints_remove (ae_fingerprints *set, const ae_fingerprint *item);

/* The number of items; *bytes: the memory that the set takes. */
size_t ae_fingerprints_count (const ae_fingerprints *set, size_t *bytes);

#endif
