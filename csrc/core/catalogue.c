/*
** catalogue.c: the event types that Altinn raises, and what an event means.
*/
#include "core/catalogue.h"

#include "core/scan.h"

#define CORRESPONDENCE_PREFIX "no.altinn.correspondence."
#define BROKER_PREFIX "no.altinn.broker."
#define APP_PREFIX "app.instance."
#define DIALOG_PREFIX "dialogporten.dialog."

/* Type names of Correspondence: X(name, about, to, raised, once, summary).
** Sources: the enumeration of the server and its handlers; "once" means
** that a second event of the type about the same thing and subject is the
** first one published again. */
#define AE_CORRESPONDENCE_TYPES(X) \
  X("attachmentinitialized", ATTACHMENT, "sender", true, true, \
    "attachment registered, its bytes not yet uploaded") \
  X("attachmentpublished", ATTACHMENT, "sender", true, true, \
    "attachment passed the malware scan") \
  X("attachmentuploadfailed", ATTACHMENT, "sender", true, true, \
    "malware was found in the attachment, or the scan failed") \
  X("attachmentexpired", ATTACHMENT, "sender", true, true, \
    "attachment reached its time of expiry") \
  X("attachmentuploadprocessing", ATTACHMENT, "sender", false, true, \
    "attachment is being processed") \
  X("attachmentpurged", ATTACHMENT, "sender", false, true, "attachment was deleted") \
  X("attachmentdownloaded", ATTACHMENT, "sender", false, false, "attachment was downloaded") \
  X("correspondenceinitialized", LETTER, "sender", true, true, "letter created") \
  X("correspondencepublished", LETTER, "recipient", true, true, \
    "letter published to its recipient") \
  X("correspondencepublishfailed", LETTER, "sender", true, true, \
    "letter could not be published") \
  X("correspondencearchived", LETTER, "sender", false, true, \
    "letter archived by its recipient") \
  X("correspondencepurged", LETTER, "sender", true, true, "letter deleted, by either side") \
  X("correspondencereceiverread", LETTER, "sender", true, true, "recipient read the letter") \
  X("correspondencereceiverconfirmed", LETTER, "sender", true, true, \
    "recipient confirmed the letter") \
  X("correspondencereceiverneverread", LETTER, "recipient", true, true, \
    "letter not read by its due date") \
  X("correspondencereceiverneverconfirmed", LETTER, "recipient", true, true, \
    "letter not confirmed by its due date") \
  X("correspondencereceiverreplied", LETTER, "sender", false, false, "recipient replied") \
  X("correspondencereceiverreserved", LETTER, "sender", false, true, \
    "recipient has reserved against digital mail") \
  X("notificationcreated", ORDER, "sender", true, true, "notification order accepted") \
  X("correspondencenotificationcreationfailed", LETTER, "sender", true, false, \
    "notification order could not be created") \
  X("correspondencenotificationfailed", LETTER, "sender", true, false, \
    "a notification failed for at least one address") \
  X("correspondencenotificationallfailed", LETTER, "sender", true, true, \
    "the notification failed for all addresses") \
  X("correspondencenotificationdelivered", LETTER, "sender", true, true, \
    "the notification reached at least one address") \
  X("correspondencenotificationreminderdelivered", LETTER, "sender", true, true, \
    "the reminder reached at least one address") \
  /* further ones go before this line */

/* The types of the others: X(name, type, about, once, summary). */
#define AE_OTHER_TYPES(X) \
  X("validatesubscription", "platform.events.validatesubscription", SUBSCRIPTION, false, \
    "Altinn tries the endpoint of a subscription") \
  X("dialogcreated", DIALOG_PREFIX "created.v1", DIALOG, true, "dialog created") \
  X("dialogupdated", DIALOG_PREFIX "updated.v1", DIALOG, false, "dialog changed") \
  X("dialogdeleted", DIALOG_PREFIX "deleted.v1", DIALOG, false, "dialog deleted") \
  X("dialogrestored", DIALOG_PREFIX "restored.v1", DIALOG, false, "dialog restored") \
  X("dialogseen", DIALOG_PREFIX "seen.v1", DIALOG, false, "dialog seen") \
  X("filetransferinitialized", BROKER_PREFIX "filetransferinitialized", TRANSFER, true, \
    "file transfer registered") \
  X("uploadprocessing", BROKER_PREFIX "uploadprocessing", TRANSFER, true, \
    "uploaded file is being scanned") \
  X("filepublished", BROKER_PREFIX "published", TRANSFER, true, \
    "file ready for its recipients") \
  X("uploadfailed", BROKER_PREFIX "uploadfailed", TRANSFER, true, \
    "malware was found in the file, or the upload failed") \
  X("downloadconfirmed", BROKER_PREFIX "downloadconfirmed", TRANSFER, false, \
    "one recipient confirmed the download") \
  X("allconfirmeddownloaded", BROKER_PREFIX "allconfirmeddownloaded", TRANSFER, true, \
    "all recipients confirmed the download") \
  X("filepurged", BROKER_PREFIX "filepurged", TRANSFER, true, "file deleted") \
  X("fileneverconfirmeddownloaded", BROKER_PREFIX "fileneverconfirmeddownloaded", TRANSFER, \
    true, "file expired before all had confirmed the download") \
  X("instancecreated", APP_PREFIX "created", INSTANCE, true, "instance of an app created") \
  X("processcompleted", APP_PREFIX "process.completed", INSTANCE, true, \
    "process of an app instance completed") \
  X("substatuschanged", APP_PREFIX "substatus.changed", INSTANCE, false, \
    "sub-status of an app instance changed") \
  /* further ones go before this line */

#define LETTER_TYPE(name, about, to, raised, once, summary) \
  {name, CORRESPONDENCE_PREFIX name, AE_ABOUT_##about, to, raised, once, summary},
#define OTHER_TYPE(name, type, about, once, summary) \
  {name, type, AE_ABOUT_##about, NULL, true, once, summary},

const ae_event_type ae_event_types[] = {AE_CORRESPONDENCE_TYPES(LETTER_TYPE)
                                          AE_OTHER_TYPES(OTHER_TYPE)};
const size_t ae_event_type_count = sizeof(ae_event_types) / sizeof(*ae_event_types);

static bool is_text (ae_slice slice, const char *text) {
  return strlen(text) == slice.length && memcmp(text, slice.data, slice.length) == 0;
}

const ae_event_type *ae_catalogue_type (ae_slice type) {
  for (size_t i = 0; i < ae_event_type_count; i++)
    if (is_text(type, ae_event_types[i].type)) return &ae_event_types[i];
  return NULL;
}

const ae_event_type *ae_catalogue_name (ae_slice name) {
  for (size_t i = 0; i < ae_event_type_count; i++)
    if (is_text(name, ae_event_types[i].name)) return &ae_event_types[i];
  return NULL;
}

/* {====================================================================
** The nearest word
** ===================================================================== */

#define LONGEST_WORD 96

static unsigned smallest (unsigned a, unsigned b, unsigned c) {
  unsigned least = a < b ? a : b;
  return least < c ? least : c;
}

static char lower (char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Edits between two words of at most LONGEST_WORD bytes: insertions,
** deletions, changes and swaps of neighbours (Damerau-Levenshtein with
** adjacent transpositions); case does not count. */
static unsigned distance (ae_slice a, const char *b, size_t b_length) {
  unsigned rows[3][LONGEST_WORD + 1];
  unsigned *before = rows[0], *above = rows[1], *row = rows[2];
  for (size_t j = 0; j <= b_length; j++) above[j] = (unsigned)j;
  for (size_t i = 1; i <= a.length; i++) {
    row[0] = (unsigned)i;
    for (size_t j = 1; j <= b_length; j++) {
      char x = lower(a.data[i - 1]), y = lower(b[j - 1]);
      row[j] = smallest(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y));
      if (i > 1 && j > 1 && x == lower(b[j - 2]) && lower(a.data[i - 2]) == y &&
          before[j - 2] + 1 < row[j])
        row[j] = before[j - 2] + 1;
    }
    unsigned *reuse = before;
    before = above;
    above = row;
    row = reuse;
  }
  return above[b_length];
}

static void consider (ae_slice word, const char *candidate, const char **best,
                      unsigned *least) {
  size_t length = strlen(candidate);
  size_t apart = length > word.length ? length - word.length : word.length - length;
  if (length > LONGEST_WORD || apart >= *least) return; /* as many edits at least */
  unsigned edits = distance(word, candidate, length);
  if (edits < *least) {
    *least = edits;
    *best = candidate;
  }
}

const char *ae_catalogue_suggest (ae_slice word) {
  const char *best = NULL;
  if (word.length == 0 || word.length > LONGEST_WORD) return NULL;
  unsigned least = (unsigned)(word.length / 3) + 2;
  for (size_t i = 0; i < ae_event_type_count; i++) {
    consider(word, ae_event_types[i].name, &best, &least);
    consider(word, ae_event_types[i].type, &best, &least);
  }
  return best;
}

/* }==================================================================== */

const char *ae_about_name (ae_about about) {
  static const char *const names[] = {NULL,     "letter",   "attachment", "order",
                                      "dialog", "transfer", "instance",   "subscription"};
  return names[about];
}

const char *ae_publisher_name (ae_publisher publisher) {
  static const char *const names[] = {"correspondence", "dialogporten", "broker", "app",
                                      "platform",       "other"};
  return names[publisher];
}

static ae_publisher publisher_of (ae_slice type) {
  if (ae_slice_starts(type, AE_LITERAL(CORRESPONDENCE_PREFIX))) return AE_CORRESPONDENCE;
  if (ae_slice_starts(type, AE_LITERAL("dialogporten."))) return AE_DIALOGPORTEN;
  if (ae_slice_starts(type, AE_LITERAL(BROKER_PREFIX))) return AE_BROKER;
  if (ae_slice_starts(type, AE_LITERAL("app."))) return AE_APP;
  if (ae_slice_starts(type, AE_LITERAL("platform.events."))) return AE_PLATFORM;
  return AE_OTHER;
}

/* What stands after the publisher's prefix. */
static ae_slice short_name (ae_slice type, ae_publisher publisher) {
  static const size_t skipped[] = {
    sizeof(CORRESPONDENCE_PREFIX) - 1, sizeof("dialogporten.") - 1,
    sizeof(BROKER_PREFIX) - 1,         sizeof("app.") - 1,
    sizeof("platform.events.") - 1,    0};
  type.data += skipped[publisher];
  type.length -= skipped[publisher];
  return type;
}

/* An unknown type of a known publisher is about what its others are about. */
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
    case AE_OTHER: break;
  }
  return AE_ABOUT_NOTHING;
}

/* {====================================================================
** Environments (domain 1.5): X(name, host suffix)
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
  for (size_t i = 0; i < sizeof(environments) / sizeof(*environments); i++) {
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
  for (size_t i = 0; i < sizeof(environments) / sizeof(*environments); i++)
    if (host_is(host, environments[i].host)) return environments[i].name;
  return NULL;
}

/* }==================================================================== */

/* The number of the subscription stands at the end of the source
** (domain 5.8). */
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
