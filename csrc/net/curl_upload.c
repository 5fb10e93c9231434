/*
** curl_upload.c: mail over SMTP and files over SFTP: the options of their handles, and
** what their replies mean. Each has a connection of its own: a server may have closed a
** kept one, and then nobody would know what became of the message.
*/
#include "net/curl_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

bool ae_curl_has_sftp (void) {
  const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
  for (const char *const *name = info->protocols; *name != NULL; name++)
    if (strcmp(*name, "sftp") == 0) return true;
  return false;
}

/* {====================================================================
** Options
** ===================================================================== */

static size_t on_read (char *out, size_t size, size_t count, void *user) {
  ae_exchange *e = user;
  size_t room = size * count, left = e->length - e->given;
  size_t taken = left < room ? left : room;
  if (taken > 0) memcpy(out, e->request_body + e->given, taken);
  e->given += taken;
  return taken;
}

/* libcurl may begin anew, as after a redirect: never here. */
static int on_seek (void *user, curl_off_t offset, int origin) {
  ae_exchange *e = user;
  if (origin != SEEK_SET || offset < 0 || (size_t)offset != e->given)
    return CURL_SEEKFUNC_FAIL;
  return CURL_SEEKFUNC_OK;
}

static bool set_upload (ae_exchange *e) {
  CURL *easy = e->easy;
  return curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_READDATA, e) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_SEEKDATA, e) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)e->length) == CURLE_OK;
}

static bool set_text (CURL *easy, CURLoption option, const char *text) {
  return text == NULL || curl_easy_setopt(easy, option, text) == CURLE_OK;
}

static bool append (struct curl_slist **list, const char *text) {
  struct curl_slist *more = curl_slist_append(*list, text);
  if (more != NULL) *list = more;
  return more != NULL;
}

static bool set_mail (ae_exchange *e, const ae_carriage *c) {
  CURL *easy = e->easy;
  long tls = c->plain ? (long)CURLUSESSL_NONE : (long)CURLUSESSL_ALL;
  if (curl_easy_setopt(easy, CURLOPT_USE_SSL, tls) != CURLE_OK) return false;
  if (c->to_count == 0)
    return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "NOOP") == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_NOBODY, 1L) == CURLE_OK;
  for (size_t i = 0; i < c->to_count; i++)
    if (!append(&e->recipients, c->to[i])) return false;
  return set_text(easy, CURLOPT_MAIL_FROM, c->from) &&
         curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, e->recipients) == CURLE_OK && set_upload(e);
}

/* The path in the url, decoded: NULL: no memory. To be freed by curl_free. */
static char *path_of (const char *url) {
  char *path = NULL;
  CURLU *parsed = curl_url();
  if (parsed != NULL &&
      curl_url_set(parsed, CURLUPART_URL, url, CURLU_PATH_AS_IS) == CURLUE_OK)
    curl_url_get(parsed, CURLUPART_PATH, &path, CURLU_URLDECODE);
  curl_url_cleanup(parsed);
  return path;
}

/* Writes a path as a quoted word of libcurl's commands. */
static bool add_command (ae_exchange *e, const char *before, const char *first,
                         const char *second) {
  size_t size = strlen(before) + 2 * strlen(first) + 2 * strlen(second) + 16;
  const char *const paths[] = {first, second};
  char *line = malloc(size), *out = line;
  if (line == NULL) return false;
  out += snprintf(out, size, "%s", before);
  for (int i = 0; i < 2; i++) {
    if (*paths[i] == '\0') continue;
    *out++ = ' ';
    *out++ = '"';
    for (const char *p = paths[i]; *p != '\0'; p++) {
      if (*p == '"' || *p == '\\') *out++ = '\\';
      *out++ = *p;
    }
    *out++ = '"';
  }
  *out = '\0';
  bool added = append(&e->commands, line);
  free(line);
  return added;
}

/* The file that has the name is removed first: SFTP does not rename over it. */
static bool set_rename (ae_exchange *e, const char *url, const char *name) {
  char *path = path_of(url);
  bool ready = path != NULL && add_command(e, "*rm", name, "") &&
               add_command(e, "rename", path, name) &&
               curl_easy_setopt(e->easy, CURLOPT_POSTQUOTE, e->commands) == CURLE_OK;
  curl_free(path);
  return ready;
}

static bool set_sftp (ae_exchange *e, const ae_request *request) {
  const ae_carriage *c = &request->carriage;
  CURL *easy = e->easy;
  long ways = c->key_file != NULL ? (long)CURLSSH_AUTH_PUBLICKEY
                                  : (long)(CURLSSH_AUTH_PASSWORD | CURLSSH_AUTH_KEYBOARD);
  if (c->known_hosts == NULL || !set_text(easy, CURLOPT_SSH_KNOWNHOSTS, c->known_hosts) ||
      !set_text(easy, CURLOPT_SSH_PRIVATE_KEYFILE, c->key_file) ||
      curl_easy_setopt(easy, CURLOPT_SSH_AUTH_TYPES, ways) != CURLE_OK)
    return false;
  if (c->key_file != NULL && !set_text(easy, CURLOPT_KEYPASSWD, c->password)) return false;
  if (c->rename == NULL) return curl_easy_setopt(easy, CURLOPT_DIRLISTONLY, 1L) == CURLE_OK;
  return set_upload(e) && set_rename(e, request->url, c->rename);
}

bool ae_exchange_carry (ae_exchange *e, const ae_request *request) {
  const ae_carriage *c = &request->carriage;
  CURL *easy = e->easy;
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  if (!set_text(easy, CURLOPT_USERNAME, c->user)) return false;
  if (c->key_file == NULL && !set_text(easy, CURLOPT_PASSWORD, c->password)) return false;
  return c->way == AE_WAY_MAIL ? set_mail(e, c) : set_sftp(e, request);
}

/* }==================================================================== */

/* {====================================================================
** Replies
** ===================================================================== */

/* Whether the transfer itself was about to begin. */
static bool has_begun (const ae_exchange *e) {
  curl_off_t microseconds = 0;
  curl_easy_getinfo(e->easy, CURLINFO_PRETRANSFER_TIME_T, &microseconds);
  return microseconds > 0;
}

bool ae_exchange_carried_nothing (const ae_exchange *e) {
  assert(e->way != AE_WAY_HTTP);
  /* The file has another name until all of it was uploaded. */
  if (e->way == AE_WAY_UPLOAD && e->length > 0) return e->given < e->length;
  return e->given == 0 && (e->way == AE_WAY_MAIL || !has_begun(e));
}

/* Whether the mail server's last reply is why the transfer failed. */
static bool is_refused (CURLcode result, long status) {
  return status >= 400 && status <= 599 && result != CURLE_OPERATION_TIMEDOUT &&
         result != CURLE_USE_SSL_FAILED && result != CURLE_SSL_CONNECT_ERROR &&
         result != CURLE_PEER_FAILED_VERIFICATION;
}

static ae_code code_of (CURLcode result) {
  switch (result) {
    case CURLE_LOGIN_DENIED: return AE_AUTH;
    case CURLE_REMOTE_ACCESS_DENIED: return AE_FORBIDDEN;
    case CURLE_REMOTE_FILE_NOT_FOUND: return AE_NOT_FOUND;
    case CURLE_REMOTE_DISK_FULL:
    case CURLE_QUOTE_ERROR: return AE_STORAGE;
    default: return ae_exchange_code(result);
  }
}

/* Failures that end an upload before the file could get its name, however much was
** written. */
static bool is_harmless (const ae_exchange *e, ae_code code) {
  return e->way == AE_WAY_UPLOAD && (code == AE_AUTH || code == AE_FORBIDDEN ||
                                     code == AE_NOT_FOUND || code == AE_STORAGE);
}

void ae_exchange_judge_carriage (ae_exchange *e, CURLcode result) {
  bool mail = e->way == AE_WAY_MAIL;
  e->code = e->overflow ? AE_TOO_LARGE : code_of(result);
  if (mail && !e->overflow && is_refused(result, ae_exchange_status(e))) e->code = AE_OK;
  if (e->code == AE_OK) return;
  e->not_sent = ae_exchange_carried_nothing(e) || is_harmless(e, e->code);
  if (result == CURLE_UNSUPPORTED_PROTOCOL) {
    e->code = AE_INVALID;
    ae_exchange_say(e, "this libcurl does not know the protocol of the address");
  } else if (result == CURLE_USE_SSL_FAILED) {
    ae_exchange_say(e, "the server offers no STARTTLS, or it failed");
  } else {
    ae_exchange_say(e, e->error[0] != '\0' ? e->error : curl_easy_strerror(result));
  }
}

/* }==================================================================== */
