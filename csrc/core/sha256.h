/*
** sha256.h: SHA-256 (FIPS 180-4), for fingerprints and versions. Here, so that the host
** at rest need not load a library of cryptography.
*/
#ifndef ALTINN_EVENTS_SHA256_H
#define ALTINN_EVENTS_SHA256_H

#include "core/slice.h"

#define AE_SHA256_BYTES 32
#define AE_SHA256_BLOCK 64

typedef struct ae_sha256 {
  uint32_t state[8];
  uint64_t length; /* bytes so far */
  unsigned char block[AE_SHA256_BLOCK];
} ae_sha256;

/* Begins a digest. */
void ae_sha256_begin (ae_sha256 *sum);
/* Adds bytes. */
void ae_sha256_add (ae_sha256 *sum, const void *bytes, size_t length);
/* Ends the digest and writes it. */
void ae_sha256_end (ae_sha256 *sum, unsigned char digest[AE_SHA256_BYTES]);

/* Whether the first `length` bytes are equal; the time that it takes does not depend on
** the bytes. */
bool ae_same_secret (const char *a, const char *b, size_t length);

#endif
