/*
** altinn_shape.c: whether the body of a reply has the shape of its call: checks the
** kinds of the members, as far down as the client reads them. The members are
** those of the models in Altinn/altinn-events src/Events/Models and
** Altinn/altinn-correspondence src/Altinn.Correspondence.API/Models.
** Unknown members are ignored: the server may add some.
*/
#include "core/altinn_private.h"
#include "core/json.h"
#include "core/scan.h"

#define REPLY_DEPTH 64u

enum {
  TEXT = 1,
  NUMBER = 2,
  BOOLEAN = 4,
  ARRAY = 8,
  OBJECT = 16,
  NOTHING = 32,
  FRACTION = 64
};

/* One member of an object. `must`: it is required. */
typedef struct member {
  ae_shape of;
  const char *name;
  unsigned kinds;
  bool must;
  ae_shape inner; /* shape of the object, or of the array's elements */
} member;

#define ANY AE_SHAPE_ANYTHING
// clang-format off
#define SUBSCRIPTION_MEMBERS(of) \
  {of, "id", NUMBER, true, ANY}, \
  {of, "endPoint", TEXT, false, ANY}, \
  {of, "sourceFilter", TEXT | NOTHING, false, ANY}, \
  {of, "resourceFilter", TEXT | NOTHING, false, ANY}, \
  {of, "subjectFilter", TEXT | NOTHING, false, ANY}, \
  {of, "typeFilter", TEXT | NOTHING, false, ANY}, \
  {of, "consumer", TEXT | NOTHING, false, ANY}, \
  {of, "createdBy", TEXT | NOTHING, false, ANY}, \
  {of, "created", TEXT | NOTHING, false, ANY}, \
  {of, "validated", BOOLEAN, false, ANY}, \
  {of, "includeSubunits", BOOLEAN | NOTHING, false, ANY}
#define LETTER_MEMBERS(of) \
  {of, "correspondenceId", TEXT, true, ANY}, \
  {of, "status", TEXT, true, ANY}, \
  {of, "resourceId", TEXT | NOTHING, false, ANY}, \
  {of, "sender", TEXT | NOTHING, false, ANY}, \
  {of, "recipient", TEXT | NOTHING, false, ANY}, \
  {of, "sendersReference", TEXT | NOTHING, false, ANY}, \
  {of, "content", OBJECT | NOTHING, false, AE_SHAPE_CONTENT}, \
  {of, "externalReferences", ARRAY | NOTHING, false, ANY}, \
  {of, "propertyList", OBJECT | NOTHING, false, ANY}, \
  {of, "replyOptions", ARRAY | NOTHING, false, ANY}, \
  {of, "notifications", ARRAY | NOTHING, false, ANY}, \
  {of, "isConfirmationNeeded", BOOLEAN | NOTHING, false, ANY}, \
  {of, "read", TEXT | NOTHING, false, ANY}, \
  {of, "published", TEXT | NOTHING, false, ANY}
#define ATTACHMENT_MEMBERS(of) \
  {of, "attachmentId", TEXT, true, ANY}, \
  {of, "status", TEXT, true, ANY}, \
  {of, "fileName", TEXT | NOTHING, false, ANY}, \
  {of, "correspondenceIds", ARRAY | NOTHING, false, ANY}
// clang-format on

static const member members[] = {
  SUBSCRIPTION_MEMBERS(AE_SHAPE_SUBSCRIPTION),
  {AE_SHAPE_SUBSCRIPTIONS, "subscriptions", ARRAY, true, AE_SHAPE_SUBSCRIPTION},
  {AE_SHAPE_SUBSCRIPTIONS, "count", NUMBER, false, ANY},
  {AE_SHAPE_LETTERS, "ids", ARRAY, true, AE_SHAPE_IDENTIFIER},
  LETTER_MEMBERS(AE_SHAPE_OVERVIEW),
  LETTER_MEMBERS(AE_SHAPE_DETAILS),
  {AE_SHAPE_DETAILS, "statusHistory", ARRAY, true, AE_SHAPE_STATUS},
  {AE_SHAPE_STATUS, "status", TEXT, true, ANY},
  {AE_SHAPE_CONTENT, "attachments", ARRAY | NOTHING, false, AE_SHAPE_FILE},
  {AE_SHAPE_FILE, "id", TEXT, true, ANY},
  ATTACHMENT_MEMBERS(AE_SHAPE_ATTACHMENT),
  ATTACHMENT_MEMBERS(AE_SHAPE_ATTACHMENT_DETAILS),
  {AE_SHAPE_ATTACHMENT_DETAILS, "statusHistory", ARRAY | NOTHING, false, AE_SHAPE_STATUS},
};
#undef ANY

/* The kind of a JSON value, which is not empty. */
static unsigned kind_of (ae_slice value) {
  switch (value.data[0]) {
    case '"': return TEXT;
    case '{': return OBJECT;
    case '[': return ARRAY;
    case 't':
    case 'f': return BOOLEAN;
    case 'n': return NOTHING;
    default: break;
  }
  for (size_t i = value.data[0] == '-'; i < value.length; i++)
    if (!ae_is_digit(value.data[i])) return FRACTION;
  return NUMBER;
}

static const char *kind_name (unsigned kind) {
  switch (kind) {
    case TEXT: return "a text";
    case OBJECT: return "an object";
    case ARRAY: return "an array";
    case BOOLEAN: return "true or false";
    case NUMBER: return "a whole number";
    case FRACTION: return "a number with a fraction";
    default: return "null";
  }
}

/* The lowest bit of the kinds: the kind that a message names. */
static unsigned first_kind (unsigned kinds) {
  return kinds & (0u - kinds);
}

/* {====================================================================
** Walking checked JSON
** ===================================================================== */

/* Reads the next value of the array or object in which `json` is; false: the end. In an
** object *name is the inside of the member's name. */
static bool next_value (ae_json *json, ae_slice *name, ae_slice *value) {
  ae_json_value found;
  ae_json_blank(json);
  if (json->at < json->length && json->text[json->at] == ',') json->at++;
  ae_json_blank(json);
  if (json->at >= json->length || json->text[json->at] == ']' || json->text[json->at] == '}')
    return false;
  if (name) {
    if (ae_json_skip(json, &found, NULL) != AE_OK || found.length < 2) return false;
    *name = (ae_slice){json->text + found.at + 1, found.length - 2};
    ae_json_blank(json);
    json->at++; /* the colon */
  }
  if (ae_json_skip(json, &found, NULL) != AE_OK) return false;
  *value = (ae_slice){json->text + found.at, found.length};
  return true;
}

static ae_json inside (ae_slice value) {
  return (ae_json){value.data, value.length, 1, 0, REPLY_DEPTH};
}

bool ae_json_member (ae_slice object, const char *name, ae_slice *value) {
  ae_json json = inside(object);
  ae_slice found, one, wanted = {name, strlen(name)};
  bool there = false;
  if (kind_of(object) != OBJECT) return false;
  while (next_value(&json, &found, &one)) {
    if (!ae_slice_equal(found, wanted)) continue;
    *value = one;
    there = true;
  }
  return there;
}

/* }==================================================================== */

static ae_code check_object (ae_shape shape, ae_slice object, ae_error *error);

static ae_code check_elements (const member *m, ae_slice array, ae_error *error) {
  ae_json json = inside(array);
  ae_slice one;
  unsigned wanted = m->inner == AE_SHAPE_IDENTIFIER ? TEXT : OBJECT;
  ae_code code = AE_OK;
  while (code == AE_OK && next_value(&json, NULL, &one)) {
    if (kind_of(one) != wanted)
      return ae_fail(error, AE_INVALID, 0, "the reply's %s must hold %ss, but holds %s",
                     m->name, wanted == TEXT ? "text" : "object", kind_name(kind_of(one)));
    if (wanted == OBJECT) code = check_object(m->inner, one, error);
  }
  return code;
}

static ae_code check_member (const member *m, ae_slice object, ae_error *error) {
  ae_slice value;
  if (!ae_json_member(object, m->name, &value))
    return m->must ? ae_fail(error, AE_INVALID, 0, "the reply lacks %s", m->name) : AE_OK;
  unsigned kind = kind_of(value);
  if (!(kind & m->kinds))
    return ae_fail(error, AE_INVALID, 0, "the reply's %s must be %s, but is %s", m->name,
                   kind_name(first_kind(m->kinds)), kind_name(kind));
  if (m->inner == AE_SHAPE_ANYTHING) return AE_OK;
  if (kind == ARRAY) return check_elements(m, value, error);
  return kind == OBJECT ? check_object(m->inner, value, error) : AE_OK;
}

/* Recurses as deep as the table of members, which has no cycle. */
static ae_code check_object (ae_shape shape, ae_slice object, ae_error *error) {
  for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
    if (members[i].of != shape) continue;
    ae_code code = check_member(&members[i], object, error);
    if (code != AE_OK) return code;
  }
  return AE_OK;
}

static ae_slice trimmed (ae_slice body) {
  if (!body.data) return body;
  ae_json json = {body.data, body.length, 0, 0, REPLY_DEPTH};
  ae_json_blank(&json);
  return (ae_slice){body.data + json.at, body.length - json.at};
}

bool ae_is_markup (ae_slice body) {
  body = trimmed(body);
  return body.length > 0 && body.data[0] == '<';
}

static unsigned wanted_kind (ae_shape shape) {
  switch (shape) {
    case AE_SHAPE_EVENTS: return ARRAY;
    case AE_SHAPE_IDENTIFIER: return TEXT;
    case AE_SHAPE_NOTHING:
      return TEXT | NUMBER | FRACTION | BOOLEAN | ARRAY | OBJECT | NOTHING;
    default: return OBJECT;
  }
}

static ae_code not_json (ae_slice body, const ae_error *why, ae_error *error) {
  if (ae_is_markup(body))
    return ae_fail(error, AE_SYNTAX, 0,
                   "the reply is a page of HTML, not JSON: a gateway or proxy "
                   "answers in Altinn's place");
  return ae_fail(error, why->code, why->position, "the reply is not whole JSON: %s",
                 why->message);
}

ae_code ae_shape_check (ae_shape shape, ae_slice body, ae_error *error) {
  ae_error why;
  bool may_be_empty = shape == AE_SHAPE_NOTHING || shape == AE_SHAPE_IDENTIFIER;
  if (shape == AE_SHAPE_OCTETS) return AE_OK;
  if (shape == AE_SHAPE_TEXT) return AE_OK;
  ae_slice value = trimmed(body);
  if (!value.data || value.length == 0)
    return may_be_empty
             ? AE_OK
             : ae_fail(error, AE_SYNTAX, 0, "the reply is empty where JSON was expected");
  if (ae_json_check(body, REPLY_DEPTH, &why) != AE_OK) return not_json(body, &why, error);
  unsigned kind = kind_of(value);
  if (!(kind & wanted_kind(shape)))
    return ae_fail(error, AE_INVALID, 0, "the reply must be %s, but is %s",
                   kind_name(first_kind(wanted_kind(shape))), kind_name(kind));
  return kind == OBJECT && shape != AE_SHAPE_NOTHING ? check_object(shape, value, error)
                                                     : AE_OK;
}
