/*
** urn.h: URIs, URNs and the parties that Altinn names by them.
*/
#ifndef ALTINN_EVENTS_URN_H
#define ALTINN_EVENTS_URN_H

#include "core/slice.h"

/* RFC 3986 appendix A: `URI-reference`, `URI` (scheme required; a fragment
** is allowed, as the official schema does). On failure *reason is a static
** sentence without its subject: "has no scheme". */
bool ae_uri_reference (ae_slice text, const char **reason);
bool ae_uri_absolute (ae_slice text, const char **reason);

/* How Altinn names a party: X(code, name). */
#define AE_PARTY_KINDS(X) \
  X(AE_PARTY_NONE, "none") \
  X(AE_PARTY_ORGANISATION, "organisation") \
  X(AE_PARTY_PERSON, "person") \
  X(AE_PARTY_EMAIL, "email") \
  X(AE_PARTY_SELF_IDENTIFIED, "self_identified") \
  X(AE_PARTY_ID, "party") \
  X(AE_PARTY_UUID, "uuid") \
  X(AE_PARTY_OTHER, "other")

#define AE_PARTY_ENUM(code, name) code,
typedef enum ae_party_kind { AE_PARTY_KINDS(AE_PARTY_ENUM) AE_PARTY_KIND_COUNT } ae_party_kind;
#undef AE_PARTY_ENUM

typedef struct ae_party {
  ae_party_kind kind;
  ae_slice number; /* as in the text; percent-encoded for AE_PARTY_EMAIL and
                      AE_PARTY_SELF_IDENTIFIED */
} ae_party;

/* Reads a subject (urn:altinn:organization:identifier-no:…, /party/…) or
** alternative subject (/organisation/…, /person/…). The forms are those of
** Altinn/altinn-correspondence src/Altinn.Correspondence.Common/Constants/
** UrnConstants.cs and Altinn/altinn-events src/Events/Services/
** AppSubscriptionService.cs. *party borrows from the text. */
ae_party ae_party_parse (ae_slice text);
const char *ae_party_kind_name (ae_party_kind kind);

/* Decodes percent-encoded octets (RFC 3986 §2.1) into `out`, which has room
** for text.length bytes and may be text.data; a percent sign without two
** hexadecimal digits stays. Returns the length. */
size_t ae_percent_decode (ae_slice text, char *out);

/* Whether it is a UUID in its usual form (RFC 9562 §4), letters in any case. */
bool ae_is_uuid (ae_slice text);

#endif
