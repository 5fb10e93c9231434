/*
** read.c: reads an event in structured JSON mode, in one pass over the text. judge.c
** judges the meaning of the values.
**
** The way of a member, such as "time":"2016-12-31T23:59:60\u005A":
**   read_event    sweeps the first window of the text for marks (marks.h);
**   read_members  steps over the members: read_plain takes plain ones, as many
**                 as follow each other; the value here has a backslash, so
**   read_member   takes it: read_name decodes the escapes of the name,
**                 ae_json_skip (json.c) checks the value, take_member makes the
**                 attribute, and take_value decodes where the value stands.
**   ae_event_judge (judge.c), when all is read: judge_attributes, value_reason,
**                 meaning_reason, and there ae_timestamp_parse (timestamp.c),
**                 which judges the leap second.
** ae_event_read goes the same way, but decodes nothing: where it should have,
** it ends before ae_event_judge.
*/
#include "core/event.h"
#include "core/judge.h"
#include "core/marks.h"
#include "core/names.h"
#include "core/scan.h"

const ae_limits ae_default_limits = {AE_DEFAULT_MAX_BYTES, AE_DEFAULT_MAX_DEPTH};

/* The members of the payload, as they were found. */
typedef struct payload {
  uint32_t position; /* 1-based; 0 = not found */
  ae_json_value value;
} payload;

typedef struct reader {
  ae_json json;
  const char *text;
  char *writable; /* the same text; NULL: not to be written to */
  bool escaped;   /* there were escapes, and the text is not writable */
  ae_event *event;
  ae_faults *faults;
  ae_error *error;
  payload data, base64;
  const uint32_t *mark; /* the next entry of `marks` that was not passed yet */
  ae_marks marks;
} reader;

/* One member of the object: spans of the text. */
typedef struct member {
  uint32_t name, name_length, position;
  unsigned known;
  ae_json_value value;
} member;

/* --- values --- */

/* Decodes the escapes of a string in place; returns its inside. */
static ae_slice decode (reader *r, const ae_json_value *value) {
  ae_slice inside = {r->text + value->at + 1, value->length - 2};
  bool lone;
  if (value->plain) return inside;
  if (r->writable == NULL) r->escaped = true;
  else inside.length = ae_json_decode(inside, r->writable + value->at + 1, &lone);
  return inside;
}

/* Reads a number as an Integer. False: it has a fraction or an exponent, or does not fit
** 32 bits. */
static bool integer (ae_slice number, int32_t *out) {
  bool minus = number.data[0] == '-';
  int64_t value = 0;
  if (number.length > 11) return false;
  for (size_t i = minus; i < number.length; i++) {
    if (!ae_is_digit(number.data[i])) return false;
    value = value * 10 + (number.data[i] - '0');
  }
  if (minus) value = -value;
  if (value < INT32_MIN || value > INT32_MAX) return false;
  *out = (int32_t)value;
  return true;
}

/* Sets kind and value of an attribute. Integers keep their text too. */
static void take_value (reader *r, const ae_json_value *value, ae_attribute *to) {
  ae_slice span = {r->text + value->at, value->length};
  to->kind = AE_JSON;
  switch (value->kind) {
    case AE_JSON_STRING:
      to->kind = AE_STRING;
      span = decode(r, value);
      break;
    case AE_JSON_NULL: to->kind = AE_NONE; break;
    case AE_JSON_FALSE: to->kind = AE_BOOLEAN; break;
    case AE_JSON_TRUE:
      to->kind = AE_BOOLEAN;
      to->integer = 1;
      break;
    case AE_JSON_NUMBER:
      if (integer(span, &to->integer)) to->kind = AE_INTEGER;
      break;
    default: break;
  }
  to->value = (uint32_t)(span.data - r->text);
  to->value_length = (uint32_t)span.length;
}

/* Keeps one of the two members of the payload. */
static void take_payload (reader *r, const member *m) {
  bool is_data = m->known == AE_MEMBER_DATA;
  payload *to = is_data ? &r->data : &r->base64;
  if (to->position != 0) {
    ae_faults_add(r->faults, AE_INVALID, m->position,
                  is_data ? AE_LITERAL("data") : AE_LITERAL("data_base64"),
                  "occurs more than once");
    return;
  }
  to->position = m->position;
  to->value = m->value;
}

static void take_member (reader *r, const member *m) {
  ae_attribute *to;
  if (m->known > AE_EXTENSION) {
    take_payload(r, m);
    return;
  }
  to = ae_event_place(r->event, m->known);
  if (to == NULL) return;
  *to = (ae_attribute){.name = m->name,
                       .name_length = m->name_length,
                       .position = m->position,
                       .known = (uint8_t)m->known,
                       .seen = m->value.ascii ? AE_CLEAN : AE_UNSEEN};
  take_value(r, &m->value, to);
}

/* --- the object --- */

static ae_code expected (reader *r, const char *what) {
  ae_json *json = &r->json;
  return ae_fail(r->error, AE_SYNTAX, json->at + 1, "%s",
                 json->at < json->length ? what : "the JSON text ends too early");
}

/* Passes over white space, then over `c`; false: something else is there. */
static inline bool accept (ae_json *json, char c) {
  size_t at = ae_scan_blank(json->text, json->length, json->at);
  json->at = at;
  if (at >= json->length || json->text[at] != c) return false;
  json->at = at + 1;
  return true;
}

static ae_code read_name (reader *r, member *m) {
  ae_json *json = &r->json;
  ae_json_value value;
  ae_slice name;
  ae_code code;
  json->at = ae_scan_blank(json->text, json->length, json->at);
  if (json->at >= json->length || json->text[json->at] != '"')
    return expected(r, "a member's name in quotes was expected");
  code = ae_json_string(json, &value, r->error);
  if (code != AE_OK) return code;
  m->position = (uint32_t)(value.at + 1);
  m->name = (uint32_t)(value.at + 1);
  name = decode(r, &value);
  m->name_length = (uint32_t)name.length;
  m->known = ae_name_known(name.data, name.length);
  return accept(json, ':') ? AE_OK : expected(r, "a colon was expected");
}

/* A member of any form. */
static ae_code read_member (reader *r) {
  member m;
  ae_code code = read_name(r, &m);
  if (code == AE_OK) code = ae_json_skip(&r->json, &m.value, r->error);
  if (code == AE_OK) take_member(r, &m);
  return code;
}

/* The four marks from `at` on. NULL: there is no mark at `at`, or the window has fewer
** than four marks from there on, even when it is moved to begin at `at`. */
static const uint32_t *marks_from (reader *r, size_t at) {
  const uint32_t *mark = r->mark;
  while (*mark < at && *mark < r->marks.end) mark++;
  if (mark[3] >= r->marks.end && r->marks.end < r->json.length) {
    ae_marks_sweep(&r->marks, (ae_slice){r->text, r->json.length}, at, AE_SWEEP_BEST);
    mark = r->marks.at;
  }
  r->mark = mark;
  return mark[0] == at && mark[3] < r->marks.end ? mark : NULL;
}

/* Whether two neighbouring marks are quotation marks with only the second byte of
** `joint` between them, and perhaps blanks. (Other white space is a mark.) The first
** byte of `joint` is a quotation mark. */
static inline bool separated_by (const char *text, size_t mark, size_t next,
                                 const char *joint) {
  size_t at;
  if (text[next] != '"') return false;
  if (next == mark + 2) return memcmp(text + mark, joint, 2) == 0;
  at = ae_scan_blank(text, next, mark + 1);
  return text[mark] == '"' && at < next && text[at] == joint[1] &&
         ae_scan_blank(text, next, at + 1) == next;
}

/* Adds an attribute that is a string of plain characters, given by its four marks. There
** must be room. */
static inline void take_plain (ae_event *event, unsigned known, const uint32_t *mark) {
  uint32_t index = event->count++, name = mark[0] + 1, value = mark[2] + 1;
  ae_attribute *to = &event->attributes[index];
  uint8_t seen = AE_CLEAN;
  to->name = name;
  to->position = name; /* 1-based, and of the quotation mark before it */
  to->name_length = mark[1] - name;
  to->value = value;
  to->value_length = mark[3] - value;
  to->kind = AE_STRING;
  to->known = (uint8_t)known;
  if (event->known[known] < 0) {
    event->known[known] = (int32_t)index;
    if ((AE_FREE_TEXTS >> known & 1) != 0 && mark[3] > value) seen = AE_SETTLED;
  }
  to->seen = seen;
}

/*
** Reads the plain members that follow each other from `at` on. A plain member, as most
** are, is an attribute that is a string, with only plain characters in name and value:
** its marks are four quotation marks. Returns the end of the last one. Returns 0, and
** does nothing, when the first is not plain, is too long for a window, or has no room:
** then read_member reads it.
*/
static size_t read_plain (reader *r, size_t at) {
  const char *text = r->text;
  const uint32_t *first = marks_from(r, at), *mark = first;
  uint32_t end = r->marks.end;
  ae_event *event = r->event;
  if (mark == NULL || text[at] != '"') return 0;
  do {
    unsigned known;
    if (text[mark[3]] != '"' || !separated_by(text, mark[1], mark[2], "\":")) break;
    known = ae_name_known(text + mark[0] + 1, mark[1] - mark[0] - 1);
    if (known > AE_EXTENSION || event->count >= event->capacity) break;
    take_plain(event, known, mark);
    mark += 4;
  } while (mark[3] < end && separated_by(text, mark[-1], mark[0], "\","));
  r->mark = mark;
  return mark == first ? 0 : mark[-1] + 1;
}

/* Reads the members of the object whose opening brace has been passed. */
static ae_code read_members (reader *r) {
  ae_json *json = &r->json;
  size_t at;
  if (accept(json, '}')) return AE_OK;
  at = json->at;
  for (;;) {
    size_t end = read_plain(r, at);
    if (end == 0) {
      ae_code code;
      json->at = at;
      code = read_member(r);
      if (code != AE_OK) return code;
      end = json->at;
    }
    at = ae_scan_blank(json->text, json->length, end);
    if (at >= json->length || json->text[at] != ',') break;
    at = ae_scan_blank(json->text, json->length, at + 1);
  }
  json->at = at;
  return accept(json, '}') ? AE_OK
                           : expected(r, "a comma or the end of the object was expected");
}

/* Checks a text that is no object, and so no event: AE_SYNTAX or AE_NOT_CLOUDEVENT. */
static ae_code no_object (reader *r) {
  ae_slice text = {r->json.text, r->json.length};
  size_t position = r->json.at + 1;
  ae_code code = ae_json_check(text, r->json.max_depth, r->error);
  if (code != AE_OK) return code;
  ae_faults_add(r->faults, AE_NOT_CLOUDEVENT, position, (ae_slice){NULL, 0},
                "the JSON text is not an object");
  return ae_fail(r->error, AE_NOT_CLOUDEVENT, position, "the JSON text is not an object");
}

/* --- the payload --- */

static void span_data (ae_event *event, ae_kind kind, ae_slice span) {
  event->data_kind = kind;
  event->data = (uint32_t)(span.data - event->text);
  event->data_length = (uint32_t)span.length;
}

/* JSON event format §3.1: `data` or `data_base64`, not both. */
static void settle_payload (reader *r) {
  const ae_json_value *value = &r->data.value;
  if (r->data.position != 0)
    span_data(r->event, AE_JSON, (ae_slice){r->text + value->at, value->length});
  if (r->base64.position == 0) return;
  value = &r->base64.value;
  if (r->data.position != 0)
    ae_faults_add(r->faults, AE_INVALID, r->base64.position, AE_LITERAL("data_base64"),
                  "must not stand beside data; send one of the two");
  else if (value->kind == AE_JSON_STRING) span_data(r->event, AE_BASE64, decode(r, value));
  else if (value->kind != AE_JSON_NULL)
    ae_faults_add(r->faults, AE_INVALID, r->base64.position, AE_LITERAL("data_base64"),
                  "must be a string of Base64");
}

/* Reads the whole text; the event's attributes are not judged yet. */
static ae_code read_text (reader *r) {
  ae_json *json = &r->json;
  ae_code code;
  if (!accept(json, '{')) return no_object(r);
  if (json->max_depth < 1)
    return ae_fail(r->error, AE_TOO_LARGE, json->at,
                   "arrays and objects are nested deeper than 0 levels");
  json->depth = 1;
  code = read_members(r);
  if (code != AE_OK) return code;
  json->at = ae_scan_blank(json->text, json->length, json->at);
  return json->at < json->length ? expected(r, "there is text after the JSON value") : AE_OK;
}

/* Reads a text, and judges the event if it could be read. `writable`: the same
** text, or NULL. */
static ae_code read_event (ae_event *event, const char *text, char *writable, size_t length,
                           const ae_limits *limits, ae_faults *faults, ae_error *error) {
  reader r;
  ae_code code;
  ae_event_begin(event, text);
  faults->count = 0;
  if (limits == NULL) limits = &ae_default_limits;
  if (length > limits->max_bytes || length > UINT32_MAX / 2)
    return ae_fail(error, AE_TOO_LARGE, 0, "the event has %zu bytes; the limit is %zu", length,
                   limits->max_bytes < UINT32_MAX / 2 ? limits->max_bytes : UINT32_MAX / 2);
  r.json = (ae_json){text, length, 0, 0, limits->max_depth};
  r.text = text;
  r.writable = writable;
  r.escaped = false;
  r.event = event;
  r.faults = faults;
  r.error = error;
  r.data.position = r.base64.position = 0;
  ae_marks_sweep(&r.marks, (ae_slice){text, length}, 0, AE_SWEEP_BEST);
  r.mark = r.marks.at;
  code = read_text(&r);
  if (code != AE_OK) return code;
  if (event->count > event->capacity)
    return ae_fail(error, AE_MEMORY, 0, "the event has %u attributes", (unsigned)event->count);
  settle_payload(&r);
  if (r.escaped) return ae_fail(error, AE_MEMORY, 0, "the text has escapes to decode");
  return ae_event_judge(event, faults, error);
}

ae_code ae_event_parse (ae_event *event, char *text, size_t length, const ae_limits *limits,
                        ae_faults *faults, ae_error *error) {
  return read_event(event, text, text, length, limits, faults, error);
}

ae_code ae_event_read (ae_event *event, const char *text, size_t length,
                       const ae_limits *limits, ae_faults *faults, ae_error *error) {
  return read_event(event, text, NULL, length, limits, faults, error);
}
