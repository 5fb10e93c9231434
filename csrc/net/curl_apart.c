/*
** curl_apart.c: a thread for each mail and each upload. libcurl does not give control back
** while it waits for the answer to a message, for the one to QUIT, or for the end of SSH: a
** slow server would hold all exchanges of its ae_curl.
*/
#include "net/curl_private.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static curl_socket_t open_socket (void *user, curlsocktype purpose,
                                  struct curl_sockaddr *address) {
  ae_apart *apart = user;
  int one = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  (void)purpose;
  pthread_mutex_lock(&apart->lock);
  apart->socket = one;
  pthread_mutex_unlock(&apart->lock);
  return one;
}

static int close_socket (void *user, curl_socket_t one) {
  ae_apart *apart = user;
  int result;
  pthread_mutex_lock(&apart->lock);
  if (apart->socket == one) apart->socket = -1;
  result = close(one);
  pthread_mutex_unlock(&apart->lock);
  return result;
}

/* Called at least once a second. */
static int on_progress (void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
  ae_apart *apart = user;
  (void)a, (void)b, (void)c, (void)d;
  return atomic_load(&apart->stopped) ? 1 : 0;
}

static bool set_apart (ae_exchange *e) {
  CURL *easy = e->easy;
  return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, e->apart) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, e->apart) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_XFERINFODATA, e->apart) == CURLE_OK &&
         curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
}

static void *apart_main (void *argument) {
  ae_exchange *e = argument;
  ae_apart *apart = e->apart;
  CURLM *wakes = apart->wakes;
  apart->result = curl_easy_perform(e->easy);
  atomic_store(&apart->ended, true);
  curl_multi_wakeup(wakes);
  return NULL;
}

/* Starts the thread; it takes no signal. */
static bool start (ae_exchange *e) {
  sigset_t all, before;
  bool started;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  started = pthread_create(&e->apart->thread, NULL, apart_main, e) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return started;
}

bool ae_exchange_begin_apart (ae_exchange *e, CURLM *multi) {
  ae_apart *apart = calloc(1, sizeof *apart);
  if (apart == NULL) return false;
  apart->socket = -1;
  apart->wakes = multi;
  if (pthread_mutex_init(&apart->lock, NULL) != 0) {
    free(apart);
    return false;
  }
  e->apart = apart;
  if (set_apart(e) && start(e)) return true;
  pthread_mutex_destroy(&apart->lock);
  free(apart);
  e->apart = NULL;
  return false;
}

void ae_exchange_stop (ae_exchange *e) {
  ae_apart *apart = e->apart;
  atomic_store(&apart->stopped, true);
  pthread_mutex_lock(&apart->lock);
  if (apart->socket >= 0) (void)shutdown(apart->socket, SHUT_RDWR);
  pthread_mutex_unlock(&apart->lock);
}

bool ae_exchange_has_ended (const ae_exchange *e) {
  return atomic_load(&e->apart->ended);
}

CURLcode ae_exchange_join (ae_exchange *e) {
  ae_apart *apart = e->apart;
  CURLcode result;
  pthread_join(apart->thread, NULL);
  result = apart->result;
  /* An easy handle that was performed keeps a pool of its own, which must not outlive
  ** `apart`: with a connection that is not used again there is none left. */
  curl_easy_setopt(e->easy, CURLOPT_OPENSOCKETDATA, NULL);
  curl_easy_setopt(e->easy, CURLOPT_CLOSESOCKETFUNCTION, NULL);
  pthread_mutex_destroy(&apart->lock);
  free(apart);
  e->apart = NULL;
  return result;
}
