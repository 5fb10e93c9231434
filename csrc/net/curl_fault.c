/*
** curl_fault.c: the code and message of a failure, and whether it is certain that no
** byte of the request was written.
*/
#include "net/curl_private.h"

ae_code ae_exchange_code (CURLcode result) {
  switch (result) {
    case CURLE_OK: return AE_OK;
    case CURLE_OPERATION_TIMEDOUT: return AE_TIMEOUT;
    case CURLE_URL_MALFORMAT: return AE_INVALID;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_INVALIDCERTSTATUS: return AE_TLS;
    case CURLE_OUT_OF_MEMORY: return AE_MEMORY;
    default: return AE_NETWORK;
  }
}

/* At which stage an exchange of the code AE_NETWORK failed. */
static ae_stage stage_of (CURLcode result) {
  switch (result) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST: return AE_RESOLVE;
    case CURLE_COULDNT_CONNECT: return AE_CONNECT;
    default: return AE_BROKEN;
  }
}

/* Bytes written of the request, and of a CONNECT before it, over all connections that
** were tried. */
static long bytes_written (const ae_exchange *e) {
  long bytes = 0;
  curl_easy_getinfo(e->easy, CURLINFO_REQUEST_SIZE, &bytes);
  return bytes;
}

/* The status with which a proxy refused to connect; 0: no proxy refused. */
static long proxy_refusal (const ae_exchange *e) {
  long status = 0;
  curl_easy_getinfo(e->easy, CURLINFO_HTTP_CONNECTCODE, &status);
  return status >= 300 ? status : 0;
}

void ae_exchange_say (ae_exchange *e, const char *text) {
  size_t length = strlen(text);
  if (length >= sizeof e->message) length = sizeof e->message - 1;
  memcpy(e->message, text, length);
  e->message[length] = '\0';
}

static void describe (ae_exchange *e, CURLcode result) {
  ae_error error;
  long refusal = proxy_refusal(e);
  if (e->overflow)
    ae_fail(&error, AE_TOO_LARGE, 0, "the reply is larger than %zu bytes", e->max_body);
  else if (refusal != 0)
    ae_fail(&error, e->code, 0, "the proxy of the %s refuses to connect, with status %ld",
            e->own_proxy ? "target" : "environment", refusal);
  else {
    ae_exchange_say(e, e->error[0] != '\0' ? e->error : curl_easy_strerror(result));
    return;
  }
  ae_exchange_say(e, error.message);
}

void ae_exchange_judge (ae_exchange *e, CURLcode result) {
  e->stage = stage_of(result);
  if (e->way != AE_WAY_HTTP) {
    ae_exchange_judge_carriage(e, result);
    return;
  }
  long written = bytes_written(e);
  /* libcurl takes an answer whose header breaks off for a whole one. */
  if (result == CURLE_OK && e->in_header) result = CURLE_RECV_ERROR;
  e->code = e->overflow ? AE_TOO_LARGE : ae_exchange_code(result);
  /* The address has another protocol; or, when a request was written, the answer is not
  ** HTTP/1.0 or later. */
  if (result == CURLE_UNSUPPORTED_PROTOCOL && written == 0) e->code = AE_INVALID;
  e->proxied = e->proxied || proxy_refusal(e) != 0;
  if (e->code == AE_OK) return;
  e->not_sent = written == 0 || proxy_refusal(e) != 0;
  describe(e, result);
}

static bool has_passed (const ae_exchange *e, CURLINFO what) {
  curl_off_t microseconds = 0;
  curl_easy_getinfo(e->easy, what, &microseconds);
  return microseconds > 0;
}

void ae_exchange_expire (ae_exchange *e) {
  const char *missing = "the answer was not whole";
  ae_error error;
  if (bytes_written(e) > 0) {
    if (e->header.length == 0) missing = "there was no answer";
  } else if (!has_passed(e, CURLINFO_NAMELOOKUP_TIME_T)) {
    missing = "the host's name was not resolved";
  } else if (!has_passed(e, CURLINFO_CONNECT_TIME_T)) {
    missing = "there was no connection";
  } else {
    missing = "the request could not be sent";
  }
  e->code = AE_TIMEOUT;
  e->not_sent = e->way == AE_WAY_HTTP ? bytes_written(e) == 0 : ae_exchange_carried_nothing(e);
  ae_fail(&error, AE_TIMEOUT, 0, "%s in %g s", missing, e->timeout);
  ae_exchange_say(e, error.message);
}
