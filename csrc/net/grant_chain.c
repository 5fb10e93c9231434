/*
** grant_chain.c: reads certificates, puts a chain in order, and checks its dates.
*/
#include "net/grant_private.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

/* Gives no passphrase: certificates need none, and OpenSSL would ask at the terminal. */
static int no_passphrase (char *buffer, int size, int writing, void *user) {
  (void)buffer, (void)size, (void)writing, (void)user;
  return -1;
}

static ae_code not_a_certificate (ae_grant_error *error) {
  return ae_grant_fail(
    error, AE_GRANT_NOT_A_CERTIFICATE,
    "the certificate is neither PEM (-----BEGIN CERTIFICATE-----) nor DER, or it is damaged");
}

/* Adds a certificate to the list, which owns it then. False: it is freed. */
static bool take (STACK_OF(X509) * list, X509 *certificate) {
  if (sk_X509_num(list) < AE_GRANT_MAX_CERTIFICATES && sk_X509_push(list, certificate) > 0)
    return true;
  X509_free(certificate);
  return false;
}

static bool read_pem (ae_slice text, STACK_OF(X509) * list) {
  BIO *bio = BIO_new_mem_buf(text.data, (int)text.length);
  X509 *certificate;
  bool fits = bio != NULL;
  while (fits && (certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL)
    fits = take(list, certificate);
  BIO_free(bio);
  return fits;
}

static bool read_der (ae_slice octets, STACK_OF(X509) * list) {
  const unsigned char *at = (const unsigned char *)octets.data;
  X509 *certificate = d2i_X509(NULL, &at, (long)octets.length);
  return certificate && take(list, certificate);
}

ae_code ae_grant_certificates_read (ae_slice text, STACK_OF(X509) * *list,
                                    ae_grant_error *error) {
  ae_slice label, block;
  *list = NULL;
  if (text.length > AE_GRANT_MAX_TEXT)
    return ae_grant_fail(error, AE_GRANT_TOO_LARGE, "the certificate is larger than 1 MiB");
  STACK_OF(X509) *found = sk_X509_new_null();
  if (!found) return ae_grant_no_memory(error);
  bool done = text.length > 0 && text.data[0] == 0x30
                ? read_der(text, found)
                : ae_grant_pem(text, "CERTIFICATE", &label, &block) && read_pem(text, found);
  if (done && sk_X509_num(found) > 0) {
    *list = found;
    return AE_OK;
  }
  sk_X509_pop_free(found, X509_free);
  return not_a_certificate(error);
}

/* The certificate of the key; of several, the one that expires last. */
static X509 *leaf_of (STACK_OF(X509) * list, EVP_PKEY *pkey) {
  X509 *best = NULL;
  for (int i = 0; i < sk_X509_num(list); i++) {
    X509 *one = sk_X509_value(list, i);
    EVP_PKEY *public = X509_get0_pubkey(one);
    if (!public || EVP_PKEY_eq(public, pkey) != 1) continue;
    if (!best || ASN1_TIME_compare(X509_get0_notAfter(one), X509_get0_notAfter(best)) > 0)
      best = one;
  }
  return best;
}

static bool contains (const STACK_OF(X509) * chain, const X509 *certificate) {
  for (int i = 0; i < sk_X509_num(chain); i++)
    if (X509_cmp(sk_X509_value(chain, i), certificate) == 0) return true;
  return false;
}

static X509 *issuer_of (X509 *certificate, STACK_OF(X509) * list,
                        const STACK_OF(X509) * chain) {
  for (int i = 0; i < sk_X509_num(list); i++) {
    X509 *one = sk_X509_value(list, i);
    if (!contains(chain, one) && X509_check_issued(one, certificate) == X509_V_OK) return one;
  }
  return NULL;
}

/* RFC 7515 §4.1.6: each certificate is followed by the one that certifies
** it. Certificates that do not belong to the leaf's chain are left out. */
ae_code ae_grant_chain (STACK_OF(X509) * list, EVP_PKEY *pkey, STACK_OF(X509) * *chain,
                        ae_grant_error *error) {
  *chain = NULL;
  X509 *next = leaf_of(list, pkey);
  if (!next)
    return ae_grant_fail(
      error, AE_GRANT_CERTIFICATE_MISMATCH,
      "the certificate does not belong to the key: give the one that was issued for this key");
  STACK_OF(X509) *ordered = sk_X509_new_null();
  if (!ordered) return ae_grant_no_memory(error);
  while (next) {
    if (!X509_up_ref(next) || !take(ordered, next)) {
      sk_X509_pop_free(ordered, X509_free);
      return ae_grant_no_memory(error);
    }
    next = issuer_of(next, list, ordered);
  }
  *chain = ordered;
  return AE_OK;
}

ae_code ae_grant_valid_now (const X509 *leaf, ae_grant_error *error) {
  struct tm from = {0}, to = {0};
  const ASN1_TIME *before = X509_get0_notBefore(leaf), *after = X509_get0_notAfter(leaf);
  int begun = X509_cmp_current_time(before), ended = X509_cmp_current_time(after);
  if (begun == 0 || ended == 0 || !ASN1_TIME_to_tm(before, &from) ||
      !ASN1_TIME_to_tm(after, &to))
    return not_a_certificate(error);
  if (ended < 0)
    return ae_grant_fail(
      error, AE_GRANT_CERTIFICATE_EXPIRED,
      "the certificate expired on %04d-%02d-%02d: get a new one from its issuer",
      to.tm_year + 1900, to.tm_mon + 1, to.tm_mday);
  if (begun > 0)
    return ae_grant_fail(
      error, AE_GRANT_CERTIFICATE_EARLY,
      "the certificate is not valid before %04d-%02d-%02d: wait, or check this machine's clock",
      from.tm_year + 1900, from.tm_mon + 1, from.tm_mday);
  return AE_OK;
}
