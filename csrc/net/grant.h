/*
** grant.h: the Maskinporten grant: private keys and their names (a kid or a certificate
** chain), compact JWS signatures with RSA, and their verification (RFC 7515, RFC 7518
** §3.3). Keys have 2048 bits or more. No message holds any part of a key or a
** passphrase.
*/
#ifndef ALTINN_EVENTS_GRANT_H
#define ALTINN_EVENTS_GRANT_H

#include "core/slice.h"

/* The reasons of failures, finer than the codes: X(constant, name, code). */
#define AE_GRANT_REASONS(X) \
  X(AE_GRANT_FILE_MISSING, "file_missing", AE_NOT_FOUND) \
  X(AE_GRANT_FILE_UNREADABLE, "file_unreadable", AE_STORAGE) \
  X(AE_GRANT_TOO_LARGE, "too_large", AE_TOO_LARGE) \
  X(AE_GRANT_NOT_A_KEY, "not_a_key", AE_SYNTAX) \
  X(AE_GRANT_PUBLIC_KEY, "public_key", AE_INVALID) \
  X(AE_GRANT_PRIVATE_KEY, "private_key", AE_INVALID) \
  X(AE_GRANT_KEY_KIND, "key_kind", AE_UNSUPPORTED) \
  X(AE_GRANT_KEY_SIZE, "key_size", AE_UNSUPPORTED) \
  X(AE_GRANT_KEY_BROKEN, "key_broken", AE_INVALID) \
  X(AE_GRANT_PASSPHRASE_MISSING, "passphrase_missing", AE_AUTH) \
  X(AE_GRANT_PASSPHRASE_WRONG, "passphrase_wrong", AE_AUTH) \
  X(AE_GRANT_ENCRYPTION, "encryption", AE_UNSUPPORTED) \
  X(AE_GRANT_NOT_A_CERTIFICATE, "not_a_certificate", AE_SYNTAX) \
  X(AE_GRANT_CERTIFICATE_MISMATCH, "certificate_mismatch", AE_INVALID) \
  X(AE_GRANT_CERTIFICATE_EXPIRED, "certificate_expired", AE_INVALID) \
  X(AE_GRANT_CERTIFICATE_EARLY, "certificate_not_yet_valid", AE_INVALID) \
  X(AE_GRANT_KID, "kid", AE_INVALID) \
  X(AE_GRANT_UNNAMED, "unnamed", AE_INVALID) \
  X(AE_GRANT_ALGORITHM, "algorithm", AE_UNSUPPORTED) \
  X(AE_GRANT_CLAIMS, "claims", AE_SYNTAX) \
  X(AE_GRANT_NOT_A_JWT, "not_a_jwt", AE_SYNTAX) \
  X(AE_GRANT_SIGNATURE, "signature", AE_AUTH) \
  X(AE_GRANT_MEMORY, "memory", AE_MEMORY)

#define AE_GRANT_ENUM(constant, name, code) constant,
typedef enum ae_grant_reason {
  AE_GRANT_REASONS(AE_GRANT_ENUM) AE_GRANT_REASON_COUNT
} ae_grant_reason;
#undef AE_GRANT_ENUM

typedef struct ae_grant_error {
  ae_error error;
  ae_grant_reason reason;
} ae_grant_error;

/* The name of a reason, a static string. */
const char *ae_grant_reason_name (ae_grant_reason reason);

/* Bytes that are allocated and wiped here. Initialize with { 0 }. */
typedef struct ae_bytes {
  char *data;
  size_t length, room;
  bool failed; /* there was no memory: the content is incomplete */
} ae_bytes;

/* Wipes and frees; harmless when repeated. */
void ae_bytes_free (ae_bytes *bytes);

/* Reads a whole file of at most 1 MiB. */
ae_code ae_grant_read (const char *path, ae_bytes *bytes, ae_grant_error *error);

/* Fills `size` random bytes from the system's generator; false: it failed. */
bool ae_grant_random (unsigned char *out, size_t size);

/* The length of a SHA-256 digest, bytes. */
#define AE_GRANT_SHA256 32

/* The HMAC-SHA-256 of a text under a key of any bytes; false: OpenSSL failed. */
bool ae_grant_hmac_sha256 (ae_slice key, ae_slice text, unsigned char digest[AE_GRANT_SHA256]);

typedef struct ae_grant_key ae_grant_key;

/* The source of a key. ae_grant_load keeps no pointer into it. */
typedef struct ae_grant_source {
  ae_slice key;         /* PEM (PKCS#1, PKCS#8), PKCS#12, DER, JWK */
  ae_slice passphrase;  /* absent: none */
  ae_slice kid;         /* absent: a JWK's own, else the certificate */
  ae_slice certificate; /* PEM chain or DER; absent: those beside the key */
} ae_grant_source;

/* Loads a private key; the caller frees *key with ae_grant_free. A key that has neither
** kid nor certificate loads, but does not sign. */
ae_code ae_grant_load (const ae_grant_source *source, ae_grant_key **key,
                       ae_grant_error *error);
/* Frees a key, which may be NULL. */
void ae_grant_free (ae_grant_key *key);
/* The size of the modulus, in bits. */
int ae_grant_bits (const ae_grant_key *key);
/* The kid as a JSON string with its quotes; absent when a certificate or
** nothing names the key. */
ae_slice ae_grant_kid (const ae_grant_key *key);
/* The number of certificates that go into x5c. */
int ae_grant_certificates (const ae_grant_key *key);
/* The public half, PEM (SubjectPublicKeyInfo). */
ae_code ae_grant_public (const ae_grant_key *key, ae_bytes *pem, ae_grant_error *error);

/* Signs `claims`, a JSON object, with "RS256", "RS384" or "RS512". The
** header has alg, typ, and kid or x5c (leaf first), never both. */
ae_code ae_grant_sign (const ae_grant_key *key, ae_slice claims, ae_slice algorithm,
                       ae_bytes *jwt, ae_grant_error *error);

/* Splits a compact JWS: header and claims are JSON objects. Nothing is
** verified. `signature` may be NULL. */
ae_code ae_grant_split (ae_slice jwt, ae_bytes *header, ae_bytes *claims, ae_bytes *signature,
                        ae_grant_error *error);

/* Verifies a compact JWS against a public key (PEM, certificate, DER or
** JWK), or, when `key` is absent, against the leaf of its own x5c: that
** proves possession of the certificate's key, not whose it is. */
ae_code ae_grant_verify (ae_slice jwt, ae_slice key, ae_bytes *header, ae_bytes *claims,
                         ae_grant_error *error);

#endif
