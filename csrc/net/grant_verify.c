/*
** grant_verify.c: splits and verifies compact JWS (RFC 7515 §5.2).
*/
#include "net/grant_private.h"

#include <openssl/pem.h>

static ae_code not_a_jwt (ae_grant_error *error, const char *what) {
  return ae_grant_fail(error, AE_GRANT_NOT_A_JWT, "not a compact JWS: %s", what);
}

/* Splits at the first two dots; the signature may not have a dot. */
static bool split (ae_slice jwt, ae_slice part[3]) {
  const char *end = jwt.data + jwt.length;
  for (int i = 0; i < 2; i++) {
    const char *dot = memchr(jwt.data, '.', jwt.length);
    if (!dot) return false;
    part[i] = (ae_slice){jwt.data, (size_t)(dot - jwt.data)};
    jwt = (ae_slice){dot + 1, (size_t)(end - dot) - 1};
  }
  part[2] = jwt;
  return part[0].length > 0 && part[1].length > 0 &&
         !(jwt.length > 0 && memchr(jwt.data, '.', jwt.length));
}

ae_code ae_grant_split (ae_slice jwt, ae_bytes *header, ae_bytes *claims, ae_bytes *signature,
                        ae_grant_error *error) {
  ae_slice part[3];
  ae_bytes unused = {0};
  if (jwt.length > AE_GRANT_MAX_JWT)
    return ae_grant_fail(error, AE_GRANT_TOO_LARGE, "the JWT is longer than 64 KiB");
  if (jwt.length == 0 || !split(jwt, part)) return not_a_jwt(error, "it has not three parts");
  if (!ae_bytes_unbase64url(header, part[0]) || !ae_bytes_unbase64url(claims, part[1]))
    return not_a_jwt(error, "header or claims are not base64url");
  if (!ae_bytes_unbase64url(signature ? signature : &unused, part[2])) {
    ae_bytes_free(&unused);
    return not_a_jwt(error, "the signature is not base64url");
  }
  ae_bytes_free(&unused);
  if (!ae_grant_is_object(ae_bytes_slice(header)))
    return not_a_jwt(error, "the header is not a JSON object");
  if (!ae_grant_is_object(ae_bytes_slice(claims)))
    return not_a_jwt(error, "the claims are not a JSON object");
  return AE_OK;
}

/* {====================================================================
** The key that verifies
** ===================================================================== */

static int no_passphrase (char *buffer, int size, int writing, void *user) {
  (void)buffer, (void)size, (void)writing, (void)user;
  return -1;
}

static EVP_PKEY *of_certificate (ae_slice text) {
  STACK_OF(X509) * list;
  if (ae_grant_certificates_read(text, &list, NULL) != AE_OK) return NULL;
  EVP_PKEY *pkey = X509_get_pubkey(sk_X509_value(list, 0));
  sk_X509_pop_free(list, X509_free);
  return pkey;
}

static EVP_PKEY *of_der (ae_slice octets) {
  const unsigned char *at = (const unsigned char *)octets.data;
  EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)octets.length);
  return pkey ? pkey : of_certificate(octets);
}

static EVP_PKEY *of_pem (ae_slice text) {
  ae_slice label, block;
  if (!ae_grant_pem(text, "PUBLIC KEY", &label, &block)) return of_certificate(text);
  BIO *bio = BIO_new_mem_buf(block.data, (int)block.length);
  EVP_PKEY *pkey = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL) : NULL;
  BIO_free(bio);
  return pkey;
}

static ae_code read_public (ae_slice text, EVP_PKEY **pkey, ae_grant_error *error) {
  ae_slice label, block;
  size_t at = 0;
  *pkey = NULL;
  if (text.length == 0 || text.length > AE_GRANT_MAX_TEXT)
    return ae_grant_fail(error, AE_GRANT_NOT_A_KEY,
                         "the public key is empty or larger than 1 MiB");
  while (at < text.length - 1 && (unsigned char)text.data[at] <= ' ') at++;
  if (text.data[at] == '{') return ae_grant_jwk(text, false, pkey, error);
  if (ae_grant_pem(text, "PRIVATE KEY", &label, &block))
    return ae_grant_fail(
      error, AE_GRANT_PRIVATE_KEY,
      "a private key does not belong here: give its public half or its certificate");
  *pkey = text.data[0] == 0x30 ? of_der(text) : of_pem(text);
  if (!*pkey)
    return ae_grant_fail(error, AE_GRANT_NOT_A_KEY,
                         "the public key is neither PEM nor a certificate nor a JWK");
  return ae_grant_check(*pkey, error);
}

/* RFC 7515 §4.1.6: the first string of x5c is the leaf, base64 of DER. */
static ae_code read_leaf (ae_slice header, EVP_PKEY **pkey, ae_grant_error *error) {
  ae_slice text;
  ae_json_value value, first;
  ae_bytes der = {0};
  *pkey = NULL;
  if (!ae_grant_member(header, "x5c", &text, &value) || value.kind != AE_JSON_ARRAY)
    return ae_grant_fail(error, AE_GRANT_NOT_A_KEY,
                         "there is no key to verify with, and the header has no x5c");
  ae_json json = {.text = text.data, .length = text.length, .at = 1, .max_depth = 32};
  ae_json_blank(&json);
  if (ae_json_skip(&json, &first, NULL) == AE_OK && first.kind == AE_JSON_STRING &&
      first.plain &&
      ae_bytes_unbase64(&der, (ae_slice){text.data + first.at + 1, first.length - 2}))
    *pkey = of_certificate(ae_bytes_slice(&der));
  ae_bytes_free(&der);
  if (!*pkey)
    return ae_grant_fail(error, AE_GRANT_NOT_A_CERTIFICATE,
                         "the header's x5c does not begin with a certificate");
  return ae_grant_check(*pkey, error);
}

/* }==================================================================== */

static bool is_signed (EVP_PKEY *pkey, const EVP_MD *digest, ae_slice text,
                       const ae_bytes *signature) {
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  bool done = context && signature->length > 0 &&
              EVP_DigestVerifyInit(context, NULL, digest, NULL, pkey) == 1 &&
              EVP_DigestVerify(context, (const unsigned char *)signature->data,
                               signature->length, (const unsigned char *)text.data,
                               text.length) == 1;
  EVP_MD_CTX_free(context);
  return done;
}

static ae_code verify (ae_slice jwt, ae_slice key, ae_slice header, const ae_bytes *signature,
                       ae_grant_error *error) {
  EVP_PKEY *pkey = NULL;
  ae_slice algorithm, other;
  ae_json_value value;
  const EVP_MD *digest = ae_grant_string(header, "alg", &algorithm)
                           ? ae_grant_digest(algorithm)
                           : NULL;
  if (!digest)
    return ae_grant_fail(error, AE_GRANT_ALGORITHM,
                         "the header's alg is not RS256, RS384 or RS512");
  if (ae_grant_member(header, "crit", &other, &value))
    return ae_grant_fail(error, AE_GRANT_ALGORITHM,
                         "the header has crit, and no extension is understood");
  ae_code code = key.data ? read_public(key, &pkey, error) : read_leaf(header, &pkey, error);
  const char *dot = memrchr(jwt.data, '.', jwt.length);
  if (code == AE_OK &&
      !is_signed(pkey, digest, (ae_slice){jwt.data, (size_t)(dot - jwt.data)}, signature))
    code = ae_grant_fail(error, AE_GRANT_SIGNATURE, "the signature does not fit the key");
  EVP_PKEY_free(pkey);
  return code;
}

ae_code ae_grant_verify (ae_slice jwt, ae_slice key, ae_bytes *header, ae_bytes *claims,
                         ae_grant_error *error) {
  ae_bytes signature = {0};
  ae_code code = ae_grant_split(jwt, header, claims, &signature, error);
  ae_grant_enter();
  if (code == AE_OK) code = verify(jwt, key, ae_bytes_slice(header), &signature, error);
  ae_grant_leave();
  ae_bytes_free(&signature);
  return code;
}
