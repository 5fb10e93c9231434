/*
** grant.c: any bytes as a private key, a public key, a certificate, a token
** or claims (libFuzzer). What is accepted as claims must verify.
*/
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "net/grant.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static ae_bytes private_text;
static ae_bytes public_text;
static ae_grant_key *good;

/* A key of this run, once. */
static void prepare (void) {
  ae_grant_error error;
  char *text = NULL;
  EVP_PKEY *pkey = EVP_RSA_gen(2048);
  BIO *bio = BIO_new(BIO_s_mem());
  if (!pkey || !bio || PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) != 1) abort();
  size_t length = (size_t)BIO_get_mem_data(bio, &text);
  private_text.data = malloc(length);
  if (!private_text.data) abort();
  memcpy(private_text.data, text, length);
  private_text.length = length;
  BIO_free(bio);
  EVP_PKEY_free(pkey);
  ae_grant_source source = { .key = { private_text.data, length }, .kid = { "k", 1 } };
  if (ae_grant_load(&source, &good, &error) != AE_OK || ae_grant_public(good, &public_text, &error) != AE_OK) abort();
}

static void load (ae_slice key, ae_slice certificate) {
  ae_grant_error error;
  ae_grant_key *loaded;
  ae_bytes jwt = { 0 };
  ae_grant_source source = { .key = key, .passphrase = { "secret", 6 }, .certificate = certificate };
  if (ae_grant_load(&source, &loaded, &error) == AE_OK) {
    (void)ae_grant_sign(loaded, (ae_slice){ "{}", 2 }, (ae_slice){ "RS256", 5 }, &jwt, &error);
    ae_bytes_free(&jwt);
  }
  ae_grant_free(loaded);
}

static void verify (ae_slice jwt, ae_slice key, bool must) {
  ae_grant_error error;
  ae_bytes header = { 0 }, claims = { 0 };
  if (ae_grant_verify(jwt, key, &header, &claims, &error) != AE_OK && must) abort();
  ae_bytes_free(&header);
  ae_bytes_free(&claims);
}

static void sign (ae_slice claims, ae_slice key, bool must) {
  ae_grant_error error;
  ae_bytes jwt = { 0 };
  if (ae_grant_sign(good, claims, (ae_slice){ "RS256", 5 }, &jwt, &error) == AE_OK)
    verify((ae_slice){ jwt.data, jwt.length }, key, must);
  ae_bytes_free(&jwt);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  if (!good) prepare();
  if (size == 0) return 0;
  ae_slice text = { (const char *)data + 1, size - 1 };
  ae_slice public = { public_text.data, public_text.length };
  switch (data[0] % 5) {
    case 0: load(text, (ae_slice){ 0 }); break;
    case 1: load((ae_slice){ private_text.data, private_text.length }, text); break;
    case 2: verify(text, (ae_slice){ 0 }, false); break;
    case 3: sign((ae_slice){ "{}", 2 }, text, false); break;
    default: sign(text, public, true); break;
  }
  return 0;
}
