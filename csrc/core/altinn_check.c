/*
** altinn_check.c: judges wishes before a request exists. It refuses what the server
** would refuse, and filters that the server would take but never match. Sources:
** the controllers and services of Altinn/altinn-events and
** Altinn/altinn-correspondence on GitHub that are named below.
*/
#include "core/altinn_private.h"
#include "core/catalogue.h"
#include "core/judge.h"
#include "core/loopback.h"
#include "core/scan.h"
#include "core/timestamp.h"
#include "core/urn.h"

static ae_code refuse (ae_error *error, const char *field, const char *reason) {
  return ae_fail(error, AE_INVALID, 0, "%s: %s", field, reason);
}

/* {====================================================================
** Texts and addresses
** ===================================================================== */

/* Why a text cannot be a filter; NULL: it can. */
static const char *text_fault (ae_slice text) {
  if (text.length == 0) return "is empty, and an empty filter never matches: leave it out";
  for (size_t i = 0; i < text.length; i++)
    if ((unsigned char)text.data[i] <= ' ')
      return "holds a blank, and Altinn compares byte by byte";
  return ae_text_reason(text);
}

/* The host in an address, with its port cut off; brackets of IPv6 stay. */
static ae_slice host_of (ae_slice url) {
  const char *p = url.data, *end = url.data + url.length;
  while (p < end && *p != ':') p++;
  if (end - p < 3 || p[1] != '/' || p[2] != '/') return (ae_slice){NULL, 0};
  p += 3;
  const char *stop = p;
  while (stop < end && *stop != '/' && *stop != '?' && *stop != '#') stop++;
  for (const char *at = p; at < stop; at++)
    if (*at == '@') p = at + 1;
  const char *colon = stop;
  while (colon > p && ae_is_digit(colon[-1])) colon--;
  if (colon > p && colon[-1] == ':') stop = colon - 1;
  return (ae_slice){p, (size_t)(stop - p)};
}

static bool has_scheme (ae_slice url, ae_slice scheme) {
  return url.length >= scheme.length &&
         ae_same_word((ae_slice){url.data, scheme.length}, scheme);
}

bool ae_url_is_loopback (ae_slice url) {
  return (has_scheme(url, AE_LITERAL("http://")) || has_scheme(url, AE_LITERAL("https://"))) &&
         ae_host_is_loopback(host_of(url));
}

bool ae_url_is_base (ae_slice url, const char **reason) {
  bool secure = has_scheme(url, AE_LITERAL("https://"));
  if (!ae_uri_absolute(url, reason)) {
    *reason = "it is no absolute URI (RFC 3986)";
    return false;
  }
  if (!secure && !has_scheme(url, AE_LITERAL("http://")))
    *reason = "it begins with neither https:// nor http://";
  else if (host_of(url).length == 0) *reason = "it names no host";
  else if (!secure && !ae_host_is_loopback(host_of(url)))
    *reason = "http is for loopback hosts: a token must not travel in clear";
  else if (memchr(url.data, '?', url.length) || memchr(url.data, '#', url.length) ||
           memchr(url.data, '@', url.length))
    *reason = "it is a base: no user, query or fragment";
  else return true;
  return false;
}

static ae_code check_uuid (const char *field, ae_slice text, ae_error *error) {
  return ae_is_uuid(text)
           ? AE_OK
           : refuse(error, field, "is no UUID, such as 0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f");
}

/* The address has a secret in it: no message shows the address. */
static ae_code check_endpoint (const ae_wish *wish, ae_error *error) {
  ae_slice url = wish->endpoint;
  const char *reason;
  if (url.length == 0)
    return refuse(error, "endpoint",
                  "is missing: the https address that Altinn shall post events to");
  if (!ae_uri_absolute(url, &reason))
    return ae_fail(error, AE_INVALID, 0, "endpoint: is no absolute address: it %s", reason);
  bool https = has_scheme(url, AE_LITERAL("https://"));
  bool http = has_scheme(url, AE_LITERAL("http://"));
  if (!https && !(http && wish->loopback))
    return refuse(error, "endpoint", "must begin with https://; Altinn refuses anything else");
  if (host_of(url).length == 0) return refuse(error, "endpoint", "names no host");
  if (memchr(url.data, '#', url.length))
    return refuse(error, "endpoint", "has a fragment (#…), which is never sent");
  return AE_OK;
}

/* }==================================================================== */

/* {====================================================================
** Resource, subject, type
** ===================================================================== */

/* One part of the URN pattern of a resource filter, at most 100 characters
** (Altinn/altinn-events src/Events/Extensions/UriExtensions.cs). */
static bool is_urn_part (ae_slice part) {
  if (part.length == 0 || part.length > 100) return false;
  for (size_t i = 0; i < part.length; i++) {
    char c = part.data[i];
    if (!ae_is_digit(c) && (c < 'a' || c > 'z') && (c == '\0' || !strchr("()+,.-;$_!/", c)))
      return false;
  }
  return true;
}

/* Why a text does not name a resource; NULL: it does. */
static const char *name_fault (ae_slice resource) {
  ae_slice id = ae_resource_id(resource);
  const char *fault = text_fault(resource);
  if (fault == NULL && memchr(id.data, ':', id.length) != NULL)
    fault = "must begin with " AE_RESOURCE_PREFIX " when it is written as a URN";
  return fault;
}

const char *ae_resource_fault (ae_slice resource) {
  ae_slice id = ae_resource_id(resource);
  const char *fault = name_fault(resource);
  if (fault != NULL) return fault;
  for (size_t i = 0; i < id.length; i++)
    if (id.data[i] >= 'A' && id.data[i] <= 'Z')
      return "holds a capital letter; Altinn keeps filters in lower case and "
             "compares exactly, so it would never match";
  if (!is_urn_part(id))
    return "is no resource's id: lower-case letters, digits and hyphens, "
           "at most 100";
  return NULL;
}

/* `filter`: the resource filters events, and Altinn compares it exactly. */
static ae_code check_resource (ae_slice resource, bool filter, ae_error *error) {
  if (resource.data == NULL)
    return refuse(error, "resource", "is missing: name one, such as acme-letters");
  const char *fault = filter ? ae_resource_fault(resource) : name_fault(resource);
  return fault == NULL ? AE_OK : refuse(error, "resource", fault);
}

static bool all_digits (ae_slice text, size_t wanted) {
  if (wanted ? text.length != wanted : text.length == 0) return false;
  for (size_t i = 0; i < text.length; i++)
    if (!ae_is_digit(text.data[i])) return false;
  return true;
}

/* The part behind the last separator: colon of a URN, slash of a path. */
static ae_slice number_in (ae_slice text, char separator) {
  size_t at = text.length;
  while (at > 0 && text.data[at - 1] != separator) at--;
  return (ae_slice){text.data + at, text.length - at};
}

/* The URNs that Correspondence, Dialogporten and Broker write
** (Altinn/altinn-correspondence src/Altinn.Correspondence.Common/Constants/
** UrnConstants.cs). */
static const char *urn_fault (ae_slice subject) {
  ae_party party = ae_party_parse(subject);
  if (!ae_slice_starts(subject, AE_LITERAL("urn:")))
    return "is not how events name a party: write urn:altinn:organization:identifier-no:NNNNNNNNN";
  switch (party.kind) {
    case AE_PARTY_ORGANISATION:
      return all_digits(party.number, 9) && party.number.data[-1] == ':' &&
                 subject.length == sizeof("urn:altinn:organization:identifier-no:") - 1 + 9
               ? NULL
               : "must end with the nine digits of an organisation number, and nothing else";
    case AE_PARTY_PERSON:
      return all_digits(party.number, 11)
               ? NULL
               : "must end with the eleven digits of a person's number";
    case AE_PARTY_EMAIL:
    case AE_PARTY_SELF_IDENTIFIED:
      return party.number.length > 0 ? NULL : "ends before it names somebody";
    case AE_PARTY_ID:
      return all_digits(party.number, 0) ? NULL : "must end with the digits of a party id";
    case AE_PARTY_UUID:
      return ae_is_uuid(number_in(subject, ':')) ? NULL : "must end with a UUID";
    case AE_PARTY_NONE:
    case AE_PARTY_OTHER:
    case AE_PARTY_KIND_COUNT: break;
  }
  return "is a URN that no event carries: urn:altinn:organization:identifier-no:NNNNNNNNN is the usual one";
}

/* The form in which events of apps name a party: /party/50001234. */
static bool is_party_path (ae_slice subject) {
  ae_slice prefix = AE_LITERAL("/party/");
  return ae_slice_starts(subject, prefix) &&
         all_digits((ae_slice){subject.data + prefix.length, subject.length - prefix.length},
                    0);
}

const char *ae_subject_fault (ae_slice subject) {
  const char *fault = text_fault(subject);
  if (fault != NULL || is_party_path(subject)) return fault;
  return urn_fault(subject);
}

/* The sender of a letter is an organisation: an event addressed to the sender never
** has another form of party. */
static bool never_sender (ae_party_kind kind) {
  return kind == AE_PARTY_PERSON || kind == AE_PARTY_EMAIL || kind == AE_PARTY_SELF_IDENTIFIED;
}

static ae_code check_subject (const ae_wish *wish, ae_error *error) {
  ae_slice subject = wish->subject;
  if (!subject.data) return AE_OK;
  const char *fault = text_fault(subject);
  if (fault == NULL && !ae_resource_is_app(wish->resource)) fault = urn_fault(subject);
  else if (fault == NULL && !is_party_path(subject))
    fault = "events of apps name a party as /party/ and the digits of its id";
  if (fault != NULL) return refuse(error, "subject", fault);
  for (size_t i = 0; i < wish->type_count; i++) {
    const ae_event_type *type = ae_catalogue_type(ae_type_full(wish->types[i]));
    if (type && type->addressed_to && strcmp(type->addressed_to, "sender") == 0 &&
        never_sender(ae_party_parse(subject).kind))
      return ae_fail(error, AE_INVALID, 0,
                     "subject: %s is addressed to the sender, and that is always "
                     "an organisation",
                     type->name);
  }
  return AE_OK;
}

static ae_code unknown_type (ae_slice type, ae_error *error) {
  const char *near = ae_catalogue_suggest(type);
  if (near)
    return ae_fail(error, AE_INVALID, 0, "type: Altinn has no such type; did you mean %s?",
                   near);
  return refuse(error, "type", "Altinn has no such type");
}

/* A pattern of the pull API: `*` at the end, or the server's own % and _. */
static bool is_pattern (ae_slice type) {
  return memchr(type.data, '*', type.length) || memchr(type.data, '%', type.length);
}

static ae_code check_pattern (ae_slice type, bool allowed, ae_error *error) {
  const char *star = memchr(type.data, '*', type.length);
  ae_slice start = {type.data, sizeof(AE_LETTER_TYPES) - 1};
  if (!allowed)
    return refuse(
      error, "type",
      "a subscription takes one exact type; patterns exist only when events are pulled");
  if (star && star != type.data + type.length - 1)
    return refuse(error, "type", "a * stands only at the end");
  if (type.length < start.length || !ae_same_word(start, AE_LITERAL(AE_LETTER_TYPES)))
    return AE_OK;
  for (size_t i = 0; i < type.length; i++)
    if (type.data[i] >= 'A' && type.data[i] <= 'Z')
      return refuse(error, "type",
                    "holds a capital letter, and types of Correspondence have none");
  return AE_OK;
}

/* Whether events of this known type can carry this resource. */
static const char *place_fault (const ae_event_type *type, ae_slice resource) {
  bool app = type->about == AE_ABOUT_INSTANCE;
  if (type->about == AE_ABOUT_SUBSCRIPTION)
    return "is sent to every new subscription by itself, and carries no resource";
  if (!type->raised)
    return "is a name that Altinn knows and raises nowhere: it would never come";
  if (app != ae_resource_is_app(resource))
    return app ? "is raised by apps, whose resources begin with app_"
               : "is not raised by apps, and this is an app's resource";
  return NULL;
}

static ae_code check_type (const ae_wish *wish, ae_slice type, ae_error *error) {
  const char *fault = text_fault(type);
  ae_slice full = ae_type_full(type), prefix = AE_LITERAL(AE_LETTER_TYPES);
  if (fault) return refuse(error, "type", fault);
  if (is_pattern(type)) return check_pattern(type, wish->call == AE_CALL_EVENTS, error);
  const ae_event_type *known = ae_catalogue_type(full);
  if (known) {
    fault = place_fault(known, wish->resource);
    return fault ? ae_fail(error, AE_INVALID, 0, "type: %s %s", known->name, fault) : AE_OK;
  }
  bool ours = type.length >= prefix.length &&
              ae_same_word((ae_slice){type.data, prefix.length}, prefix);
  if (ours || !memchr(type.data, '.', type.length)) return unknown_type(type, error);
  return AE_OK;
}

/* }==================================================================== */

static ae_code check_filters (const ae_wish *wish, ae_error *error) {
  ae_code code = check_resource(wish->resource, true, error);
  for (size_t i = 0; code == AE_OK && i < wish->type_count; i++)
    code = check_type(wish, wish->types[i], error);
  return code == AE_OK ? check_subject(wish, error) : code;
}

static ae_code check_subscription (const ae_wish *wish, ae_error *error) {
  ae_code code = check_endpoint(wish, error);
  if (code != AE_OK) return code;
  if (wish->source.data)
    return refuse(error, "source",
                  "a source filter works for apps only; on any other resource Altinn "
                  "refuses it, and resource says enough");
  if (wish->alternative_subject.data)
    return refuse(error, "alternative_subject",
                  "works for apps only; give the party's URN as subject");
  code = check_filters(wish, error);
  if (code != AE_OK) return code;
  if (wish->type_count > 1)
    return refuse(error, "type",
                  "a subscription takes one type: make one for each, or leave it out");
  if (wish->include_subunits && !wish->subject.data)
    return refuse(error, "include_subunits",
                  "needs a subject: the main unit whose subunits are meant");
  return AE_OK;
}

static ae_code check_pull (const ae_wish *wish, ae_error *error) {
  ae_code code = check_filters(wish, error);
  if (code != AE_OK) return code;
  if (wish->after.data) {
    const char *fault = wish->after.length == 0
                          ? "is empty; leave it out to begin at the beginning"
                          : ae_text_reason(wish->after);
    if (fault) return refuse(error, "after", fault);
  }
  if (wish->size > AE_PAGE_MOST) return refuse(error, "size", "is 1000 at most");
  return AE_OK;
}

static ae_code check_moment (const char *field, ae_slice text, ae_timestamp *out,
                             ae_error *error) {
  const char *reason;
  if (!text.data || ae_timestamp_parse(text, out, &reason)) return AE_OK;
  return refuse(error, field, reason);
}

/* Why the list of letters does not take a text as a party; NULL: it does. */
static const char *behalf_fault (ae_slice party) {
  ae_slice prefix = AE_LITERAL("0192:"), number = party;
  if (ae_slice_starts(party, prefix))
    number = (ae_slice){party.data + prefix.length, party.length - prefix.length};
  if (all_digits(number, 9) || all_digits(party, 11)) return NULL;
  return ae_slice_starts(party, AE_LITERAL("urn:"))
           ? urn_fault(party)
           : "is no party: nine digits, eleven digits, or a URN such as "
             "urn:altinn:organization:identifier-no:NNNNNNNNN";
}

static ae_code check_found_by (const ae_wish *wish, ae_error *error) {
  if (wish->senders_reference.data != NULL && wish->senders_reference.length == 0)
    return refuse(error, "sendersReference", "is empty; leave it out for any");
  if (wish->on_behalf_of.data != NULL) {
    const char *fault = behalf_fault(wish->on_behalf_of);
    if (fault != NULL) return refuse(error, "onBehalfOf", fault);
  }
  if (wish->idempotent_key.data != NULL && !ae_is_uuid(wish->idempotent_key))
    return refuse(error, "idempotentKey",
                  "is no UUID, such as 0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f");
  if (wish->altinn2_id.data != NULL &&
      (!all_digits(wish->altinn2_id, 0) || wish->altinn2_id.length > 9))
    return refuse(error, "altinn2CorrespondenceId", "is no whole number");
  return AE_OK;
}

static ae_code check_list (const ae_wish *wish, ae_error *error) {
  ae_timestamp from, to;
  ae_code code = check_resource(wish->resource, false, error);
  if (code == AE_OK) code = check_moment("from", wish->from, &from, error);
  if (code == AE_OK) code = check_moment("to", wish->to, &to, error);
  if (code != AE_OK) return code;
  if (wish->from.data && wish->to.data &&
      (from.seconds > to.seconds ||
       (from.seconds == to.seconds && from.nanoseconds > to.nanoseconds)))
    return refuse(error, "from", "is later than to");
  if (!wish->role.data || !ae_listed(ae_roles, wish->role))
    return refuse(error, "role", "must be Recipient, Sender or RecipientAndSender");
  if (wish->status.data && !ae_listed(ae_statuses, wish->status))
    return refuse(
      error, "status",
      "Altinn has no such status: Published, Read, Confirmed are some that it has");
  return check_found_by(wish, error);
}

static ae_code check_subscription_id (ae_slice id, ae_error *error) {
  return all_digits(id, 0) && id.length <= 18
           ? AE_OK
           : refuse(error, "id", "the id of a subscription is a whole number");
}

ae_code ae_wish_check (const ae_wish *wish, ae_error *error) {
  ae_code code;
  switch (wish->call) {
    case AE_CALL_SUBSCRIBE: return check_subscription(wish, error);
    case AE_CALL_SUBSCRIPTIONS: return AE_OK;
    case AE_CALL_SUBSCRIPTION:
    case AE_CALL_UNSUBSCRIBE: return check_subscription_id(wish->id, error);
    case AE_CALL_EVENTS: return check_pull(wish, error);
    case AE_CALL_LETTERS: return check_list(wish, error);
    case AE_CALL_DOWNLOAD:
      code = check_uuid("attachment", wish->attachment, error);
      if (code != AE_OK) return code;
      break;
    default: break;
  }
  return check_uuid("id", wish->id, error);
}

const char *ae_wish_warning (const ae_wish *wish) {
  if (wish->call != AE_CALL_SUBSCRIBE || !wish->subject.data || wish->type_count == 0)
    return NULL;
  const ae_event_type *type = ae_catalogue_type(ae_type_full(wish->types[0]));
  if (type && type->addressed_to && strcmp(type->addressed_to, "sender") == 0)
    return "this type is addressed to the sender of the letter: with a recipient's number as subject it never comes";
  return NULL;
}
