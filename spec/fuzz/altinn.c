/*
** altinn.c: any bytes as a reply to any call, and as what a call is to do
** (libFuzzer). Messages are whole texts without identity numbers; what is
** built stays within its room and holds nothing that a request line cannot.
*/
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/altinn.h"
#include "core/judge.h"
#include "core/urn.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* Whether the eleven digits at `at` are of the last twelve of a UUID, which
** no identity number is. */
static bool in_uuid (const char *text, size_t length, size_t at) {
  for (size_t before = 24; before <= 25 && before <= at; before++)
    if (at - before + 36 <= length && ae_is_uuid((ae_slice){ text + at - before, 36 })) return true;
  return false;
}

static void check_text (const char *text, size_t room) {
  size_t length = strnlen(text, room), digits = 0;
  if (length == room) abort();
  if (!ae_text_is_utf8((ae_slice){ text, length })) abort();
  /* A run at the end may be the beginning of a longer one that was cut. */
  for (size_t i = 0; i < length; i++) {
    bool digit = text[i] >= '0' && text[i] <= '9';
    if (!digit && digits == 11 && !in_uuid(text, length, i - 11)) abort();
    digits = digit ? digits + 1 : 0;
    if ((unsigned char)text[i] < 0x20) abort();
  }
}

static void judge (ae_call call, uint8_t kind, ae_slice body) {
  static const int statuses[] = { 200, 201, 204, 302, 400, 401, 403, 404, 429, 500, 0, 999 };
  ae_answer answer;
  ae_reply_judge(call, statuses[kind % (sizeof(statuses) / sizeof(*statuses))], body, &answer);
  check_text(answer.message, sizeof(answer.message));
  check_text(answer.text, sizeof(answer.text));
  check_text(answer.trace, sizeof(answer.trace));
  if (answer.code != AE_OK && answer.message[0] == '\0') abort();
  if (answer.position > body.length + 1) abort();
}

/* The bytes up to the next NUL; absent when they are one "-". */
static ae_slice next_field (ae_slice *rest) {
  const char *end = rest->length ? memchr(rest->data, '\0', rest->length) : NULL;
  size_t length = end ? (size_t)(end - rest->data) : rest->length;
  ae_slice field = { rest->data, length };
  size_t used = end ? length + 1 : length;
  rest->data += used;
  rest->length -= used;
  if (length == 1 && *field.data == '-') return (ae_slice){ NULL, 0 };
  return field;
}

static void build (const ae_wish *wish) {
  ae_altinn_request request, again;
  ae_error error;
  char small[64];
  if (ae_request_build(wish, small, sizeof(small), &request, &error) != AE_OK) {
    check_text(error.message, sizeof(error.message));
    return;
  }
  char *out = malloc(request.needed);
  if (!out || ae_request_build(wish, out, request.needed, &again, NULL) != AE_OK) abort();
  if (again.needed != request.needed || again.target.length == 0) abort();
  for (size_t i = 0; i < again.target.length; i++)
    if (again.target.data[i] <= ' ' || again.target.data[i] == 0x7F) abort();
  if (again.body.length > 0 && ae_json_check(again.body, 8, NULL) != AE_OK) abort();
  free(out);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size) {
  ae_slice types[2];
  if (size < 2) return 0;
  char *copy = malloc(size - 1);
  if (!copy) abort();
  memcpy(copy, data + 1, size - 1);
  ae_call call = (ae_call)(data[0] % AE_CALL_COUNT);
  judge(call, (uint8_t)copy[0], (ae_slice){ copy + 1, size - 2 });
  ae_slice rest = { copy, size - 1 };
  ae_wish wish = { .call = call, .loopback = size % 2, .include_subunits = size % 3 == 0, .size = data[0] };
  wish.resource = next_field(&rest);
  wish.id = next_field(&rest);
  wish.endpoint = next_field(&rest);
  wish.subject = next_field(&rest);
  wish.attachment = wish.after = next_field(&rest);
  wish.role = next_field(&rest);
  wish.from = next_field(&rest);
  wish.status = next_field(&rest);
  types[0] = next_field(&rest);
  types[1] = next_field(&rest);
  wish.types = types;
  wish.type_count = types[0].data ? 1 + (types[1].data != NULL) : 0;
  build(&wish);
  (void)ae_wish_warning(&wish);
  free(copy);
  return 0;
}
