/*
** grant_digest.c: HMAC-SHA-256 (RFC 2104).
*/
#include "net/grant_private.h"

#include <limits.h>
#include <openssl/hmac.h>

bool ae_grant_hmac_sha256 (ae_slice key, ae_slice text,
                           unsigned char digest[AE_GRANT_SHA256]) {
  unsigned int length = 0;
  if (key.length > INT_MAX) return false;
  ae_grant_enter();
  bool done = HMAC(EVP_sha256(), key.data, (int)key.length, (const unsigned char *)text.data,
                   text.length, digest, &length) != NULL;
  ae_grant_leave();
  return done && length == AE_GRANT_SHA256;
}
