/*
** altinn_reply.c: judges a reply: success (also when the thing had been done before),
** or a code and a sentence.
*/
#include "core/altinn_private.h"
#include "core/failures.h"
#include "core/json.h"
#include "core/mask.h"
#include "core/scan.h"
#include "core/urn.h"

#include <stdio.h>

/* {====================================================================
** The server's own words
** ===================================================================== */

/* Where to cut the inside of a JSON string: at `most` or before, but not inside an
** escape or inside a number that has to be masked. */
static size_t cut_before (const char *inside, size_t most) {
  size_t at = most;
  for (size_t i = most; i > 0 && most - i < 12; i--)
    if (inside[i - 1] == '\\') at = i - 1;
  while (at > 0 && ae_is_digit(inside[at - 1])) at--;
  return at;
}

/*
** Writes the text of a JSON string for people: decoded, cut at `size`, without control
** characters and invalid UTF-8, identity numbers masked.
*/
static void keep_text (ae_slice string, char *out, size_t size) {
  char decoded[1024];
  size_t length = string.length >= 2 ? string.length - 2 : 0, at = 0, kept = 0;
  bool lone;
  if (length == 0 || string.data[0] != '"') return;
  if (length > sizeof(decoded)) length = cut_before(string.data + 1, sizeof(decoded));
  length = ae_json_decode((ae_slice){string.data + 1, length}, decoded, &lone);
  ae_mask((ae_slice){decoded, length}, decoded);
  while (at < length && kept + 1 < size) {
    uint32_t point;
    size_t bytes = 1;
    bool plain = (unsigned char)decoded[at] >= 0x20 && (unsigned char)decoded[at] < 0x7F;
    if (!plain && (unsigned char)decoded[at] >= 0x80)
      bytes = ae_utf8_read(decoded + at, length - at, &point);
    if (kept + bytes >= size) break;
    if (bytes > 1) memcpy(out + kept, decoded + at, bytes);
    else out[kept] = plain ? decoded[at] : ' ';
    kept += bytes ? bytes : 1;
    at += bytes ? bytes : 1;
  }
  out[kept] = '\0';
}

/* A whole number of at most nine digits; 0: the text is no such number. */
static int32_t read_number (ae_slice digits) {
  int32_t value = 0;
  if (digits.length == 0 || digits.length > 9) return 0;
  for (size_t i = 0; i < digits.length; i++) {
    if (!ae_is_digit(digits.data[i])) return 0;
    value = value * 10 + (digits.data[i] - '0');
  }
  return value;
}

/* The error number of a problem: its errorCode, else its code ("CORR-01018"). */
static int32_t number_in (ae_slice problem) {
  ae_slice value, prefix = AE_LITERAL("\"CORR-");
  int32_t number = 0;
  if (ae_json_member(problem, "errorCode", &value)) number = read_number(value);
  if (number == 0 && ae_json_member(problem, "code", &value) &&
      ae_slice_starts(value, prefix) && value.length > prefix.length)
    number = read_number(
      (ae_slice){value.data + prefix.length, value.length - prefix.length - 1});
  return number;
}

/* The first value in a checked JSON text that is an array or object. */
static bool first_value (ae_slice outer, bool named, ae_slice *value) {
  ae_json json = {outer.data, outer.length, 1, 0, 64};
  ae_json_value found;
  if (outer.length == 0 || outer.data[0] != (named ? '{' : '[')) return false;
  for (int i = 0; i < (named ? 2 : 1); i++) {
    ae_json_blank(&json);
    if (json.at < json.length && json.text[json.at] == ':') json.at++;
    ae_json_blank(&json);
    if (json.at >= json.length || json.text[json.at] == '}' || json.text[json.at] == ']')
      return false;
    if (ae_json_skip(&json, &found, NULL) != AE_OK) return false;
  }
  *value = (ae_slice){json.text + found.at, found.length};
  return true;
}

/* The sentence of a problem: its detail; of a validation problem the first fault; else
** the title. */
static ae_slice sentence_of (ae_slice problem) {
  ae_slice value, list, none = {NULL, 0};
  if (ae_json_member(problem, "detail", &value) && value.length > 2 && value.data[0] == '"')
    return value;
  if (ae_json_member(problem, "validationErrors", &list) && first_value(list, false, &value) &&
      ae_json_member(value, "detail", &value) && value.data[0] == '"')
    return value;
  if (ae_json_member(problem, "errors", &list) && first_value(list, true, &value) &&
      first_value(value, false, &value) && value.data[0] == '"')
    return value;
  if (ae_json_member(problem, "title", &value) && value.data[0] == '"') return value;
  return none;
}

static void read_problem (ae_slice body, ae_answer *answer) {
  ae_slice value;
  ae_json json = {body.data, body.length, 0, 0, 64};
  if (body.length == 0 || ae_json_check(body, 64, NULL) != AE_OK) return;
  ae_json_blank(&json);
  body.data += json.at;
  body.length -= json.at;
  if (body.data[0] == '"') {
    ae_json_value whole;
    if (ae_json_skip(&json, &whole, NULL) == AE_OK)
      keep_text((ae_slice){json.text + whole.at, whole.length}, answer->text,
                sizeof(answer->text));
    return;
  }
  answer->number = number_in(body);
  value = sentence_of(body);
  if (value.data) keep_text(value, answer->text, sizeof(answer->text));
  if (ae_json_member(body, "traceId", &value))
    keep_text(value, answer->trace, sizeof(answer->trace));
}

/* }==================================================================== */

/* {====================================================================
** Code and message
** ===================================================================== */

/* The meaning of a status for this call, when the server gives no sentence. */
static const char *meaning_of (ae_call call, int status) {
  bool subscription = call == AE_CALL_SUBSCRIPTION || call == AE_CALL_UNSUBSCRIBE;
  switch (status) {
    case 401:
      return "Altinn does not accept the token: is it expired, of another environment, or not exchanged?";
    case 403:
      if (subscription)
        return "the subscription belongs to another identity: same organisation, other scopes";
      if (call == AE_CALL_SUBSCRIBE)
        return "not allowed: Altinn demands a subjectFilter (recipient) of all but service owners; "
               "needed are also the scope altinn:events.subscribe and the policy's subscribe";
      if (call == AE_CALL_EVENTS || call == AE_CALL_SUBSCRIPTIONS)
        return "not allowed: the token needs the scope altinn:events.subscribe";
      return "not allowed: the token lacks the scope, or was not exchanged at Altinn";
    case 404: return subscription ? "there is no such subscription" : "not found";
    case 406: return "the server has no answer in the form that was asked for";
    case 415: return "the server does not take this media type";
    case 429: return "too many calls";
    default: break;
  }
  if (status >= 500) return "the server failed";
  if (status >= 400) return "the server refuses the request";
  if (status >= 300)
    return "the server redirects, which is not followed: is the address the right one?";
  return "the server's answer is no final one";
}

/* Copies as much as fits, and no part of a character. */
static void cut (char *out, size_t size, const char *text) {
  size_t length = strlen(text);
  if (length >= size) {
    length = size - 1;
    while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) length--;
  }
  memcpy(out, text, length);
  out[length] = '\0';
}

static void compose (ae_answer *answer, const char *meaning) {
  char number[32] = "", whole[2 * AE_MESSAGE_SIZE + 64];
  if (answer->number != 0)
    (void)snprintf(number, sizeof(number), ", error %d", (int)answer->number);
  (void)snprintf(whole, sizeof(whole), "%.255s (HTTP %d%s)%s%.255s", meaning, answer->status,
                 number, answer->text[0] ? ": " : "", answer->text);
  cut(answer->message, sizeof(answer->message), whole);
}

/* Whether an error number says that the call's action had been done before. A letter
** that was confirmed counts as read. */
static bool was_done (ae_call call, int32_t number) {
  switch (call) {
    case AE_CALL_MARK_READ: return number == 1040 || number == 1041;
    case AE_CALL_CONFIRM: return number == 1041;
    case AE_CALL_PURGE: return number == 1014;
    default: return false;
  }
}

static void judge_failure (ae_call call, ae_slice body, ae_answer *answer) {
  int status = answer->status;
  read_problem(body, answer);
  answer->already = status < 500 && was_done(call, answer->number);
  if (answer->already) return;
  const ae_failure *failure = ae_failure_of_status(status);
  const ae_failure *known = ae_failure_of_number(answer->number);
  bool denied = known != NULL && known->denied;
  answer->code = denied ? AE_FORBIDDEN : failure->code;
  answer->renew = !denied && failure->remedy == AE_REFRESH;
  answer->retry = failure->soon;
  answer->temporary = answer->retry || (known != NULL && known->remedy == AE_AGAIN);
  answer->fetch = known != NULL && known->fetch;
  compose(answer, known != NULL ? known->why : meaning_of(call, status));
}

void ae_reply_judge (ae_call call, int status, ae_slice body, ae_answer *answer) {
  ae_error error = {AE_OK, 0, ""};
  *answer = (ae_answer){.code = AE_OK, .status = status};
  if (status < 200 || status > 299) {
    judge_failure(call, body, answer);
    return;
  }
  answer->code = ae_shape_check(ae_call_entries[call].shape, body, &error);
  answer->position = error.position;
  if (answer->code != AE_OK) memcpy(answer->message, error.message, sizeof(answer->message));
}

size_t ae_reply_most (ae_call call) {
  switch (ae_call_entries[call].shape) {
    case AE_SHAPE_EVENTS: return (size_t)32 << 20;
    case AE_SHAPE_SUBSCRIPTIONS: return (size_t)16 << 20;
    case AE_SHAPE_NOTHING:
    case AE_SHAPE_IDENTIFIER: return (size_t)64 << 10;
    default: return (size_t)1 << 20;
  }
}

/* }==================================================================== */
