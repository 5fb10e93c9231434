/*
** altinn_request.c: writes a checked wish as a request.
*/
#include "core/altinn_private.h"
#include "core/event.h"
#include "core/scan.h"

/* {====================================================================
** Writing: counts all, keeps what fits
** ===================================================================== */

typedef struct writer {
  char *out;
  size_t size, at;
  char between; /* before the next parameter of the query */
} writer;

static void put (writer *w, ae_slice bytes) {
  if (w->at < w->size && bytes.length > 0) {
    size_t room = w->size - w->at;
    memcpy(w->out + w->at, bytes.data, bytes.length < room ? bytes.length : room);
  }
  w->at += bytes.length;
}

/* RFC 3986 §2.3: unreserved characters stand for themselves, and of the
** others the colon, which a query may hold and URNs are full of. */
static bool is_literal (char c) {
  return ae_is_digit(c) || (ae_lower(c) >= 'a' && ae_lower(c) <= 'z') || c == '-' ||
         c == '.' || c == '_' || c == '~' || c == ':';
}

static void put_encoded (writer *w, ae_slice text) {
  static const char digits[] = "0123456789ABCDEF";
  for (size_t i = 0; i < text.length; i++) {
    unsigned char byte = (unsigned char)text.data[i];
    char escape[3] = {'%', digits[byte >> 4], digits[byte & 15]};
    if (is_literal(text.data[i])) put(w, (ae_slice){text.data + i, 1});
    else put(w, (ae_slice){escape, sizeof(escape)});
  }
}

static void put_text (writer *w, const char *text) {
  put(w, (ae_slice){text, strlen(text)});
}

/* Writes the path with its placeholders filled in. Their values were checked. */
static void put_path (writer *w, const char *path, const ae_wish *wish) {
  const char *hole;
  while ((hole = strchr(path, '{')) != NULL) {
    put(w, (ae_slice){path, (size_t)(hole - path)});
    put(w, hole[1] == 'i' ? wish->id : wish->attachment);
    path = strchr(hole, '}') + 1;
  }
  put_text(w, path);
}

static void put_parameter (writer *w, const char *name, ae_slice value) {
  if (!value.data) return;
  put(w, (ae_slice){&w->between, 1});
  w->between = '&';
  put_text(w, name);
  put_text(w, "=");
  put_encoded(w, value);
}

/*
** Writes a type as a pattern of SQL's LIKE, which the server uses (Altinn/altinn-events,
** SQL function getevents_v2). A text with % is such a pattern already. `*` at the end
** stands for any rest; before it the prefix of the letters' types may be left out, as
** in rules. In any other text underscore and backslash are escaped.
*/
static void put_pattern (writer *w, ae_slice type) {
  bool raw = memchr(type.data, '%', type.length) != NULL;
  bool open = !raw && type.length > 0 && type.data[type.length - 1] == '*';
  if (!raw && !open) type = ae_type_full(type);
  if (open) type.length--;
  put_parameter(w, "type", AE_LITERAL(""));
  if (open && type.length > 0 && !memchr(type.data, '.', type.length))
    put_text(w, AE_LETTER_TYPES);
  for (size_t i = 0; i < type.length; i++) {
    if (!raw && (type.data[i] == '_' || type.data[i] == '\\')) put_text(w, "%5C");
    put_encoded(w, (ae_slice){type.data + i, 1});
  }
  if (open) put_text(w, "%25");
}

static void put_number (writer *w, const char *name, uint32_t number) {
  char digits[10];
  size_t at = sizeof(digits);
  if (number == 0) return;
  for (; number > 0; number /= 10) digits[--at] = (char)('0' + number % 10);
  put_parameter(w, name, (ae_slice){digits + at, sizeof(digits) - at});
}

static ae_slice listed (const char *const *list, ae_slice word) {
  const char *name = word.data ? ae_listed(list, word) : NULL;
  return name ? (ae_slice){name, strlen(name)} : (ae_slice){NULL, 0};
}

/* EventsController.cs, GET /events. */
static void put_events_query (writer *w, const ae_wish *wish) {
  put_parameter(w, "resource", AE_LITERAL(AE_RESOURCE_PREFIX));
  put_encoded(w, ae_resource_id(wish->resource));
  put_parameter(w, "after", wish->after.data ? wish->after : AE_LITERAL("0"));
  put_parameter(w, "subject", wish->subject);
  for (size_t i = 0; i < wish->type_count; i++) put_pattern(w, wish->types[i]);
  put_number(w, "size", wish->size);
}

/* The list does not take the bare number of an organisation
** (ValidationAttributes/OnBehalfOfAttribute.cs). */
static void put_on_behalf_of (writer *w, ae_slice party) {
  bool bare = party.length == 9;
  for (size_t i = 0; bare && i < party.length; i++) bare = ae_is_digit(party.data[i]);
  put_parameter(w, "onBehalfOf", bare ? AE_LITERAL("0192:") : party);
  if (bare) put_encoded(w, party);
}

/* CorrespondenceController.cs, GET /correspondence. */
static void put_letters_query (writer *w, const ae_wish *wish) {
  put_parameter(w, "resourceId", ae_resource_id(wish->resource));
  put_parameter(w, "role", listed(ae_roles, wish->role));
  put_parameter(w, "from", wish->from);
  put_parameter(w, "to", wish->to);
  put_parameter(w, "status", listed(ae_statuses, wish->status));
  put_on_behalf_of(w, wish->on_behalf_of);
  put_parameter(w, "sendersReference", wish->senders_reference);
  put_parameter(w, "idempotentKey", wish->idempotent_key);
  put_parameter(w, "altinn2CorrespondenceId", wish->altinn2_id);
}

static void put_member (writer *w, const char *name, ae_slice value) {
  if (!value.data) return;
  put_text(w, w->between ? ",\"" : "{\"");
  w->between = ',';
  put_text(w, name);
  put_text(w, "\":");
  size_t room = w->at < w->size ? w->size - w->at : 0;
  w->at += ae_json_quote(value, room ? w->out + w->at : NULL, room);
}

/* Models/SubscriptionRequestModel.cs. The resource is ASCII without quotes:
** it was checked. */
static void put_subscription (writer *w, const ae_wish *wish) {
  w->between = '\0';
  put_member(w, "endPoint", wish->endpoint);
  put_text(w, ",\"resourceFilter\":\"" AE_RESOURCE_PREFIX);
  put(w, ae_resource_id(wish->resource));
  put_text(w, "\"");
  put_member(w, "subjectFilter", wish->subject);
  if (wish->type_count > 0) put_member(w, "typeFilter", ae_type_full(wish->types[0]));
  put_text(w, wish->include_subunits ? ",\"includeSubunits\":true}" : "}");
}

/* A call whose Accept lacks the type that the server produces gets 406. */
static const char *accept_of (ae_call call) {
  switch (ae_call_entries[call].shape) {
    case AE_SHAPE_EVENTS: return "application/cloudevents+json, */*;q=0.1";
    case AE_SHAPE_TEXT:
    case AE_SHAPE_OCTETS:
    case AE_SHAPE_NOTHING: return "*/*";
    default: return "application/json";
  }
}

ae_code ae_request_build (const ae_wish *wish, char *out, size_t size,
                          ae_altinn_request *request, ae_error *error) {
  writer w = {out, size, 0, '?'};
  ae_code code = ae_wish_check(wish, error);
  if (code != AE_OK) return code;
  const ae_call_entry *entry = &ae_call_entries[wish->call];
  *request = (ae_altinn_request){.method = entry->method, .accept = accept_of(wish->call)};
  put_path(&w, entry->path, wish);
  if (wish->call == AE_CALL_EVENTS) put_events_query(&w, wish);
  if (wish->call == AE_CALL_LETTERS) put_letters_query(&w, wish);
  size_t target = w.at;
  if (wish->call == AE_CALL_SUBSCRIBE) {
    request->content_type = "application/json";
    put_subscription(&w, wish);
  }
  request->needed = w.at;
  if (w.at > size) return AE_OK;
  request->target = (ae_slice){out, target};
  if (strcmp(entry->method, "POST") == 0)
    request->body = (ae_slice){out + target, w.at - target};
  return AE_OK;
}

/* }==================================================================== */
