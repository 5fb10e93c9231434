/*
** grant_text.c: failures, wiped bytes, base64url, members of JSON objects,
** PEM blocks, files, random bytes.
*/
#include "net/grant_private.h"
#include "core/event.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* {====================================================================
** Failures
** ===================================================================== */

#define REASON(constant, name, code) {name, code},
static const struct {
  const char *name;
  ae_code code;
} reasons[] = {AE_GRANT_REASONS(REASON)};
#undef REASON

const char *ae_grant_reason_name (ae_grant_reason reason) {
  return (unsigned)reason < AE_GRANT_REASON_COUNT ? reasons[reason].name : "unknown";
}

ae_code ae_grant_fail (ae_grant_error *error, ae_grant_reason reason, const char *format,
                       ...) {
  va_list arguments;
  if (error) {
    error->reason = reason;
    error->error.code = reasons[reason].code;
    error->error.position = 0;
    va_start(arguments, format);
    (void)vsnprintf(error->error.message, sizeof error->error.message, format, arguments);
    va_end(arguments);
  }
  return reasons[reason].code;
}

ae_code ae_grant_no_memory (ae_grant_error *error) {
  return ae_grant_fail(error, AE_GRANT_MEMORY, "out of memory");
}

void ae_grant_enter (void) {
  ERR_clear_error();
}

void ae_grant_leave (void) {
  ERR_clear_error();
}

bool ae_grant_random (unsigned char *out, size_t size) {
  if (size > INT_MAX) return false;
  ae_grant_enter();
  int done = RAND_bytes(out, (int)size);
  ae_grant_leave();
  return done == 1;
}

/* }==================================================================== */

/* {====================================================================
** Bytes
** ===================================================================== */

void ae_bytes_free (ae_bytes *bytes) {
  if (bytes->data) OPENSSL_cleanse(bytes->data, bytes->room);
  free(bytes->data);
  *bytes = (ae_bytes){0};
}

char *ae_bytes_reserve (ae_bytes *bytes, size_t size) {
  if (bytes->failed) return NULL;
  if (bytes->data && size <= bytes->room - bytes->length) return bytes->data + bytes->length;
  size_t room = bytes->room ? bytes->room : 256;
  while (room < SIZE_MAX / 2 && room - bytes->length < size) room *= 2;
  char *grown = room - bytes->length < size ? NULL : malloc(room);
  if (!grown) {
    bytes->failed = true;
    return NULL;
  }
  if (bytes->data) memcpy(grown, bytes->data, bytes->length);
  if (bytes->data) OPENSSL_cleanse(bytes->data, bytes->room);
  free(bytes->data);
  bytes->data = grown;
  bytes->room = room;
  return grown + bytes->length;
}

void ae_bytes_add (ae_bytes *bytes, ae_slice more) {
  char *to = ae_bytes_reserve(bytes, more.length);
  if (!to) return;
  if (more.length > 0) memcpy(to, more.data, more.length);
  bytes->length += more.length;
}

ae_slice ae_bytes_slice (const ae_bytes *bytes) {
  return (ae_slice){bytes->data, bytes->length};
}

void ae_bytes_base64 (ae_bytes *bytes, ae_slice octets) {
  size_t size = ae_base64_encoded_size(octets.length);
  char *to = ae_bytes_reserve(bytes, size);
  if (!to) return;
  ae_base64_encode(octets, to);
  bytes->length += size;
}

void ae_bytes_base64url (ae_bytes *bytes, ae_slice octets) {
  size_t from = bytes->length;
  ae_bytes_base64(bytes, octets);
  if (bytes->failed) return;
  while (bytes->length > from && bytes->data[bytes->length - 1] == '=') bytes->length--;
  for (size_t i = from; i < bytes->length; i++) {
    if (bytes->data[i] == '+') bytes->data[i] = '-';
    else if (bytes->data[i] == '/') bytes->data[i] = '_';
  }
}

/* Decodes `text`, which is in the standard alphabet. */
static bool decode (ae_bytes *bytes, const ae_bytes *text) {
  ae_slice standard = ae_bytes_slice(text);
  if (text->failed || !ae_base64_valid(standard)) return false;
  size_t size = ae_base64_decoded_size(standard);
  char *to = ae_bytes_reserve(bytes, size);
  if (!to) return false;
  ae_base64_decode(standard, to);
  bytes->length += size;
  return true;
}

bool ae_bytes_unbase64url (ae_bytes *bytes, ae_slice text) {
  ae_bytes standard = {0};
  bool foreign = false;
  ae_bytes_add(&standard, text);
  for (size_t i = 0; i < standard.length; i++) {
    char c = standard.data[i];
    foreign = foreign || c == '+' || c == '/' || c == '=';
    if (c == '-') standard.data[i] = '+';
    else if (c == '_') standard.data[i] = '/';
  }
  if (text.length % 4 != 0) ae_bytes_add(&standard, (ae_slice){"===", 4 - text.length % 4});
  bool done = !foreign && text.length % 4 != 1 && decode(bytes, &standard);
  ae_bytes_free(&standard);
  return done;
}

bool ae_bytes_unbase64 (ae_bytes *bytes, ae_slice text) {
  ae_bytes standard = {0};
  char *to = ae_bytes_reserve(&standard, text.length + 1);
  for (size_t i = 0; to && i < text.length; i++) {
    char c = text.data[i];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') to[standard.length++] = c;
  }
  bool done = to && standard.length > 0 && decode(bytes, &standard);
  ae_bytes_free(&standard);
  return done;
}

/* }==================================================================== */

/* {====================================================================
** JSON objects
** ===================================================================== */

/* Reads the next member of an object; `name` is the inside of its name. */
static bool next_member (ae_json *json, ae_json_value *name, ae_json_value *value) {
  ae_json_blank(json);
  if (json->at >= json->length || json->text[json->at] == '}') return false;
  json->at++; /* the brace or the comma */
  ae_json_blank(json);
  if (json->at >= json->length || json->text[json->at] == '}') return false;
  if (ae_json_skip(json, name, NULL) != AE_OK) return false;
  ae_json_blank(json);
  json->at++; /* the colon */
  return ae_json_skip(json, value, NULL) == AE_OK;
}

static ae_json reader_of (ae_slice text) {
  return (ae_json){.text = text.data, .length = text.length, .max_depth = 32};
}

static ae_slice inside_of (ae_slice text, ae_json_value value) {
  return (ae_slice){text.data + value.at + 1, value.length - 2};
}

bool ae_grant_is_object (ae_slice text) {
  ae_slice seen[64];
  size_t count = 0;
  ae_json_value name, value;
  if (!text.data || ae_json_check(text, 32, NULL) != AE_OK) return false;
  ae_json json = reader_of(text);
  ae_json_blank(&json);
  if (json.text[json.at] != '{') return false;
  while (next_member(&json, &name, &value)) {
    if (!name.plain || count == sizeof seen / sizeof *seen) return false;
    seen[count] = inside_of(text, name);
    for (size_t i = 0; i < count; i++)
      if (ae_slice_equal(seen[i], seen[count])) return false;
    count++;
  }
  return true;
}

bool ae_grant_member (ae_slice object, const char *name, ae_slice *text,
                      ae_json_value *value) {
  ae_json json = reader_of(object);
  ae_json_value found;
  ae_slice wanted = {name, strlen(name)};
  while (next_member(&json, &found, value)) {
    if (!ae_slice_equal(inside_of(object, found), wanted)) continue;
    *text = (ae_slice){object.data + value->at, value->length};
    return true;
  }
  return false;
}

bool ae_grant_string (ae_slice object, const char *name, ae_slice *inside) {
  ae_json_value value;
  ae_slice text;
  if (!ae_grant_member(object, name, &text, &value)) return false;
  if (value.kind != AE_JSON_STRING || !value.plain) return false;
  *inside = (ae_slice){text.data + 1, text.length - 2};
  return true;
}

/* }==================================================================== */

/* {====================================================================
** PEM and files
** ===================================================================== */

static const char *find (ae_slice text, const char *what) {
  return text.length > 0 ? memmem(text.data, text.length, what, strlen(what)) : NULL;
}

static bool ends_with (ae_slice text, const char *end) {
  size_t length = strlen(end);
  return text.length >= length && memcmp(text.data + text.length - length, end, length) == 0;
}

/* RFC 7468 §2: from "-----BEGIN label-----" to "-----END label-----". */
bool ae_grant_pem (ae_slice text, const char *wanted, ae_slice *label, ae_slice *block) {
  const char *end = text.data + text.length, *at;
  while ((at = find(text, "-----BEGIN ")) != NULL) {
    ae_slice rest = {at + 11, (size_t)(end - at) - 11};
    const char *stop = find(rest, "-----");
    if (!stop || stop - rest.data > 64) return false;
    *label = (ae_slice){rest.data, (size_t)(stop - rest.data)};
    rest = (ae_slice){stop + 5, (size_t)(end - stop) - 5};
    const char *close = find(rest, "-----END ");
    if (!close) return false;
    text = (ae_slice){close + 9, (size_t)(end - close) - 9};
    const char *last = find(text, "-----");
    if (!last) return false;
    *block = (ae_slice){at, (size_t)(last + 5 - at)};
    if (!wanted || ends_with(*label, wanted)) return true;
  }
  return false;
}

static ae_code cannot_read (int why, ae_grant_error *error) {
  if (why == ENOENT)
    return ae_grant_fail(error, AE_GRANT_FILE_MISSING,
                         "there is no such file: check the path");
  if (why == EISDIR)
    return ae_grant_fail(error, AE_GRANT_FILE_UNREADABLE,
                         "it is a folder: name the file in it");
  return ae_grant_fail(error, AE_GRANT_FILE_UNREADABLE,
                       "it cannot be read (%s): check who may read it", strerror(why));
}

ae_code ae_grant_read (const char *path, ae_bytes *bytes, ae_grant_error *error) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return cannot_read(errno, error);
  ae_code code = AE_OK;
  ssize_t got = 1;
  while (code == AE_OK && got > 0) {
    char *to = ae_bytes_reserve(bytes, 4096);
    got = to ? read(file, to, 4096) : 0;
    if (!to) code = ae_grant_no_memory(error);
    else if (got < 0 && errno == EINTR) got = 1;
    else if (got < 0) code = cannot_read(errno, error);
    else bytes->length += (size_t)got;
    if (code == AE_OK && bytes->length > AE_GRANT_MAX_TEXT)
      code = ae_grant_fail(error, AE_GRANT_TOO_LARGE,
                           "it is larger than 1 MiB: that is no key and no certificate");
  }
  (void)close(file);
  return code;
}

/* }==================================================================== */
