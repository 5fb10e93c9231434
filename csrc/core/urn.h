/*
** urn.h: URIs, URNs and the parties that Altinn names by them; identity
** numbers are masked wherever text leaves the program.
*/
#ifndef ALTINN_EVENTS_URN_H
#define ALTINN_EVENTS_URN_H

#include "core/slice.h"

/* RFC 3986 appendix A: `URI-reference`, `URI` (scheme required; a fragment
** is allowed, as the official schema does). On failure *reason is a static
** sentence without its subject: "has no scheme". */
bool ae_uri_reference (ae_slice text, const char **reason);
bool ae_uri_absolute (ae_slice text, const char **reason);

typedef enum ae_party_kind {
  AE_PARTY_NONE,
  AE_PARTY_ORGANISATION,
  AE_PARTY_PERSON,
  AE_PARTY_EMAIL,
  AE_PARTY_SELF_IDENTIFIED,
  AE_PARTY_ID,
  AE_PARTY_UUID,
  AE_PARTY_OTHER
} ae_party_kind;

typedef struct ae_party {
  ae_party_kind kind;
  ae_slice number;
} ae_party;

/* Reads a subject (urn:altinn:organization:identifier-no:…, /party/…) or
** alternative subject (/organisation/…, /person/…): domain 1.4. */
ae_party ae_party_parse (ae_slice text);
const char *ae_party_kind_name (ae_party_kind kind);

/* Whether it is a UUID in its usual form (RFC 9562 §4), letters in any case. */
bool ae_is_uuid (ae_slice text);

/*
** Copies text, each run of exactly 11 digits (also with a blank or hyphen
** after the sixth digit) written as its first two digits and nine stars.
** UUIDs stay as they are. The length does not change. `out` may be
** text.data.
*/
void ae_mask (ae_slice text, char *out);

#endif
