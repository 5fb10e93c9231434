/*
** media.c: media types (RFC 2045 §5.1).
*/
#include "core/judge.h"
#include "core/scan.h"

/* A character of a token: ASCII, no control, no blank, no `tspecials`. */
static bool is_token (char c) {
  return c > ' ' && c < 0x7F && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

static bool is_blank (char c) {
  return c == ' ' || c == '\t';
}

static bool at_char (ae_slice text, size_t at, char c) {
  return at < text.length && text.data[at] == c;
}

static size_t skip_token (ae_slice text, size_t at) {
  while (at < text.length && is_token(text.data[at])) at++;
  return at;
}

static size_t skip_blank (ae_slice text, size_t at) {
  while (at < text.length && is_blank(text.data[at])) at++;
  return at;
}

/* The end of the quoted string that begins at `at`; `at` when there is none. */
static size_t skip_quoted (ae_slice text, size_t at) {
  for (size_t i = at + 1; i < text.length; i++) {
    char c = text.data[i];
    if (c == '"') return i + 1;
    if (c == '\\' && ++i == text.length) break;
    if ((unsigned char)text.data[i] > 0x7F || text.data[i] == '\r') break;
  }
  return at;
}

/* The end of the parameter (attribute "=" value) at `at`; 0: there is none. */
static size_t parameter (ae_slice text, size_t at) {
  size_t equals = skip_token(text, at), end;
  if (equals == at || !at_char(text, equals, '=')) return 0;
  end = at_char(text, equals + 1, '"') ? skip_quoted(text, equals + 1)
                                       : skip_token(text, equals + 1);
  return end == equals + 1 ? 0 : end;
}

bool ae_media_type_valid (ae_slice text) {
  size_t slash = skip_token(text, 0), at;
  if (slash == 0 || !at_char(text, slash, '/')) return false;
  at = skip_token(text, slash + 1);
  if (at == slash + 1) return false;
  while (at < text.length) {
    at = skip_blank(text, at);
    if (!at_char(text, at, ';')) return false;
    at = parameter(text, skip_blank(text, at + 1));
    if (at == 0) return false;
  }
  return true;
}

ae_slice ae_media_type_bare (ae_slice text) {
  const char *semicolon = text.length > 0 ? memchr(text.data, ';', text.length) : NULL;
  if (semicolon != NULL) text.length = (size_t)(semicolon - text.data);
  while (text.length > 0 && is_blank(text.data[text.length - 1])) text.length--;
  while (text.length > 0 && is_blank(text.data[0])) {
    text.data++;
    text.length--;
  }
  return text;
}

bool ae_media_type_is_json (ae_slice media_type) {
  ae_slice bare = ae_media_type_bare(media_type), tail;
  size_t slash = 0;
  while (slash < bare.length && bare.data[slash] != '/') slash++;
  if (slash == bare.length || slash + 4 >= bare.length) return false;
  tail = (ae_slice){bare.data + bare.length - 4, 4};
  if (!ae_same_word(tail, AE_LITERAL("json"))) return false;
  return tail.data[-1] == '/' || tail.data[-1] == '+';
}
