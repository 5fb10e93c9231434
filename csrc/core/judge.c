/*
** judge.c: judges whether an event that was read is a CloudEvent (CloudEvents 1.0.2,
** "Context Attributes" and "Type System"), and lists its faults.
*/
#include "core/judge.h"
#include "core/mask.h"
#include "core/order.h"
#include "core/scan.h"
#include "core/urn.h"

#include <stdarg.h>
#include <stdio.h>

/* --- faults --- */

/* Bytes of a name that are read for a message: more than are shown, so that
** an identity number at the cut is whole when it is masked. */
#define NAME_WINDOW 160u

/* Writes a name for people: identity numbers masked, bytes that are not printable ASCII
** as \xNN, shortened to `size`. */
static void show_name (ae_slice name, char *out, size_t size) {
  char window[NAME_WINDOW];
  size_t to = 0;
  ae_slice seen = {window, name.length < NAME_WINDOW ? name.length : NAME_WINDOW};
  if (seen.length > 0) {
    memcpy(window, name.data, seen.length);
    ae_mask(seen, window);
  }
  for (size_t i = 0; i < seen.length && to + 5 <= size; i++) {
    unsigned char byte = (unsigned char)window[i];
    if (byte >= 0x20 && byte < 0x7F && byte != '\\' && byte != '"') out[to++] = (char)byte;
    else to += (size_t)snprintf(out + to, size - to, "\\x%02X", byte);
  }
  out[to] = '\0';
}

void ae_faults_add (ae_faults *faults, ae_code code, size_t position, ae_slice attribute,
                    const char *format, ...) {
  va_list arguments;
  ae_fault *fault;
  uint32_t index = faults->count++;
  if (index >= AE_FAULTS_KEPT) return;
  fault = &faults->list[index];
  fault->code = code;
  fault->position = position;
  show_name(attribute, fault->attribute, sizeof fault->attribute);
  va_start(arguments, format);
  (void)vsnprintf(fault->message, sizeof fault->message, format, arguments);
  va_end(arguments);
}

/* Adds a fault of an attribute that the event has. */
static void blame (const ae_event *event, const ae_attribute *attribute, ae_faults *faults,
                   const char *reason) {
  ae_faults_add(faults, AE_INVALID, attribute->position, ae_attribute_name(event, attribute),
                "%s", reason);
}

/* --- names --- */

#define AE_NAME_OF(code, name) {"" name, sizeof(name) - 1},
static const ae_slice known_names[] = {AE_ATTRIBUTES(AE_NAME_OF)};
#undef AE_NAME_OF

/* "Attribute Naming Convention": lower-case letters and digits. */
static const char *name_reason (ae_slice name) {
  if (name.length == 0) return "has an empty name";
  for (size_t i = 0; i < name.length; i++) {
    char c = name.data[i];
    if ((c < 'a' || c > 'z') && (c < '0' || c > '9'))
      return "has a name with other characters than a to z and 0 to 9";
  }
  if (ae_slice_equal(name, AE_LITERAL("data")))
    return "has the name that belongs to the payload";
  return NULL;
}

/* --- values --- */

/* "specversion": MUST be 1.0. */
static const char *specversion_reason (ae_slice text) {
  return ae_slice_equal(text, AE_LITERAL("1.0")) ? NULL
                                                 : "must be \"1.0\": no other version is read";
}

/* "datacontenttype": RFC 2046, whose grammar is RFC 2045 §5.1. */
static const char *content_type_reason (ae_slice text) {
  return ae_media_type_valid(text) ? NULL : "must be a media type such as application/json";
}

/* Why the text of a CloudEvents attribute breaks a rule beyond those of a String
** ("Required Attributes", "Optional Attributes"); NULL: it does not. Its escapes are
** decoded. */
static const char *meaning_reason (ae_event *event, unsigned known, ae_slice text) {
  const char *reason = NULL;
  if (text.length == 0) return "must not be empty";
  switch (known) {
    case AE_SPECVERSION: return specversion_reason(text);
    case AE_DATACONTENTTYPE: return content_type_reason(text);
    case AE_SOURCE: return ae_uri_reference(text, &reason) ? NULL : reason;
    case AE_DATASCHEMA: return ae_uri_absolute(text, &reason) ? NULL : reason;
    case AE_TIME: return ae_timestamp_parse(text, &event->time, &reason) ? NULL : reason;
    default: return NULL;
  }
}

/* Why a JSON value that begins with `first` cannot be an attribute (JSON event format
** §2.2: Boolean, Integer of 32 bits, or a string). */
static const char *foreign_reason (char first) {
  if (first == '{') return "is an object; attributes are not nested";
  if (first == '[') return "is an array; attributes are not nested";
  return "must be a whole number of 32 bits, without fraction or exponent";
}

/* Why the value of an attribute is wrong; NULL: it is right. An extension may have any
** simple type ("Type System"). */
static const char *value_reason (ae_event *event, const ae_attribute *attribute) {
  bool core = attribute->known <= AE_TIME;
  const char *reason;
  ae_slice text;
  if (attribute->kind == AE_NONE) return NULL;
  if (attribute->kind != AE_STRING && core) return "must be a string";
  if (attribute->kind == AE_JSON)
    return foreign_reason(attribute->value_length > 0 ? event->text[attribute->value] : '{');
  if (attribute->kind != AE_STRING) return NULL;
  text = ae_attribute_text(event, attribute);
  if (attribute->seen == AE_UNSEEN && (reason = ae_text_reason(text)) != NULL) return reason;
  return core ? meaning_reason(event, attribute->known, text) : NULL;
}

/* --- duplicates --- */

static const char *const twice = "occurs more than once";

/* RFC 8259 §4 leaves equal names to the reader: here they are a fault. */

/* Whether an earlier extension has the same name. For events of few attributes. */
static bool occurs_before (const ae_event *event, uint32_t index) {
  ae_slice name = ae_attribute_name(event, &event->attributes[index]);
  for (uint32_t i = 0; i < index; i++)
    if (event->attributes[i].known == AE_EXTENSION &&
        ae_slice_equal(ae_attribute_name(event, &event->attributes[i]), name))
      return true;
  return false;
}

/* Finds equal names in an event of many attributes: sorted, they are neighbours. */
static void judge_order (ae_event *event, ae_faults *faults) {
  ae_order_sort(event);
  for (uint32_t i = 1; i < event->count; i++) {
    const ae_attribute *attribute = ae_order_at(event, i);
    if (attribute->known == AE_EXTENSION &&
        ae_slice_equal(ae_attribute_name(event, attribute),
                       ae_attribute_name(event, ae_order_at(event, i - 1))))
      blame(event, attribute, faults, twice);
  }
}

/* --- one attribute after the other --- */

static void judge_extension (ae_event *event, uint32_t index, ae_faults *faults) {
  const ae_attribute *attribute = &event->attributes[index];
  const char *reason = name_reason(ae_attribute_name(event, attribute));
  if (reason != NULL) blame(event, attribute, faults, reason);
  if (event->count <= AE_UNSORTED && occurs_before(event, index))
    blame(event, attribute, faults, twice);
}

/* Judges the attributes that are not settled. True: an attribute is unset. */
static bool judge_attributes (ae_event *event, ae_faults *faults) {
  bool unset = false;
  for (uint32_t i = 0; i < event->count; i++) {
    const ae_attribute *attribute = &event->attributes[i];
    const char *reason;
    if (attribute->seen == AE_SETTLED) continue;
    if (attribute->known == AE_EXTENSION) judge_extension(event, i, faults);
    else if (event->known[attribute->known] != (int32_t)i)
      blame(event, attribute, faults, twice);
    reason = value_reason(event, attribute);
    if (reason != NULL) blame(event, attribute, faults, reason);
    unset |= attribute->kind == AE_NONE;
  }
  return unset;
}

/* Removes the attributes whose value is null (JSON event format §2.2). */
static void drop_unset (ae_event *event) {
  uint32_t to = 0;
  memset(event->known, -1, sizeof event->known);
  for (uint32_t i = 0; i < event->count; i++) {
    ae_attribute *attribute = &event->attributes[i];
    if (attribute->kind == AE_NONE) continue;
    if (attribute->known < AE_KNOWN_COUNT && event->known[attribute->known] < 0)
      event->known[attribute->known] = (int32_t)to;
    event->attributes[to++] = *attribute;
  }
  event->count = to;
  if (to > AE_UNSORTED) ae_order_sort(event);
}

/* Adds faults for missing required attributes ("Required Attributes"). False: there is
** no specversion, so the text is no CloudEvent. */
static bool judge_required (const ae_event *event, ae_faults *faults) {
  static const ae_known required[] = {AE_ID, AE_SOURCE, AE_TYPE};
  bool named = event->known[AE_SPECVERSION] >= 0;
  if (!named)
    ae_faults_add(faults, AE_NOT_CLOUDEVENT, 0, known_names[AE_SPECVERSION], "is required");
  for (size_t i = 0; i < sizeof required / sizeof *required; i++)
    if (event->known[required[i]] < 0)
      ae_faults_add(faults, AE_INVALID, 0, known_names[required[i]], "is required");
  return named;
}

/* --- the payload --- */

/* JSON event format §3.1.2: what `data` means follows from the media type. */
static void judge_json (ae_event *event, ae_faults *faults) {
  ae_slice type = ae_event_text(event, AE_DATACONTENTTYPE);
  ae_slice raw = {event->text + event->data, event->data_length};
  if (type.data == NULL || ae_media_type_is_json(type)) return;
  if (raw.length == 0 || raw.data[0] != '"')
    ae_faults_add(faults, AE_INVALID, event->data + 1, AE_LITERAL("data"),
                  "must be a string, because datacontenttype is not JSON");
  else if (raw.length >= 2 && ae_json_has_lone((ae_slice){raw.data + 1, raw.length - 2}))
    ae_faults_add(faults, AE_INVALID, event->data + 1, AE_LITERAL("data"),
                  "is text and holds half of a surrogate pair");
  else event->data_kind = AE_STRING;
}

static void judge_payload (ae_event *event, ae_faults *faults) {
  ae_slice span = {event->text + event->data, event->data_length};
  if (event->data_kind == AE_JSON) judge_json(event, faults);
  else if (event->data_kind == AE_BASE64 && !ae_base64_valid(span))
    ae_faults_add(faults, AE_INVALID, event->data + 1, AE_LITERAL("data_base64"),
                  "must be Base64 of the standard alphabet with padding");
}

/* --- the verdict --- */

/* Sets *error to the first fault that has that code. */
static ae_code refuse (const ae_faults *faults, ae_code code, ae_error *error) {
  const ae_fault *fault = faults->list;
  uint32_t kept = faults->count < AE_FAULTS_KEPT ? faults->count : AE_FAULTS_KEPT;
  for (uint32_t i = 0; i < kept; i++)
    if (faults->list[i].code == code) {
      fault = &faults->list[i];
      break;
    }
  if (fault->code != code) /* the fault is not among those kept */
    return ae_fail(error, code, 0, "%s",
                   code == AE_NOT_CLOUDEVENT ? "specversion is required"
                                             : "the event has faults");
  return ae_fail(error, code, fault->position, "%s%s%s",
                 fault->attribute[0] != '\0' ? fault->attribute : "the attribute", " ",
                 fault->message);
}

ae_code ae_event_judge (ae_event *event, ae_faults *faults, ae_error *error) {
  bool named;
  if (event->count > AE_UNSORTED) judge_order(event, faults);
  if (judge_attributes(event, faults)) drop_unset(event);
  named = judge_required(event, faults);
  if (event->data_kind != AE_NONE) judge_payload(event, faults);
  if (!named) return refuse(faults, AE_NOT_CLOUDEVENT, error);
  return faults->count == 0 ? AE_OK : refuse(faults, AE_INVALID, error);
}
