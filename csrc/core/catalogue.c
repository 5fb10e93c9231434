/*
** catalogue.c: the event types that Altinn raises, and what an event means.
*/
#include "core/catalogue.h"

#include "core/scan.h"
#include "core/types.h"

#define LENGTHS(name, type) sizeof(name) - 1, sizeof(type) - 1
#define LETTER_TYPE(name, about, to, raised, once, summary, advice, note) \
  {name, \
   AE_CORRESPONDENCE_PREFIX name, \
   AE_ABOUT_##about, \
   to, \
   raised, \
   once, \
   summary, \
   advice, \
   note, \
   LENGTHS(name, AE_CORRESPONDENCE_PREFIX name)},
#define OTHER_TYPE(name, type, about, once, summary, advice) \
  {name, type, AE_ABOUT_##about, NULL, true, once, summary, advice, NULL, LENGTHS(name, type)},

const ae_event_type ae_event_types[] = {AE_CORRESPONDENCE_TYPES(LETTER_TYPE)
                                          AE_OTHER_TYPES(OTHER_TYPE)};
const size_t ae_event_type_count = sizeof ae_event_types / sizeof *ae_event_types;

const ae_event_type *ae_catalogue_type (ae_slice type) {
  for (size_t i = 0; i < ae_event_type_count; i++) {
    const ae_event_type *entry = &ae_event_types[i];
    if (ae_slice_equal(type, (ae_slice){entry->type, entry->type_length})) return entry;
  }
  return NULL;
}

const ae_event_type *ae_catalogue_name (ae_slice name) {
  for (size_t i = 0; i < ae_event_type_count; i++) {
    const ae_event_type *entry = &ae_event_types[i];
    if (ae_slice_equal(name, (ae_slice){entry->name, entry->name_length})) return entry;
  }
  return NULL;
}

const char *ae_about_name (ae_about about) {
#define ABOUT_NAME(code, name) name,
  static const char *const names[] = {AE_ABOUTS(ABOUT_NAME)};
#undef ABOUT_NAME
  return names[about];
}

#define PUBLISHER(code, name, prefix) {name, {prefix, sizeof(prefix) - 1}},
static const struct {
  const char *name;
  ae_slice prefix; /* all types of the publisher begin so */
} publishers[] = {AE_PUBLISHERS(PUBLISHER)};
#undef PUBLISHER

const char *ae_publisher_name (ae_publisher publisher) {
  return publishers[publisher].name;
}

/* The publisher of a type. The last publisher has no prefix, so it takes any type. */
static ae_publisher publisher_of (ae_slice type) {
  unsigned publisher = 0;
  while (!ae_slice_starts(type, publishers[publisher].prefix)) publisher++;
  return (ae_publisher)publisher;
}

/* The part of a type behind the publisher's prefix. */
static ae_slice short_name (ae_slice type, ae_publisher publisher) {
  size_t skipped = publishers[publisher].prefix.length;
  return (ae_slice){type.data + skipped, type.length - skipped};
}

/* The kind of thing that an unknown type is about: that of the publisher's other
** types. */
static ae_about about_of (ae_publisher publisher, ae_slice name) {
  switch (publisher) {
    case AE_CORRESPONDENCE:
      if (ae_slice_starts(name, AE_LITERAL("attachment"))) return AE_ABOUT_ATTACHMENT;
      if (ae_slice_starts(name, AE_LITERAL("notification"))) return AE_ABOUT_ORDER;
      return AE_ABOUT_LETTER;
    case AE_DIALOGPORTEN: return AE_ABOUT_DIALOG;
    case AE_BROKER: return AE_ABOUT_TRANSFER;
    case AE_APP: return AE_ABOUT_INSTANCE;
    case AE_PLATFORM:
    case AE_OTHER:
    case AE_PUBLISHER_COUNT: break;
  }
  return AE_ABOUT_NOTHING;
}

/* {====================================================================
** Environments: X(name, host suffix), as in the appsettings.*.json of
** Altinn/altinn-correspondence
** ===================================================================== */

#define AE_ENVIRONMENTS(X) \
  X("production", "platform.altinn.no") \
  X("tt02", "platform.tt02.altinn.no") \
  X("at21", "platform.at21.altinn.cloud") \
  X("at22", "platform.at22.altinn.cloud") \
  X("at23", "platform.at23.altinn.cloud") \
  X("at24", "platform.at24.altinn.cloud") \
  X("yt01", "platform.yt01.altinn.cloud") \
  X("development", "altinn-dev-api.azure-api.net") \
  X("tt02", "apps.tt02.altinn.no") \
  X("production", "apps.altinn.no")

static const struct {
  const char *name;
  ae_slice host;
} environments[] = {
#define ENVIRONMENT(name, host) {name, {host, sizeof(host) - 1}},
  AE_ENVIRONMENTS(ENVIRONMENT)};

bool ae_environment (size_t index, const char **name, ae_slice *host) {
  for (size_t i = 0; i < sizeof environments / sizeof *environments; i++) {
    if (ae_slice_starts(environments[i].host, AE_LITERAL("apps."))) continue;
    if (index-- > 0) continue;
    *name = environments[i].name;
    *host = environments[i].host;
    return true;
  }
  return false;
}

static bool host_is (ae_slice host, ae_slice wanted) {
  if (host.length < wanted.length) return false;
  size_t before = host.length - wanted.length;
  return memcmp(host.data + before, wanted.data, wanted.length) == 0 &&
         (before == 0 || host.data[before - 1] == '.');
}

static const char *environment_of (ae_slice source) {
  ae_slice scheme = AE_LITERAL("https://");
  if (!ae_slice_starts(source, scheme)) return NULL;
  ae_slice host = {source.data + scheme.length, source.length - scheme.length};
  for (size_t at = 0; at < host.length; at++) { /* RFC 3986 §3.2 */
    char c = host.data[at];
    if (c == '/' || c == '?' || c == '#') host.length = at;
  }
  for (size_t i = 0; i < sizeof environments / sizeof *environments; i++)
    if (host_is(host, environments[i].host)) return environments[i].name;
  return NULL;
}

/* }==================================================================== */

/* The source of a validation event ends with the number of its
** subscription: https://platform.altinn.no/events/api/v1/subscriptions/1234. */
static ae_slice last_segment (ae_slice source) {
  size_t at = source.length;
  while (at > 0 && source.data[at - 1] != '/') at--;
  return (ae_slice){source.data + at, source.length - at};
}

static ae_party party_of (const ae_event *event) {
  ae_party party = ae_party_parse(ae_event_text(event, AE_SUBJECT));
  if (party.kind == AE_PARTY_ORGANISATION || party.kind == AE_PARTY_PERSON) return party;
  ae_party other = ae_party_parse(ae_event_text(event, AE_ALTERNATIVESUBJECT));
  if (other.kind == AE_PARTY_NONE || other.kind == AE_PARTY_OTHER) return party;
  return other;
}

void ae_describe (const ae_event *event, ae_meaning *meaning) {
  ae_slice type = ae_event_text(event, AE_TYPE);
  ae_slice source = ae_event_text(event, AE_SOURCE);
  meaning->type = ae_catalogue_type(type);
  meaning->publisher = publisher_of(type);
  meaning->name = meaning->type ? (ae_slice){meaning->type->name, strlen(meaning->type->name)}
                                : short_name(type, meaning->publisher);
  meaning->about = meaning->type ? meaning->type->about
                                 : about_of(meaning->publisher, meaning->name);
  meaning->validation = meaning->about == AE_ABOUT_SUBSCRIPTION;
  meaning->id = meaning->validation ? last_segment(source)
                                    : ae_event_text(event, AE_RESOURCEINSTANCE);
  meaning->party = party_of(event);
  meaning->environment = environment_of(source);
}
