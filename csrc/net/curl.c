/*
** curl.c: see curl.h. The path of an exchange, from ae_curl_add to ae_curl_next.
*/
#include "net/curl_private.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define HANDLES_KEPT 64
#define ABSENCE 0.25 /* s: a longer pause between two steps moves the deadlines */

struct ae_curl {
  CURLM *multi;
  ae_sites sites;        /* hold the exchanges that wait in line */
  ae_exchange *running;  /* libcurl has them, or a thread of theirs */
  ae_exchange *leaving;  /* were cancelled, and their threads have not ended yet */
  ae_exchange *finished; /* not returned yet, oldest first */
  ae_exchange *given;    /* the exchange that the last reply points into */
  ae_exchange *spare;
  size_t count, spares;
  uint64_t ids;
  double stepped; /* when the last step ended; 0: there was none */
};

static pthread_once_t global_once = PTHREAD_ONCE_INIT;

static void global_init (void) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
}

double ae_curl_clock (void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

ae_curl *ae_curl_new (unsigned connections, unsigned per_site) {
  assert(connections > 0 && per_site > 0);
  pthread_once(&global_once, global_init);
  ae_curl *curl = calloc(1, sizeof *curl);
  if (curl == NULL) return NULL;
  curl->multi = curl_multi_init();
  if (curl->multi == NULL) {
    free(curl);
    return NULL;
  }
  curl->sites = (ae_sites){.most = connections, .most_of_site = per_site};
  curl_multi_setopt(curl->multi, CURLMOPT_MAXCONNECTS, (long)connections);
  return curl;
}

static void exchange_free (ae_exchange *e) {
  if (e == NULL) return;
  curl_easy_cleanup(e->easy);
  curl_slist_free_all(e->fields);
  curl_slist_free_all(e->recipients);
  curl_slist_free_all(e->commands);
  free(e->header.data);
  free(e->body.data);
  free(e->request_body);
  free(e);
}

static void free_list (ae_exchange *list) {
  while (list != NULL) {
    ae_exchange *next = list->next;
    exchange_free(list);
    list = next;
  }
}

/* {====================================================================
** Beginning
** ===================================================================== */

static ae_exchange *exchange_take (ae_curl *curl) {
  ae_exchange *e = curl->spare;
  if (e != NULL) {
    curl->spare = e->next;
    curl->spares--;
    e->next = NULL;
    return e;
  }
  e = calloc(1, sizeof *e);
  if (e == NULL) return NULL;
  e->easy = curl_easy_init();
  if (e->easy != NULL) return e;
  free(e);
  return NULL;
}

/* Keeps an exchange for reuse: its handle and buffers, without any data of it. */
static void exchange_keep (ae_curl *curl, ae_exchange *e) {
  assert(e->site == NULL);
  if (curl->spares >= HANDLES_KEPT) {
    exchange_free(e);
    return;
  }
  curl_easy_reset(e->easy);
  curl_slist_free_all(e->fields);
  curl_slist_free_all(e->recipients);
  curl_slist_free_all(e->commands);
  free(e->request_body);
  if (e->body.room > AE_CURL_PART) {
    free(e->body.data);
    e->body = (ae_curl_text){NULL, 0, 0};
  }
  e->header.length = e->body.length = 0;
  *e = (ae_exchange){
    .next = curl->spare, .easy = e->easy, .header = e->header, .body = e->body};
  curl->spare = e;
  curl->spares++;
}

static void append (ae_exchange **list, ae_exchange *e) {
  while (*list != NULL) list = &(*list)->next;
  e->next = NULL;
  *list = e;
}

static void take_out (ae_exchange **list, ae_exchange *e) {
  while (*list != e) list = &(*list)->next;
  *list = e->next;
  e->next = NULL;
}

uint64_t ae_curl_add (ae_curl *curl, const ae_request *request) {
  ae_exchange *e = exchange_take(curl);
  if (e == NULL) return 0;
  if (!ae_exchange_prepare(e, request, &curl->sites)) {
    exchange_keep(curl, e);
    return 0;
  }
  e->id = ++curl->ids;
  curl->count++;
  return e->id;
}

/* }==================================================================== */

/* {====================================================================
** Running
** ===================================================================== */

/* Moves an exchange from running to finished; code, message and not_sent are set. */
static void finish (ae_curl *curl, ae_exchange *e) {
  take_out(&curl->running, e);
  if (e->way == AE_WAY_HTTP) curl_multi_remove_handle(curl->multi, e->easy);
  ae_sites_leave(&curl->sites, e);
  append(&curl->finished, e);
}

static bool begin (ae_curl *curl, ae_exchange *e) {
  if (e->way != AE_WAY_HTTP) return ae_exchange_begin_apart(e, curl->multi);
  return curl_multi_add_handle(curl->multi, e->easy) == CURLM_OK;
}

/* Gives libcurl the exchanges that may run. */
static void start (ae_curl *curl) {
  ae_exchange *e;
  while ((e = ae_sites_start(&curl->sites)) != NULL) {
    e->began = ae_curl_clock();
    e->deadline = e->began + e->timeout;
    e->next = curl->running;
    curl->running = e;
    if (begin(curl, e)) continue;
    ae_exchange_judge(e, CURLE_OUT_OF_MEMORY);
    finish(curl, e);
  }
}

static void collect (ae_curl *curl) {
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(curl->multi, &left)) != NULL) {
    if (message->msg != CURLMSG_DONE) continue;
    char *private = NULL;
    CURLcode result = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
    ae_exchange *e = (ae_exchange *)(void *)private;
    assert(e != NULL);
    ae_exchange_judge(e, result);
    finish(curl, e);
  }
}

/* Collects the exchanges whose threads have ended. */
static void collect_apart (ae_curl *curl) {
  ae_exchange *next;
  for (ae_exchange *e = curl->running; e != NULL; e = next) {
    next = e->next;
    if (e->apart == NULL || !ae_exchange_has_ended(e)) continue;
    CURLcode result = ae_exchange_join(e);
    /* The message may have been taken, and only the goodbye have been waited for. */
    if (e->expired && result != CURLE_OK) ae_exchange_expire(e);
    else ae_exchange_judge(e, result);
    finish(curl, e);
  }
  for (ae_exchange *e = curl->leaving; e != NULL; e = next) {
    next = e->next;
    if (!ae_exchange_has_ended(e)) continue;
    (void)ae_exchange_join(e);
    take_out(&curl->leaving, e);
    exchange_keep(curl, e);
  }
}

/* Ends the exchanges past their deadline. To be called after all data that has arrived
** was read. */
static void expire (ae_curl *curl) {
  double now = ae_curl_clock();
  ae_exchange *next;
  for (ae_exchange *e = curl->running; e != NULL; e = next) {
    next = e->next;
    if (e->deadline > now || e->expired) continue;
    if (e->apart != NULL) {
      e->expired = true;
      ae_exchange_stop(e);
      continue;
    }
    ae_exchange_expire(e);
    finish(curl, e);
  }
}

static void work (ae_curl *curl) {
  int running;
  start(curl);
  curl_multi_perform(curl->multi, &running);
  collect(curl);
  collect_apart(curl);
  expire(curl);
  start(curl); /* into the room that has become free */
}

static double least (double a, double b) {
  return a < b ? a : b;
}

/* Moves all deadlines by the time since the last step, when nobody called a step for
** longer than ABSENCE. */
static void forgive_absence (ae_curl *curl) {
  double now = ae_curl_clock();
  if (curl->stepped <= 0 || now - curl->stepped < ABSENCE) return;
  for (ae_exchange *e = curl->running; e != NULL; e = e->next)
    e->deadline += least(now - curl->stepped, now - e->began);
}

/* Seconds until the next deadline, at most `seconds`. */
static double until_deadline (const ae_curl *curl, double seconds) {
  double now = ae_curl_clock();
  for (const ae_exchange *e = curl->running; e != NULL; e = e->next)
    if (!e->expired) seconds = least(seconds, e->deadline - now);
  return seconds;
}

/* Whether a part is ready to be returned. */
static bool has_part (const ae_exchange *e) {
  return e->stream && !e->part_out && e->body.length > 0 && ae_exchange_is_streamed(e);
}

/* Whether the parts of a finished exchange were all taken. */
static bool is_complete (const ae_exchange *e) {
  return !e->stream || e->body.length == 0 || !ae_exchange_is_streamed(e);
}

static bool is_ready (const ae_curl *curl) {
  for (const ae_exchange *e = curl->finished; e != NULL; e = e->next)
    if (is_complete(e) || has_part(e)) return true;
  for (const ae_exchange *e = curl->running; e != NULL; e = e->next)
    if (has_part(e)) return true;
  return false;
}

void ae_curl_step (ae_curl *curl, double timeout, int descriptor) {
  forgive_absence(curl);
  work(curl);
  timeout = least(until_deadline(curl, timeout), 3600);
  if (!is_ready(curl) && timeout > 0) {
    struct curl_waitfd extra = {.fd = descriptor, .events = CURL_WAIT_POLLIN};
    curl_multi_poll(curl->multi, &extra, descriptor >= 0 ? 1 : 0,
                    (int)(timeout * 1000 + 0.999), NULL);
    work(curl);
  }
  curl->stepped = ae_curl_clock();
}

/* }==================================================================== */

/* {====================================================================
** Ending
** ===================================================================== */

static ae_exchange *with_id (ae_exchange *list, uint64_t id) {
  while (list != NULL && list->id != id) list = list->next;
  return list;
}

bool ae_curl_cancel (ae_curl *curl, uint64_t id) {
  ae_exchange *e = with_id(curl->finished, id);
  if (e != NULL) {
    take_out(&curl->finished, e);
  } else if ((e = with_id(curl->running, id)) != NULL) {
    take_out(&curl->running, e);
    if (e->way == AE_WAY_HTTP) curl_multi_remove_handle(curl->multi, e->easy);
    ae_sites_leave(&curl->sites, e);
    if (e->apart != NULL) {
      ae_exchange_stop(e);
      append(&curl->leaving, e);
      curl->count--;
      return true;
    }
  } else if ((e = ae_sites_find(&curl->sites, id)) != NULL) {
    ae_sites_leave(&curl->sites, e);
  } else {
    return false;
  }
  curl->count--;
  exchange_keep(curl, e);
  return true;
}

size_t ae_curl_count (const ae_curl *curl) {
  return curl->count;
}

static ae_exchange *with_part (ae_exchange *list) {
  while (list != NULL && !has_part(list)) list = list->next;
  return list;
}

bool ae_curl_part (ae_curl *curl, ae_part *part) {
  ae_exchange *e = with_part(curl->finished);
  if (e == NULL) e = with_part(curl->running);
  if (e == NULL) return false;
  e->part_out = true;
  *part = (ae_part){.id = e->id,
                    .status = ae_exchange_status(e),
                    .header_text = {e->header.data, e->header.length},
                    .bytes = {e->body.data, e->body.length}};
  return true;
}

bool ae_curl_more (ae_curl *curl, uint64_t id) {
  ae_exchange *e = with_id(curl->running, id);
  if (e == NULL) e = with_id(curl->finished, id);
  if (e == NULL || !e->part_out) return false;
  e->part_out = false;
  e->body.length = 0;
  if (e->running && e->paused) {
    e->paused = false;
    curl_easy_pause(e->easy, CURLPAUSE_CONT); /* may fill the body at once */
  }
  return true;
}

bool ae_curl_next (ae_curl *curl, ae_reply *reply) {
  if (curl->given != NULL) exchange_keep(curl, curl->given);
  ae_exchange *e = curl->finished;
  while (e != NULL && !is_complete(e)) e = e->next;
  curl->given = e;
  if (e == NULL) return false;
  take_out(&curl->finished, e);
  curl->count--;
  *reply = (ae_reply){.id = e->id,
                      .code = e->code,
                      .stage = e->code == AE_NETWORK ? e->stage : AE_NO_STAGE,
                      .header_text = {e->header.data, e->header.length},
                      .body = {e->body.data, e->body.length},
                      .message = e->code == AE_OK ? NULL : e->message,
                      .not_sent = e->not_sent,
                      .proxied = e->proxied};
  if (e->way != AE_WAY_HTTP || ae_exchange_status(e) >= 200 || e->code == AE_OK)
    reply->status = ae_exchange_status(e);
  if (e->way == AE_WAY_MAIL) {
    reply->body = reply->header_text;
    reply->header_text = (ae_slice){NULL, 0};
  }
  return true;
}

void ae_curl_free (ae_curl *curl) {
  ae_exchange *e;
  if (curl == NULL) return;
  while ((e = ae_sites_any(&curl->sites)) != NULL) {
    ae_sites_leave(&curl->sites, e);
    exchange_free(e);
  }
  for (e = curl->running; e != NULL; e = e->next)
    if (e->apart != NULL) ae_exchange_stop(e); /* they end together */
  while ((e = curl->running) != NULL) {
    take_out(&curl->running, e);
    if (e->apart != NULL) (void)ae_exchange_join(e);
    else curl_multi_remove_handle(curl->multi, e->easy);
    ae_sites_leave(&curl->sites, e);
    exchange_free(e);
  }
  while ((e = curl->leaving) != NULL) {
    take_out(&curl->leaving, e);
    (void)ae_exchange_join(e);
    exchange_free(e);
  }
  free_list(curl->finished);
  free_list(curl->spare);
  exchange_free(curl->given);
  curl_multi_cleanup(curl->multi);
  free(curl);
}

/* }==================================================================== */
