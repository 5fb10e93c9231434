/*
** grant_jwk.c: RSA keys as JSON Web Keys (RFC 7517, RFC 7518 §6.3).
*/
#include "net/grant_private.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>

/* The members in the order of RFC 7518 §6.3: the first two are public, the
** first three are needed, the rest come together or not at all. */
static const struct {
  const char *member, *parameter;
} numbers[] = {
  {"n", OSSL_PKEY_PARAM_RSA_N},          {"e", OSSL_PKEY_PARAM_RSA_E},
  {"d", OSSL_PKEY_PARAM_RSA_D},          {"p", OSSL_PKEY_PARAM_RSA_FACTOR1},
  {"q", OSSL_PKEY_PARAM_RSA_FACTOR2},    {"dp", OSSL_PKEY_PARAM_RSA_EXPONENT1},
  {"dq", OSSL_PKEY_PARAM_RSA_EXPONENT2}, {"qi", OSSL_PKEY_PARAM_RSA_COEFFICIENT1}};
#define NUMBERS (sizeof numbers / sizeof *numbers)

/* Converts a big-endian number to the machine's byte order, which OpenSSL's parameters
** have. */
static bool to_native (ae_bytes *bytes) {
  BIGNUM *number = BN_bin2bn((const unsigned char *)bytes->data, (int)bytes->length, NULL);
  bool done = number &&
              BN_bn2nativepad(number, (unsigned char *)bytes->data, (int)bytes->length) >= 0;
  BN_clear_free(number);
  return done;
}

/* Reads a number; an absent member leaves `bytes` empty. */
static bool read_number (ae_slice jwk, const char *member, ae_bytes *bytes) {
  ae_slice text;
  ae_json_value value;
  if (!ae_grant_member(jwk, member, &text, &value)) return true;
  if (!ae_grant_string(jwk, member, &text)) return false;
  return ae_bytes_unbase64url(bytes, text) && bytes->length > 0 &&
         bytes->length <= AE_GRANT_MAX_BITS / 8 + 1 && to_native(bytes);
}

static EVP_PKEY *make (OSSL_PARAM *parameters, bool secret) {
  EVP_PKEY *pkey = NULL;
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
  if (!context || EVP_PKEY_fromdata_init(context) <= 0 ||
      EVP_PKEY_fromdata(context, &pkey, secret ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                        parameters) <= 0)
    pkey = NULL;
  EVP_PKEY_CTX_free(context);
  return pkey;
}

/* Whether the public half verifies a signature of the private half. */
static bool fits_together (EVP_PKEY *pkey) {
  static const unsigned char text[] = "the two halves of a key";
  unsigned char signature[AE_GRANT_MAX_BITS / 8];
  size_t length = sizeof signature;
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  bool fits = context && EVP_PKEY_get_size(pkey) <= (int)sizeof signature &&
              EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, pkey) == 1 &&
              EVP_DigestSign(context, signature, &length, text, sizeof text) == 1 &&
              EVP_MD_CTX_reset(context) == 1 &&
              EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, pkey) == 1 &&
              EVP_DigestVerify(context, signature, length, text, sizeof text) == 1;
  EVP_MD_CTX_free(context);
  return fits;
}

static ae_code broken (ae_grant_error *error) {
  return ae_grant_fail(
    error, AE_GRANT_KEY_BROKEN,
    "the JWK's numbers do not make an RSA key: export it anew from where it was made");
}

/* Collects the numbers as OpenSSL parameters; `parameters` has room for all of them and
** an end mark. */
static bool collect (ae_slice jwk, size_t count, ae_bytes *values, OSSL_PARAM *parameters) {
  size_t used = 0;
  for (size_t i = 0; i < count; i++) {
    if (!read_number(jwk, numbers[i].member, &values[i])) return false;
    if (values[i].length == 0) continue;
    parameters[used++] = OSSL_PARAM_construct_BN(
      numbers[i].parameter, (unsigned char *)values[i].data, values[i].length);
  }
  parameters[used] = OSSL_PARAM_construct_end();
  return values[0].length > 0 && values[1].length > 0 && (used <= 3 || used == NUMBERS);
}

static ae_code read_rsa (ae_slice jwk, bool secret, EVP_PKEY **pkey, ae_grant_error *error) {
  ae_bytes values[NUMBERS] = {{0}};
  OSSL_PARAM parameters[NUMBERS + 1];
  ae_code code = AE_OK;
  EVP_PKEY *made = NULL;
  if (!collect(jwk, secret ? NUMBERS : 2, values, parameters) ||
      !(made = make(parameters, secret)))
    code = broken(error);
  else code = ae_grant_check(made, error);
  if (code == AE_OK && secret && !fits_together(made)) code = broken(error);
  for (size_t i = 0; i < NUMBERS; i++) ae_bytes_free(&values[i]);
  if (code == AE_OK) *pkey = made;
  else EVP_PKEY_free(made);
  return code;
}

ae_code ae_grant_jwk (ae_slice text, bool secret, EVP_PKEY **pkey, ae_grant_error *error) {
  ae_slice kty, member;
  ae_json_value value;
  if (!ae_grant_is_object(text))
    return ae_grant_fail(
      error, AE_GRANT_NOT_A_KEY,
      "the key begins like a JWK, and is not one JSON object with unique members");
  if (ae_grant_member(text, "keys", &member, &value))
    return ae_grant_fail(error, AE_GRANT_NOT_A_KEY,
                         "this is a set of JWKs: give the one key out of its `keys`");
  if (!ae_grant_string(text, "kty", &kty))
    return ae_grant_fail(error, AE_GRANT_NOT_A_KEY,
                         "the JWK has no `kty`: an RSA key has \"kty\":\"RSA\"");
  if (!ae_slice_equal(kty, AE_LITERAL("RSA")))
    return ae_grant_fail(error, AE_GRANT_KEY_KIND,
                         "the JWK is not an RSA key: Maskinporten takes RSA only");
  if (ae_grant_member(text, "oth", &member, &value))
    return ae_grant_fail(error, AE_GRANT_KEY_KIND,
                         "the JWK has more than two primes: use a common RSA key");
  if (secret && !ae_grant_member(text, "d", &member, &value))
    return ae_grant_fail(
      error, AE_GRANT_PUBLIC_KEY,
      "the JWK is a public key (no `d`): give the private one, which stays with you");
  return read_rsa(text, secret, pkey, error);
}
