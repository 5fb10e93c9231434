/*
** grant_load.c: loads a private key in any of its forms, and finds its name.
*/
#include "net/grant_private.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

/* {====================================================================
** PEM
** ===================================================================== */

static int give_passphrase (char *buffer, int size, int writing, void *user) {
  const ae_slice *passphrase = user;
  (void)writing;
  if (!passphrase->data || size < 0 || passphrase->length > (size_t)size) return -1;
  memcpy(buffer, passphrase->data, passphrase->length);
  return (int)passphrase->length;
}

static EVP_PKEY *read_block (ae_slice block, ae_slice *passphrase, OSSL_LIB_CTX *context) {
  BIO *bio = BIO_new_mem_buf(block.data, (int)block.length);
  EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey_ex(bio, NULL, give_passphrase, passphrase,
                                                    context, NULL)
                       : NULL;
  BIO_free(bio);
  return pkey;
}

static ae_code wrong_passphrase (ae_grant_error *error) {
  return ae_grant_fail(
    error, AE_GRANT_PASSPHRASE_WRONG,
    "the passphrase does not open the key: give the right one (or the file is damaged)");
}

static ae_code read_legacy (ae_slice block, ae_slice *passphrase, EVP_PKEY **pkey,
                            ae_grant_error *error) {
  ae_legacy *legacy = ae_legacy_new();
  if (legacy) *pkey = read_block(block, passphrase, ae_legacy_context(legacy));
  if (*pkey) *pkey = ae_legacy_key(*pkey);
  bool offered = legacy != NULL;
  ae_legacy_free(legacy);
  if (*pkey) return AE_OK;
  if (offered) return wrong_passphrase(error);
  return ae_grant_fail(error, AE_GRANT_ENCRYPTION,
                       "the key is encrypted with an algorithm that this OpenSSL does not "
                       "offer: write it anew with openssl pkcs8 -topk8");
}

static bool label_is (ae_slice label, const char *text) {
  return ae_slice_equal(label, (ae_slice){text, strlen(text)});
}

static bool is_encrypted (ae_slice label, ae_slice block) {
  return label_is(label, "ENCRYPTED PRIVATE KEY") ||
         memmem(block.data, block.length, "Proc-Type: 4,ENCRYPTED", 22) != NULL;
}

/* The cipher that the header DEK-Info of old PEM names (RFC 1421 §4.6.1.3);
** empty: there is none. */
static ae_slice old_cipher (ae_slice block) {
  const char *at = memmem(block.data, block.length, "DEK-Info: ", 10);
  ae_slice name = {at == NULL ? NULL : at + 10, 0};
  const char *end = block.data + block.length;
  while (at != NULL && name.length < 32 && name.data + name.length < end) {
    char c = name.data[name.length];
    if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '-') break;
    name.length++;
  }
  return name;
}

/* Old PEM is opened with the usual provider's ciphers only. */
static bool is_offered (ae_slice name) {
  char text[33];
  memcpy(text, name.data, name.length);
  text[name.length] = '\0';
  EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, text, NULL);
  bool offered = cipher != NULL;
  EVP_CIPHER_free(cipher);
  return offered;
}

static ae_code cannot_decrypt (ae_slice block, ae_slice *passphrase, EVP_PKEY **pkey,
                               ae_grant_error *error) {
  if (!passphrase->data)
    return ae_grant_fail(error, AE_GRANT_PASSPHRASE_MISSING,
                         "the key is encrypted: give its passphrase");
  ae_slice cipher = old_cipher(block);
  if (cipher.length > 0 && !is_offered(cipher))
    return ae_grant_fail(error, AE_GRANT_ENCRYPTION,
                         "the key is encrypted with an algorithm of long ago, %.*s: write it "
                         "anew with openssl pkcs8 -topk8 -provider legacy -provider default",
                         (int)cipher.length, cipher.data);
  return ae_grant_unsupported() ? read_legacy(block, passphrase, pkey, error)
                                : wrong_passphrase(error);
}

static ae_code no_private_block (ae_slice text, ae_grant_error *error) {
  ae_slice label, block;
  if (ae_grant_pem(text, "PUBLIC KEY", &label, &block))
    return ae_grant_fail(error, AE_GRANT_PUBLIC_KEY,
                         "this is a public key: give the private one, which stays with you");
  if (ae_grant_pem(text, "CERTIFICATE", &label, &block))
    return ae_grant_fail(
      error, AE_GRANT_PUBLIC_KEY,
      "this is a certificate without its private key: give the private key as well");
  return ae_grant_fail(
    error, AE_GRANT_NOT_A_KEY,
    "the PEM text holds no complete block \"PRIVATE KEY\": is it cut, or another file?");
}

ae_code ae_grant_pem_key (ae_slice text, ae_slice passphrase, EVP_PKEY **pkey,
                          ae_grant_error *error) {
  ae_slice label, block;
  if (!ae_grant_pem(text, "PRIVATE KEY", &label, &block)) return no_private_block(text, error);
  if (label_is(label, "OPENSSH PRIVATE KEY"))
    return ae_grant_fail(
      error, AE_GRANT_KEY_KIND,
      "this is a key of OpenSSH: convert a copy of it with ssh-keygen -p -m PKCS8 -f FILE");
  if (label_is(label, "EC PRIVATE KEY") || label_is(label, "DSA PRIVATE KEY"))
    return ae_grant_fail(
      error, AE_GRANT_KEY_KIND,
      "the key is not RSA: Maskinporten takes RSA only; make one with openssl genrsa 3072");
  *pkey = read_block(block, &passphrase, NULL);
  if (*pkey) return AE_OK;
  if (is_encrypted(label, block)) return cannot_decrypt(block, &passphrase, pkey, error);
  return ae_grant_fail(error, AE_GRANT_NOT_A_KEY,
                       "the PEM block of the private key is damaged: copy it anew, whole");
}

/* }==================================================================== */

/* {====================================================================
** Any form
** ===================================================================== */

ae_code ae_grant_check (EVP_PKEY *pkey, ae_grant_error *error) {
  int kind = EVP_PKEY_get_base_id(pkey), bits = EVP_PKEY_get_bits(pkey);
  if (kind == EVP_PKEY_RSA_PSS)
    return ae_grant_fail(
      error, AE_GRANT_KEY_KIND,
      "the key is bound to RSA-PSS, which Maskinporten does not take: make one with openssl genrsa");
  if (kind != EVP_PKEY_RSA)
    return ae_grant_fail(
      error, AE_GRANT_KEY_KIND,
      "the key is not RSA: Maskinporten takes RSA only; make one with openssl genrsa 3072");
  if (bits < AE_GRANT_MIN_BITS || bits > AE_GRANT_MAX_BITS)
    return ae_grant_fail(
      error, AE_GRANT_KEY_SIZE,
      "the RSA key has %d bits, %d to %d are taken: make one with openssl genrsa 3072", bits,
      AE_GRANT_MIN_BITS, AE_GRANT_MAX_BITS);
  return AE_OK;
}

static ae_code read_pem (ae_slice text, ae_slice passphrase, EVP_PKEY **pkey,
                         STACK_OF(X509) * *list, ae_grant_error *error) {
  ae_slice label, block;
  ae_bytes copy = {0};
  text = ae_grant_lines(text, &copy);
  ae_code code = ae_grant_pem_key(text, passphrase, pkey, error);
  if (code == AE_OK && ae_grant_pem(text, "CERTIFICATE", &label, &block))
    code = ae_grant_certificates_read(text, list, error);
  ae_bytes_free(&copy);
  return code;
}

static ae_code read_jwk (ae_slice text, ae_grant_key *key, ae_grant_error *error) {
  ae_code code = ae_grant_jwk(text, true, &key->pkey, error);
  ae_slice kid;
  ae_json_value value;
  if (code == AE_OK && ae_grant_member(text, "kid", &kid, &value) &&
      value.kind == AE_JSON_STRING)
    ae_bytes_add(&key->kid, kid);
  return code;
}

static ae_code read_any (ae_slice text, ae_slice passphrase, ae_grant_key *key,
                         STACK_OF(X509) * *list, ae_grant_error *error) {
  if (text.length == 0) return ae_grant_fail(error, AE_GRANT_NOT_A_KEY, "the key is empty");
  if (memmem(text.data, text.length, "-----BEGIN ", 11))
    return read_pem(text, passphrase, &key->pkey, list, error);
  if (text.data[0] == '{') return read_jwk(text, key, error);
  return ae_grant_der(text, passphrase, &key->pkey, list, error);
}

static ae_code read_key (ae_slice text, ae_slice passphrase, ae_grant_key *key,
                         STACK_OF(X509) * *list, ae_grant_error *error) {
  ae_bytes copy = {0};
  if (text.length > AE_GRANT_MAX_TEXT)
    return ae_grant_fail(error, AE_GRANT_TOO_LARGE,
                         "the key is larger than 1 MiB: that is no key");
  ae_code code = read_any(ae_grant_unwrap(text, &copy), passphrase, key, list, error);
  ae_bytes_free(&copy);
  return code;
}

/* }==================================================================== */

/* {====================================================================
** What names the key
** ===================================================================== */

/* Sets the kid as a JSON string (RFC 8259 §7). */
static ae_code set_kid (ae_grant_key *key, ae_slice kid, ae_grant_error *error) {
  static const char digits[] = "0123456789abcdef";
  ae_bytes_free(&key->kid);
  ae_bytes_add(&key->kid, AE_LITERAL("\""));
  for (size_t i = 0; i < kid.length && kid.length <= 1024; i++) {
    char c = kid.data[i],
         escape[] = {'\\', 'u', '0', '0', digits[(c >> 4) & 15], digits[c & 15]};
    if ((unsigned char)c < 0x20) ae_bytes_add(&key->kid, (ae_slice){escape, sizeof escape});
    else if (c == '"' || c == '\\') ae_bytes_add(&key->kid, (ae_slice){(char[]){'\\', c}, 2});
    else ae_bytes_add(&key->kid, (ae_slice){&c, 1});
  }
  ae_bytes_add(&key->kid, AE_LITERAL("\""));
  if (key->kid.failed) return ae_grant_no_memory(error);
  if (kid.length == 0 || kid.length > 1024 ||
      ae_json_check(ae_bytes_slice(&key->kid), 1, NULL) != AE_OK)
    return ae_grant_fail(error, AE_GRANT_KID,
                         "the kid is empty, longer than 1024 bytes or not UTF-8");
  return AE_OK;
}

static ae_code set_chain (ae_grant_key *key, STACK_OF(X509) * list, ae_grant_error *error) {
  ae_bytes_free(&key->kid);
  ae_code code = ae_grant_chain(list, key->pkey, &key->chain, error);
  return code != AE_OK ? code : ae_grant_valid_now(sk_X509_value(key->chain, 0), error);
}

/* Names the key. A kid wins over a certificate; an option wins over a name found with
** the key. */
static ae_code set_name (const ae_grant_source *source, ae_grant_key *key,
                         STACK_OF(X509) * *list, ae_grant_error *error) {
  if (source->kid.data) return set_kid(key, source->kid, error);
  if (source->certificate.data) {
    ae_bytes copy = {0};
    sk_X509_pop_free(*list, X509_free);
    ae_bytes lines = {0};
    ae_slice text = ae_grant_lines(ae_grant_unwrap(source->certificate, &copy), &lines);
    ae_code code = ae_grant_certificates_read(text, list, error);
    ae_bytes_free(&lines);
    ae_bytes_free(&copy);
    if (code != AE_OK) return code;
  }
  if (source->certificate.data || (key->kid.length == 0 && *list))
    return set_chain(key, *list, error);
  return key->kid.failed ? ae_grant_no_memory(error) : AE_OK;
}

/* Copies the passphrase and adds a NUL, which OpenSSL needs. */
static ae_code copy_passphrase (ae_slice from, ae_bytes *copy, ae_grant_error *error) {
  if (!from.data) return AE_OK;
  if (from.length > 1024 || memchr(from.data, '\0', from.length))
    return ae_grant_fail(error, AE_GRANT_PASSPHRASE_WRONG,
                         "the passphrase is longer than 1024 bytes or holds a NUL");
  ae_bytes_add(copy, from);
  ae_bytes_add(copy, (ae_slice){"", 1});
  if (copy->failed) return ae_grant_no_memory(error);
  copy->length--;
  return AE_OK;
}

/* }==================================================================== */

static ae_code fill (const ae_grant_source *source, ae_grant_key *key, ae_grant_error *error) {
  STACK_OF(X509) *list = NULL;
  ae_bytes passphrase = {0};
  ae_code code = copy_passphrase(source->passphrase, &passphrase, error);
  if (code == AE_OK)
    code = read_key(source->key, ae_bytes_slice(&passphrase), key, &list, error);
  if (code == AE_OK) code = ae_grant_check(key->pkey, error);
  if (code == AE_OK) code = set_name(source, key, &list, error);
  ae_bytes_free(&passphrase);
  sk_X509_pop_free(list, X509_free);
  return code;
}

ae_code ae_grant_load (const ae_grant_source *source, ae_grant_key **key,
                       ae_grant_error *error) {
  *key = NULL;
  ae_grant_key *made = calloc(1, sizeof(*made));
  if (!made) return ae_grant_no_memory(error);
  ae_grant_enter();
  ae_code code = fill(source, made, error);
  if (code == AE_OK) *key = made;
  else ae_grant_free(made);
  ae_grant_leave();
  return code;
}

void ae_grant_free (ae_grant_key *key) {
  if (!key) return;
  EVP_PKEY_free(key->pkey);
  sk_X509_pop_free(key->chain, X509_free);
  ae_bytes_free(&key->kid);
  free(key);
}
