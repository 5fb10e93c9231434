/*
** json.c: the strict reader of JSON. It is one loop without recursion: one bit for each
** open level tells whether it is an object or an array.
*/
#include "core/json.h"
#include "core/scan.h"

/* Levels that one call can hold open, whatever the caller's limit. */
#define DEEPEST 65536u

typedef struct walk {
  ae_json *json;
  ae_error *error;
  uint32_t level;                  /* opened by this call */
  unsigned char open[DEEPEST / 8]; /* a bit per level: 1 = an object */
} walk;

static ae_code syntax (ae_json *json, ae_error *error, const char *what) {
  return ae_fail(error, AE_SYNTAX, json->at + 1, "%s",
                 json->at < json->length ? what : "the JSON text ends too early");
}

void ae_json_blank (ae_json *json) {
  json->at = ae_scan_blank(json->text, json->length, json->at);
}

/* The next character after white space, 0 at the end. */
static char peek (ae_json *json) {
  ae_json_blank(json);
  return json->at < json->length ? json->text[json->at] : '\0';
}

/* The value of four hexadecimal digits; -1: they are no such digits. */
static int32_t hex4 (const char *digits) {
  int32_t value = 0;
  for (int i = 0; i < 4; i++) {
    int digit = ae_hex(digits[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

/* The length of the escape at `text`, a backslash; 0: it is no valid escape. */
static size_t escape_length (const char *text, size_t left) {
  if (left < 2) return 0;
  if (text[1] == 'u') return left >= 6 && hex4(text + 2) >= 0 ? 6 : 0;
  return text[1] != '\0' && strchr("\"\\/bfnrt", text[1]) != NULL ? 2 : 0;
}

/* The length of the escape or UTF-8 sequence at which a plain run inside a string
** ended; 0, with an error: it is not allowed there. */
static size_t special_length (ae_json *json, ae_json_value *value, ae_error *error) {
  const char *text = json->text + json->at;
  size_t left = json->length - json->at, length;
  uint32_t point;
  if (*text == '\\') {
    value->plain = false;
    length = escape_length(text, left);
    if (length == 0) (void)syntax(json, error, "this is no escape of JSON");
    return length;
  }
  if ((unsigned char)*text < 0x20) {
    (void)syntax(json, error, "a control character in a string must be escaped");
    return 0;
  }
  if (*text == 0x7F) return 1;
  length = ae_utf8_read(text, left, &point);
  if (length == 0) (void)syntax(json, error, "the text is not UTF-8");
  return length;
}

ae_code ae_json_string (ae_json *json, ae_json_value *value, ae_error *error) {
  value->kind = AE_JSON_STRING;
  value->plain = value->ascii = true;
  value->at = json->at++;
  for (;;) {
    size_t length;
    json->at = ae_scan_plain(json->text, json->length, json->at);
    if (json->at >= json->length) return syntax(json, error, "");
    if (json->text[json->at] == '"') break;
    value->ascii = false;
    length = special_length(json, value, error);
    if (length == 0) return AE_SYNTAX;
    json->at += length;
  }
  json->at++;
  value->length = json->at - value->at;
  return AE_OK;
}

static bool digits (ae_json *json) {
  size_t from = json->at;
  while (json->at < json->length && ae_is_digit(json->text[json->at])) json->at++;
  return json->at > from;
}

static bool taken (ae_json *json, char a, char b) {
  if (json->at >= json->length || (json->text[json->at] != a && json->text[json->at] != b))
    return false;
  json->at++;
  return true;
}

/* RFC 8259 §6: [minus] int [frac] [exp]. */
static ae_code number (ae_json *json, ae_error *error) {
  (void)taken(json, '-', '-');
  if (!taken(json, '0', '0') && !digits(json))
    return syntax(json, error, "a value was expected");
  if (taken(json, '.', '.') && !digits(json))
    return syntax(json, error, "a digit was expected after the decimal point");
  if (taken(json, 'e', 'E')) {
    (void)taken(json, '+', '-');
    if (!digits(json)) return syntax(json, error, "a digit was expected in the exponent");
  }
  return AE_OK;
}

static ae_code literal (ae_json *json, ae_slice word, ae_error *error) {
  ae_slice rest = {json->text + json->at, json->length - json->at};
  if (!ae_slice_starts(rest, word)) return syntax(json, error, "a value was expected");
  json->at += word.length;
  return AE_OK;
}

/* A value that holds no other. */
static ae_code scalar (ae_json *json, ae_json_value *value, ae_error *error) {
  size_t start = json->at;
  ae_code code;
  value->plain = value->ascii = false;
  value->at = start;
  switch (start < json->length ? json->text[start] : '\0') {
    case '"': return ae_json_string(json, value, error);
    case 't':
      value->kind = AE_JSON_TRUE;
      code = literal(json, AE_LITERAL("true"), error);
      break;
    case 'f':
      value->kind = AE_JSON_FALSE;
      code = literal(json, AE_LITERAL("false"), error);
      break;
    case 'n':
      value->kind = AE_JSON_NULL;
      code = literal(json, AE_LITERAL("null"), error);
      break;
    default:
      value->kind = AE_JSON_NUMBER;
      code = number(json, error);
      break;
  }
  value->length = json->at - start;
  return code;
}

static bool in_object (const walk *w) {
  uint32_t top = w->level - 1;
  return (w->open[top >> 3] >> (top & 7) & 1) != 0;
}

/* Enters the array or object that begins here. */
static ae_code enter (walk *w) {
  ae_json *json = w->json;
  uint32_t level = w->level;
  unsigned bit = 1u << (level & 7);
  if (level >= DEEPEST || json->depth + level >= json->max_depth)
    return ae_fail(w->error, AE_TOO_LARGE, json->at + 1,
                   "arrays and objects are nested deeper than %u levels",
                   (unsigned)json->max_depth);
  if ((level & 7) == 0) w->open[level >> 3] = 0;
  if (json->text[json->at] == '{')
    w->open[level >> 3] = (unsigned char)(w->open[level >> 3] | bit);
  else w->open[level >> 3] = (unsigned char)(w->open[level >> 3] & ~bit);
  w->level++;
  json->at++;
  return AE_OK;
}

/* A member's name and its colon. */
static ae_code member_name (walk *w) {
  ae_json_value name;
  ae_code code;
  if (peek(w->json) != '"')
    return syntax(w->json, w->error, "a member's name in quotes was expected");
  code = ae_json_string(w->json, &name, w->error);
  if (code != AE_OK) return code;
  if (peek(w->json) != ':') return syntax(w->json, w->error, "a colon was expected");
  w->json->at++;
  return AE_OK;
}

/* Leaves levels as long as they end here. *more: another value follows. */
static ae_code leave (walk *w, bool *more) {
  ae_json *json = w->json;
  *more = false;
  while (w->level > 0) {
    bool object = in_object(w);
    char c = peek(json);
    if (c == ',') {
      *more = true;
      json->at++;
      return object ? member_name(w) : AE_OK;
    }
    if (c != (object ? '}' : ']'))
      return syntax(json, w->error,
                    object ? "a comma or the end of the object was expected"
                           : "a comma or the end of the array was expected");
    json->at++;
    w->level--;
  }
  return AE_OK;
}

/* Reads what follows an opening bracket. *more: a value comes next. */
static ae_code begin (walk *w, bool *more) {
  ae_code code = enter(w);
  char c;
  *more = true;
  if (code != AE_OK) return code;
  c = peek(w->json);
  if (in_object(w)) {
    if (c != '}') return member_name(w);
  } else if (c != ']') return AE_OK;
  return leave(w, more);
}

/* Passes over an array or object with all it holds. */
static ae_code nested (ae_json *json, ae_error *error) {
  walk w;
  bool more = true;
  w.json = json;
  w.error = error;
  w.level = 0;
  while (more) {
    ae_json_value inner;
    char c = peek(json);
    ae_code code;
    if (c == '{' || c == '[') code = begin(&w, &more);
    else {
      code = scalar(json, &inner, error);
      if (code == AE_OK) code = leave(&w, &more);
    }
    if (code != AE_OK) return code;
  }
  return AE_OK;
}

ae_code ae_json_skip (ae_json *json, ae_json_value *value, ae_error *error) {
  char c = peek(json);
  ae_code code;
  if (c != '{' && c != '[') return scalar(json, value, error);
  value->kind = c == '{' ? AE_JSON_OBJECT : AE_JSON_ARRAY;
  value->plain = value->ascii = false;
  value->at = json->at;
  code = nested(json, error);
  value->length = json->at - value->at;
  return code;
}

ae_code ae_json_check (ae_slice text, uint32_t max_depth, ae_error *error) {
  ae_json json = {text.data, text.length, 0, 0, max_depth};
  ae_json_value value;
  ae_code code = ae_json_skip(&json, &value, error);
  if (code != AE_OK) return code;
  ae_json_blank(&json);
  if (json.at < json.length) return syntax(&json, error, "there is text after the JSON value");
  return AE_OK;
}

/* Writes a code point as UTF-8; never longer than its escape. */
static size_t put_utf8 (uint32_t point, char *out) {
  if (point < 0x80) {
    out[0] = (char)point;
    return 1;
  }
  if (point < 0x800) {
    out[0] = (char)(0xC0 | point >> 6);
    out[1] = (char)(0x80 | (point & 0x3F));
    return 2;
  }
  if (point < 0x10000) {
    out[0] = (char)(0xE0 | point >> 12);
    out[1] = (char)(0x80 | (point >> 6 & 0x3F));
    out[2] = (char)(0x80 | (point & 0x3F));
    return 3;
  }
  out[0] = (char)(0xF0 | point >> 18);
  out[1] = (char)(0x80 | (point >> 12 & 0x3F));
  out[2] = (char)(0x80 | (point >> 6 & 0x3F));
  out[3] = (char)(0x80 | (point & 0x3F));
  return 4;
}

/* The code point of a \u escape at `text`, and how long the escape is:
** twelve bytes for a pair (RFC 8259 §7). */
static uint32_t unicode_escape (const char *text, size_t left, size_t *length) {
  uint32_t high = (uint32_t)hex4(text + 2), low;
  *length = 6;
  if (high < 0xD800 || high > 0xDBFF || left < 12 || text[6] != '\\' || text[7] != 'u')
    return high;
  low = (uint32_t)hex4(text + 8);
  if (low < 0xDC00 || low > 0xDFFF) return high;
  *length = 12;
  return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

bool ae_json_has_lone (ae_slice inside) {
  size_t at = 0;
  while (at < inside.length) {
    const char *text = inside.data + at;
    size_t length = *text == '\\' ? 2 : 1;
    if (length == 2 && text[1] == 'u') {
      uint32_t point = unicode_escape(text, inside.length - at, &length);
      if (point >= 0xD800 && point <= 0xDFFF) return true;
    }
    at += length;
  }
  return false;
}

static char short_escape (char letter) {
  switch (letter) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return letter;
  }
}

size_t ae_json_decode (ae_slice inside, char *out, bool *lone) {
  size_t at = 0, to = 0;
  *lone = false;
  while (at < inside.length) {
    const char *text = inside.data + at;
    size_t length = 2;
    if (*text != '\\') {
      out[to++] = *text;
      at++;
      continue;
    }
    if (text[1] == 'u') {
      uint32_t point = unicode_escape(text, inside.length - at, &length);
      if (point >= 0xD800 && point <= 0xDFFF) *lone = true;
      to += put_utf8(point, out + to);
    } else out[to++] = short_escape(text[1]);
    at += length;
  }
  return to;
}
