/*
** grant_private.h: shared by the files of the grant. Each public function empties
** OpenSSL's error queue, of which every thread has one, when it begins and ends.
*/
#ifndef ALTINN_EVENTS_GRANT_PRIVATE_H
#define ALTINN_EVENTS_GRANT_PRIVATE_H

#include "net/grant.h"
#include "core/json.h"

#if defined(__has_include)
#if !__has_include(<openssl/evp.h>)
#error \
  "openssl/evp.h not found: install libssl-dev (Debian, Ubuntu), openssl-devel (Fedora), openssl-dev (Alpine) or openssl@3 (Homebrew)"
#endif
#endif
#include <openssl/evp.h>
#include <openssl/x509.h>

/* Fewer bits are refused (RFC 7518 §3.3); more would take too much time. */
#define AE_GRANT_MIN_BITS 2048
#define AE_GRANT_MAX_BITS 16384
/* Longest key, certificate chain and token that are read, bytes. */
#define AE_GRANT_MAX_TEXT ((size_t)1 << 20)
#define AE_GRANT_MAX_JWT ((size_t)64 << 10)
#define AE_GRANT_MAX_CERTIFICATES 16

struct ae_grant_key {
  EVP_PKEY *pkey;
  STACK_OF(X509) * chain; /* leaf first; NULL: none */
  ae_bytes kid;           /* a JSON string literal; empty: none */
};

/* Fills *error (which may be NULL) and gives the code of `reason`. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
ae_code
ae_grant_fail (ae_grant_error *error, ae_grant_reason reason, const char *format, ...);
/* Fills *error with the failure "no memory". */
ae_code ae_grant_no_memory (ae_grant_error *error);

/* Empty OpenSSL's error queue at the beginning and at the end of a public function. */
void ae_grant_enter (void);
void ae_grant_leave (void);

/* Appends bytes; when the buffer moves, wipes the old one. */
void ae_bytes_add (ae_bytes *bytes, ae_slice more);
/* Room for `size` more bytes, not yet counted; NULL: no memory. */
char *ae_bytes_reserve (ae_bytes *bytes, size_t size);
/* Appends base64 (RFC 4648 §4). */
void ae_bytes_base64 (ae_bytes *bytes, ae_slice octets);
/* Appends base64url without padding (RFC 7515 §2). */
void ae_bytes_base64url (ae_bytes *bytes, ae_slice octets);
/* Appends the octets of strict base64url without padding. False: the text is not
** base64url, or there is no memory. */
bool ae_bytes_unbase64url (ae_bytes *bytes, ae_slice text);
/* Appends the octets of base64 with padding; white space is passed over. */
bool ae_bytes_unbase64 (ae_bytes *bytes, ae_slice text);
/* The bytes as a slice. */
ae_slice ae_bytes_slice (const ae_bytes *bytes);

/* Whether `text` is one JSON object whose names are plain and unique. */
bool ae_grant_is_object (ae_slice text);
/* The value of a member of such an object; false: there is none. */
bool ae_grant_member (ae_slice object, const char *name, ae_slice *text, ae_json_value *value);
/* The inside of a member that is a string without escapes; false: there is none. */
bool ae_grant_string (ae_slice object, const char *name, ae_slice *inside);

/* The first PEM block: its label ("RSA PRIVATE KEY") and the whole block. `wanted`: the
** required ending of the label; NULL: any label. False: there is none. */
bool ae_grant_pem (ae_slice text, const char *wanted, ae_slice *label, ae_slice *block);

/* grant_wrap.c: the text without a byte order mark and the blanks around it. */
ae_slice ae_grant_trim (ae_slice text);
/* The same, and decoded when the whole text is base64; then *copy owns the result. */
ae_slice ae_grant_unwrap (ae_slice text, ae_bytes *copy);
/* Writes the PEM blocks of a text anew to *copy: with line feeds where the text had
** blanks, a written "\n" or bare CR. A text without a whole block is returned
** unchanged. */
ae_slice ae_grant_lines (ae_slice text, ae_bytes *copy);

/* Reads a JWK. `secret`: the private key, which needs the member `d`; else the public key. */
ae_code ae_grant_jwk (ae_slice text, bool secret, EVP_PKEY **pkey, ae_grant_error *error);

/* Reads every certificate of PEM or one of DER; *list is the caller's. */
ae_code ae_grant_certificates_read (ae_slice text, STACK_OF(X509) * *list,
                                    ae_grant_error *error);
/* Makes a chain from a list: first the leaf, which is the certificate that fits the key,
** then each certificate's issuer. The caller owns *chain, and still owns `list`. */
ae_code ae_grant_chain (STACK_OF(X509) * list, EVP_PKEY *pkey, STACK_OF(X509) * *chain,
                        ae_grant_error *error);
/* Fails unless the leaf is valid now. */
ae_code ae_grant_valid_now (const X509 *leaf, ae_grant_error *error);

/* Reads the PKCS#12 or DER form of a private key and the certificates
** beside it (*list: added to, may stay NULL). */
ae_code ae_grant_der (ae_slice octets, ae_slice passphrase, EVP_PKEY **pkey,
                      STACK_OF(X509) * *list, ae_grant_error *error);
/* Reads a PEM private key. */
ae_code ae_grant_pem_key (ae_slice text, ae_slice passphrase, EVP_PKEY **pkey,
                          ae_grant_error *error);

/* Refuses a key that is not RSA, or has too few or too many bits. */
ae_code ae_grant_check (EVP_PKEY *pkey, ae_grant_error *error);

/* The digest of RS256, RS384 or RS512; NULL: another algorithm. */
const EVP_MD *ae_grant_digest (ae_slice algorithm);

/* OpenSSL's default and legacy providers in a context of their own, for files that were
** encrypted with obsolete algorithms. */
typedef struct ae_legacy ae_legacy;
/* Opens the providers. NULL: there is no legacy provider. */
ae_legacy *ae_legacy_new (void);
/* Closes the providers; objects made in their context must have been freed. */
void ae_legacy_free (ae_legacy *legacy);
/* The context of the providers. */
OSSL_LIB_CTX *ae_legacy_context (const ae_legacy *legacy);
/* The same key, or certificate, in the default context; the old one is
** freed. NULL: no memory. */
EVP_PKEY *ae_legacy_key (EVP_PKEY *pkey);
X509 *ae_legacy_certificate (X509 *certificate);
/* Whether OpenSSL's error queue says that an algorithm is not offered. */
bool ae_grant_unsupported (void);

#endif
