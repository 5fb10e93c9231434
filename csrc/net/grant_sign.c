/*
** grant_sign.c: the functions of a loaded key: its facts, its public half, and compact
** JWS signatures (RFC 7515 §5.1).
*/
#include "net/grant_private.h"

#include <openssl/crypto.h>
#include <openssl/pem.h>

int ae_grant_bits (const ae_grant_key *key) {
  return EVP_PKEY_get_bits(key->pkey);
}

ae_slice ae_grant_kid (const ae_grant_key *key) {
  return ae_bytes_slice(&key->kid);
}

int ae_grant_certificates (const ae_grant_key *key) {
  return key->chain ? sk_X509_num(key->chain) : 0;
}

ae_code ae_grant_public (const ae_grant_key *key, ae_bytes *pem, ae_grant_error *error) {
  char *data = NULL;
  ae_grant_enter();
  BIO *bio = BIO_new(BIO_s_mem());
  if (bio && PEM_write_bio_PUBKEY(bio, key->pkey) == 1) {
    long length = BIO_get_mem_data(bio, &data);
    ae_bytes_add(pem, (ae_slice){data, (size_t)length});
  }
  BIO_free(bio);
  ae_grant_leave();
  return data && !pem->failed ? AE_OK : ae_grant_no_memory(error);
}

const EVP_MD *ae_grant_digest (ae_slice algorithm) {
  if (ae_slice_equal(algorithm, AE_LITERAL("RS256"))) return EVP_sha256();
  if (ae_slice_equal(algorithm, AE_LITERAL("RS384"))) return EVP_sha384();
  if (ae_slice_equal(algorithm, AE_LITERAL("RS512"))) return EVP_sha512();
  return NULL;
}

/* RFC 7515 §4.1.6: base64, not base64url, of each certificate's DER. */
static void add_chain (ae_bytes *header, STACK_OF(X509) * chain) {
  for (int i = 0; i < sk_X509_num(chain); i++) {
    unsigned char *der = NULL;
    int length = i2d_X509(sk_X509_value(chain, i), &der);
    header->failed = header->failed || length <= 0;
    ae_bytes_add(header, i == 0 ? AE_LITERAL("\"") : AE_LITERAL(",\""));
    if (length > 0) ae_bytes_base64(header, (ae_slice){(const char *)der, (size_t)length});
    ae_bytes_add(header, AE_LITERAL("\""));
    OPENSSL_free(der);
  }
}

static void write_header (const ae_grant_key *key, ae_slice algorithm, ae_bytes *header) {
  ae_bytes_add(header, AE_LITERAL("{\"alg\":\""));
  ae_bytes_add(header, algorithm);
  ae_bytes_add(header, AE_LITERAL("\",\"typ\":\"JWT\","));
  if (key->chain) {
    ae_bytes_add(header, AE_LITERAL("\"x5c\":["));
    add_chain(header, key->chain);
    ae_bytes_add(header, AE_LITERAL("]}"));
  } else {
    ae_bytes_add(header, AE_LITERAL("\"kid\":"));
    ae_bytes_add(header, ae_bytes_slice(&key->kid));
    ae_bytes_add(header, AE_LITERAL("}"));
  }
}

static bool append_signature (EVP_PKEY *pkey, const EVP_MD *digest, ae_bytes *jwt) {
  unsigned char signature[AE_GRANT_MAX_BITS / 8];
  size_t length = sizeof signature;
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  bool done = context && EVP_DigestSignInit(context, NULL, digest, NULL, pkey) == 1 &&
              EVP_DigestSign(context, signature, &length, (const unsigned char *)jwt->data,
                             jwt->length) == 1;
  EVP_MD_CTX_free(context);
  if (!done) return false;
  ae_bytes_add(jwt, AE_LITERAL("."));
  ae_bytes_base64url(jwt, (ae_slice){(const char *)signature, length});
  return true;
}

static ae_code judge (const ae_grant_key *key, ae_slice claims, ae_slice algorithm,
                      ae_grant_error *error) {
  if (!ae_grant_digest(algorithm))
    return ae_grant_fail(error, AE_GRANT_ALGORITHM, "the algorithm is RS256, RS384 or RS512");
  if (key->kid.length == 0 && !key->chain)
    return ae_grant_fail(
      error, AE_GRANT_UNNAMED,
      "the key has neither kid nor certificate, by which the receiver knows it: give the kid under "
      "which its public half is registered, or the certificate");
  if (claims.length > AE_GRANT_MAX_JWT / 2 || !ae_grant_is_object(claims))
    return ae_grant_fail(
      error, AE_GRANT_CLAIMS,
      "the claims are not one JSON object with unique members, or too long");
  return key->chain ? ae_grant_valid_now(sk_X509_value(key->chain, 0), error) : AE_OK;
}

ae_code ae_grant_sign (const ae_grant_key *key, ae_slice claims, ae_slice algorithm,
                       ae_bytes *jwt, ae_grant_error *error) {
  ae_code code = judge(key, claims, algorithm, error);
  if (code != AE_OK) return code;
  ae_bytes header = {0};
  ae_grant_enter();
  write_header(key, algorithm, &header);
  ae_bytes_base64url(jwt, ae_bytes_slice(&header));
  ae_bytes_add(jwt, AE_LITERAL("."));
  ae_bytes_base64url(jwt, claims);
  bool fine = !header.failed && !jwt->failed;
  bool done = fine && append_signature(key->pkey, ae_grant_digest(algorithm), jwt);
  ae_bytes_free(&header);
  ae_grant_leave();
  if (fine && !done)
    return ae_grant_fail(error, AE_GRANT_KEY_BROKEN,
                         "OpenSSL cannot sign with this key: is it damaged?");
  return done && !jwt->failed ? AE_OK : ae_grant_no_memory(error);
}
