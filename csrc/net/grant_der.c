/*
** grant_der.c: reads PKCS#12 (RFC 7292) and bare DER. Files encrypted with obsolete
** algorithms are opened with OpenSSL's legacy provider.
*/
#include "net/grant_private.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>
#include <stdlib.h>

/* {====================================================================
** The legacy provider
** ===================================================================== */

struct ae_legacy {
  OSSL_LIB_CTX *context;
  OSSL_PROVIDER *old, *usual;
};

ae_legacy *ae_legacy_new (void) {
  ae_legacy *legacy = calloc(1, sizeof(*legacy));
  if (!legacy) return NULL;
  legacy->context = OSSL_LIB_CTX_new();
  if (legacy->context) legacy->old = OSSL_PROVIDER_load(legacy->context, "legacy");
  if (legacy->old) legacy->usual = OSSL_PROVIDER_load(legacy->context, "default");
  if (legacy->usual) return legacy;
  ae_legacy_free(legacy);
  return NULL;
}

void ae_legacy_free (ae_legacy *legacy) {
  if (!legacy) return;
  if (legacy->usual) OSSL_PROVIDER_unload(legacy->usual);
  if (legacy->old) OSSL_PROVIDER_unload(legacy->old);
  OSSL_LIB_CTX_free(legacy->context);
  free(legacy);
}

OSSL_LIB_CTX *ae_legacy_context (const ae_legacy *legacy) {
  return legacy->context;
}

EVP_PKEY *ae_legacy_key (EVP_PKEY *pkey) {
  unsigned char *der = NULL;
  int length = i2d_PrivateKey(pkey, &der);
  EVP_PKEY_free(pkey);
  if (length <= 0) return NULL;
  const unsigned char *at = der;
  EVP_PKEY *same = d2i_AutoPrivateKey(NULL, &at, length);
  OPENSSL_clear_free(der, (size_t)length);
  return same;
}

X509 *ae_legacy_certificate (X509 *certificate) {
  unsigned char *der = NULL;
  int length = i2d_X509(certificate, &der);
  X509_free(certificate);
  if (length <= 0) return NULL;
  const unsigned char *at = der;
  X509 *same = d2i_X509(NULL, &at, length);
  OPENSSL_free(der);
  return same;
}

bool ae_grant_unsupported (void) {
  unsigned long one;
  bool found = false;
  while ((one = ERR_get_error()) != 0)
    found = found || (ERR_GET_LIB(one) == ERR_LIB_EVP &&
                      (ERR_GET_REASON(one) == ERR_R_UNSUPPORTED ||
                       ERR_GET_REASON(one) == EVP_R_UNSUPPORTED_ALGORITHM ||
                       ERR_GET_REASON(one) == EVP_R_UNKNOWN_PBE_ALGORITHM));
  return found;
}

/* }==================================================================== */

/* {====================================================================
** PKCS#12
** ===================================================================== */

typedef struct opened {
  EVP_PKEY *pkey;
  X509 *leaf;
  STACK_OF(X509) * others;
} opened;

static void opened_free (opened *o) {
  EVP_PKEY_free(o->pkey);
  X509_free(o->leaf);
  sk_X509_pop_free(o->others, X509_free);
  *o = (opened){0};
}

static bool rehome (opened *o) {
  if (o->pkey && !(o->pkey = ae_legacy_key(o->pkey))) return false;
  if (o->leaf && !(o->leaf = ae_legacy_certificate(o->leaf))) return false;
  for (int i = 0; i < sk_X509_num(o->others); i++) {
    X509 *same = ae_legacy_certificate(sk_X509_value(o->others, i));
    (void)sk_X509_set(o->others, i, same);
    if (!same) return false;
  }
  return true;
}

/* Opens a PKCS#12 file whose content is encrypted with an obsolete algorithm. */
static bool open_legacy (ae_slice octets, const char *passphrase, opened *o) {
  const unsigned char *at = (const unsigned char *)octets.data;
  ae_legacy *legacy = ae_legacy_new();
  if (!legacy) return false;
  PKCS12 *file = PKCS12_init_ex(NID_pkcs7_data, ae_legacy_context(legacy), NULL);
  bool done = file && d2i_PKCS12(&file, &at, (long)octets.length) &&
              PKCS12_parse(file, passphrase, &o->pkey, &o->leaf, &o->others) == 1 && rehome(o);
  PKCS12_free(file);
  if (!done) opened_free(o);
  ae_legacy_free(legacy);
  return done;
}

static ae_code wrong_passphrase (ae_slice passphrase, ae_grant_error *error) {
  if (!passphrase.data)
    return ae_grant_fail(error, AE_GRANT_PASSPHRASE_MISSING,
                         "the key is encrypted: give its passphrase");
  return ae_grant_fail(error, AE_GRANT_PASSPHRASE_WRONG,
                       "the passphrase does not open the key: give the right one");
}

/* Whether all bytes beyond ASCII are UTF-8 of U+0080 to U+00FF. */
static bool is_narrow (const unsigned char *text) {
  for (; *text != 0; text++) {
    if (*text < 0x80) continue;
    if ((*text != 0xC2 && *text != 0xC3) || (text[1] & 0xC0) != 0x80) return false;
    text++;
  }
  return true;
}

/* Recodes the passphrase: UTF-8 that fits Latin-1 becomes Latin-1; any other text is
** taken for Latin-1 and becomes UTF-8. False: no memory. */
static bool recode (const char *passphrase, ae_bytes *other) {
  const unsigned char *text = (const unsigned char *)passphrase;
  bool narrow = is_narrow(text);
  for (; *text != 0; text++) {
    char pair[2] = {(char)(0xC0 | *text >> 6), (char)(0x80 | (*text & 0x3F))};
    char one = (char)*text;
    if (narrow && *text >= 0x80) one = (char)((text[0] & 3u) << 6 | (text[1] & 0x3Fu));
    if (*text >= 0x80 && !narrow) ae_bytes_add(other, (ae_slice){pair, 2});
    else ae_bytes_add(other, (ae_slice){&one, 1});
    if (*text >= 0x80 && narrow) text++;
  }
  ae_bytes_add(other, (ae_slice){"", 1});
  return !other->failed;
}

static bool is_ascii (const char *text) {
  while (*text != '\0' && (unsigned char)*text < 0x80) text++;
  return *text == '\0';
}

/* Tries the passphrase in the other coding. The MAC accepts both codings, but the
** encryption of the key may accept only one. */
static bool open_recoded (PKCS12 *file, const char *text, opened *o) {
  ae_bytes other = {0};
  bool done = !is_ascii(text) && recode(text, &other) &&
              PKCS12_parse(file, other.data, &o->pkey, &o->leaf, &o->others) == 1;
  if (!done) opened_free(o);
  ae_bytes_free(&other);
  return done;
}

static ae_code open_pkcs12 (PKCS12 *file, ae_slice octets, ae_slice passphrase, opened *o,
                            ae_grant_error *error) {
  const char *text = passphrase.data ? passphrase.data : "";
  if (PKCS12_mac_present(file) != 1)
    return ae_grant_fail(error, AE_GRANT_NOT_A_KEY,
                         "the PKCS#12 file has no MAC: export it with one");
  if (PKCS12_verify_mac(file, text, -1) != 1 &&
      (*text || PKCS12_verify_mac(file, NULL, 0) != 1))
    return wrong_passphrase(passphrase, error);
  ERR_clear_error();
  if (PKCS12_parse(file, text, &o->pkey, &o->leaf, &o->others) == 1) return AE_OK;
  opened_free(o);
  bool old = ae_grant_unsupported();
  if (old && open_legacy(octets, text, o)) return AE_OK;
  if (old)
    return ae_grant_fail(error, AE_GRANT_ENCRYPTION,
                         "the PKCS#12 file is encrypted with an algorithm that this "
                         "OpenSSL does not offer: export it anew with AES");
  if (open_recoded(file, text, o)) return AE_OK;
  if (!is_ascii(text))
    return ae_grant_fail(
      error, AE_GRANT_PASSPHRASE_WRONG,
      "the passphrase opens the file and not the key in it: give it in the "
      "coding in which the file was made, or export it anew with one of ASCII");
  return ae_grant_fail(error, AE_GRANT_NOT_A_KEY,
                       "the PKCS#12 file is damaged: export it anew");
}

/* Moves the leaf and the other certificates to *list. False: no memory. */
static bool give (opened *o, STACK_OF(X509) * *list) {
  if (!o->leaf && !o->others) return true;
  if (!*list) *list = sk_X509_new_null();
  if (!*list) return false;
  if (o->leaf && sk_X509_push(*list, o->leaf) <= 0) return false;
  o->leaf = NULL;
  X509 *one;
  while ((one = sk_X509_pop(o->others)) != NULL) {
    if (sk_X509_push(*list, one) > 0) continue;
    X509_free(one);
    return false;
  }
  return true;
}

static ae_code read_pkcs12 (PKCS12 *file, ae_slice octets, ae_slice passphrase,
                            EVP_PKEY **pkey, STACK_OF(X509) * *list, ae_grant_error *error) {
  opened o = {0};
  ae_code code = open_pkcs12(file, octets, passphrase, &o, error);
  if (code == AE_OK && !o.pkey)
    code = ae_grant_fail(
      error, AE_GRANT_PUBLIC_KEY,
      "the PKCS#12 file holds certificates and no private key: export it together with the key");
  if (code == AE_OK && !give(&o, list)) code = ae_grant_no_memory(error);
  if (code == AE_OK) {
    *pkey = o.pkey;
    o.pkey = NULL;
  }
  opened_free(&o);
  return code;
}

/* }==================================================================== */

/* Finds out what else the DER is, so that the message can say so. */
static ae_code no_private_key (ae_slice octets, ae_grant_error *error) {
  const unsigned char *at = (const unsigned char *)octets.data;
  X509 *certificate = d2i_X509(NULL, &at, (long)octets.length);
  at = (const unsigned char *)octets.data;
  EVP_PKEY *public = certificate ? NULL : d2i_PUBKEY(NULL, &at, (long)octets.length);
  bool known = certificate || public;
  X509_free(certificate);
  EVP_PKEY_free(public);
  if (known)
    return ae_grant_fail(
      error, AE_GRANT_PUBLIC_KEY,
      "this is a certificate or a public key: give the private key, which stays with you");
  return ae_grant_fail(error, AE_GRANT_NOT_A_KEY,
                       "this is no key: PEM, PKCS#12 (.p12, .pfx) and JWK are understood");
}

ae_code ae_grant_der (ae_slice octets, ae_slice passphrase, EVP_PKEY **pkey,
                      STACK_OF(X509) * *list, ae_grant_error *error) {
  const unsigned char *at = (const unsigned char *)octets.data;
  PKCS12 *file = d2i_PKCS12(NULL, &at, (long)octets.length);
  if (file) {
    ae_code code = read_pkcs12(file, octets, passphrase, pkey, list, error);
    PKCS12_free(file);
    return code;
  }
  at = (const unsigned char *)octets.data;
  *pkey = d2i_AutoPrivateKey(NULL, &at, (long)octets.length);
  return *pkey ? AE_OK : no_private_key(octets, error);
}
