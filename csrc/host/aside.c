/*
** aside.c: the helper threads and the lines in which actions wait; see aside.h.
**
** Actions of one target wait in one line, and the lines are served in turn, each at
** most `at_once` times at the same time. Programs never take the last threads, so that
** files do not wait for them.
*/
#include "host/aside_private.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

/* How long ae_aside_end waits between two looks. */
#define LOOK_MS 5

typedef struct line {
  struct line *next;
  ae_list waiting;
  ae_action *running; /* by head.next */
  unsigned count;     /* of `running` */
  char target[];
} line;

struct ae_aside {
  pthread_mutex_t lock;
  pthread_cond_t work;
  atomic_bool stopping;
  line *first, **last;
  unsigned waiting;  /* actions, in all lines */
  unsigned commands; /* under way */
  unsigned idle, count;
  unsigned ended; /* threads that have left; counts when stopping */
  pthread_t threads[AE_ASIDE_THREADS];
};

/* The static functions below that take `aside` are called with the lock held, except
** carry_out, thread_main and await. A lock of a queue is taken while this one is held,
** never the other way round. */

static line *line_of (ae_aside *aside, const char *target) {
  size_t size = strlen(target) + 1;
  line *one;
  for (one = aside->first; one != NULL; one = one->next)
    if (strcmp(one->target, target) == 0) return one;
  one = calloc(1, sizeof *one + size);
  if (one == NULL) return NULL;
  memcpy(one->target, target, size);
  ae_list_init(&one->waiting);
  *aside->last = one;
  aside->last = &one->next;
  return one;
}

/* Takes a line out of the row of lines. */
static void take_out (ae_aside *aside, line *wanted) {
  line **at = &aside->first;
  while (*at != wanted) at = &(*at)->next;
  *at = wanted->next;
  if (aside->last == &wanted->next) aside->last = at;
  wanted->next = NULL;
}

static void move_to_end (ae_aside *aside, line *one) {
  take_out(aside, one);
  *aside->last = one;
  aside->last = &one->next;
}

static bool may_begin (const ae_aside *aside, const line *one) {
  const ae_action *action = (const ae_action *)(const void *)one->waiting.first;
  if (action == NULL) return false;
  if (action->kind == AE_ASIDE_COMMAND && aside->commands >= AE_ASIDE_COMMANDS) return false;
  return one->count < (action->at_once == 0 ? AE_ASIDE_AT_ONCE : action->at_once);
}

/* The line that is served next; NULL: nothing may begin. */
static line *next_line (const ae_aside *aside) {
  line *one;
  for (one = aside->first; one != NULL; one = one->next)
    if (may_begin(aside, one)) return one;
  return NULL;
}

static ae_action *take_from (ae_aside *aside, line *one) {
  ae_message *message = one->waiting.first;
  ae_action *action = (ae_action *)(void *)message;
  one->waiting.first = message->next;
  if (message->next == NULL) one->waiting.last = &one->waiting.first;
  message->next = one->running == NULL ? NULL : &one->running->head;
  one->running = action;
  one->count++;
  aside->waiting--;
  if (action->kind == AE_ASIDE_COMMAND) aside->commands++;
  move_to_end(aside, one);
  return action;
}

/* The action is over: takes it out of its line, and the line out when it is empty. */
static void put_down (ae_aside *aside, line *one, ae_action *action) {
  ae_message *list = &one->running->head, **at = &list;
  while (*at != &action->head) at = &(*at)->next;
  *at = action->head.next;
  one->running = (ae_action *)(void *)list;
  one->count--;
  if (action->kind == AE_ASIDE_COMMAND) aside->commands--;
  if (one->count > 0 || one->waiting.first != NULL) return;
  take_out(aside, one);
  free(one);
}

/* Without the lock. */
static void carry_out (ae_aside *aside, ae_action *action) {
  switch (action->kind) {
    case AE_ASIDE_FILE: ae_aside_write(action); break;
    case AE_ASIDE_APPEND: ae_aside_append(action); break;
    default: ae_aside_run(action, &aside->stopping); break;
  }
}

static void answer (ae_action *action) {
  ae_queue_push(action->queue, &action->head, true);
}

static void *thread_main (void *argument) {
  ae_aside *aside = argument;
  pthread_mutex_lock(&aside->lock);
  while (!atomic_load(&aside->stopping)) {
    line *one = next_line(aside);
    ae_action *action;
    if (one == NULL) {
      aside->idle++;
      pthread_cond_wait(&aside->work, &aside->lock);
      aside->idle--;
      continue;
    }
    action = take_from(aside, one);
    if (aside->idle > 0 && next_line(aside) != NULL) pthread_cond_signal(&aside->work);
    pthread_mutex_unlock(&aside->lock);
    carry_out(aside, action);
    pthread_mutex_lock(&aside->lock);
    put_down(aside, one, action);
    answer(action);
  }
  aside->ended++;
  pthread_mutex_unlock(&aside->lock);
  return NULL;
}

/* Starts a thread with all signals blocked: they are the main thread's, and a program
** that does not read its input must not end the host. */
static bool start_thread (ae_aside *aside) {
  sigset_t all, before;
  bool started;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  started = pthread_create(&aside->threads[aside->count], NULL, thread_main, aside) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (started) aside->count++;
  return started;
}

/* Whether somebody will carry out what waits. */
static bool call_thread (ae_aside *aside) {
  if (aside->idle < aside->waiting && aside->count < AE_ASIDE_THREADS)
    (void)start_thread(aside);
  if (aside->idle > 0) pthread_cond_signal(&aside->work);
  return aside->count > 0;
}

ae_aside *ae_aside_new (void) {
  ae_aside *aside = calloc(1, sizeof *aside);
  struct sigaction action;
  if (aside == NULL) return NULL;
  pthread_mutex_init(&aside->lock, NULL);
  pthread_cond_init(&aside->work, NULL);
  aside->last = &aside->first;
  if (sigaction(SIGCHLD, NULL, &action) == 0 && action.sa_handler == SIG_IGN) {
    action.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &action, NULL);
  }
  return aside;
}

/* No thread has ever been started: the line holds the one action. */
static void give_up (ae_aside *aside, line *one) {
  ae_list_init(&one->waiting);
  aside->waiting--;
  take_out(aside, one);
  free(one);
}

void ae_aside_begin (ae_aside *aside, ae_action *action) {
  line *one;
  action->head.next = NULL;
  action->head.kind = AE_MESSAGE_ASIDE;
  pthread_mutex_lock(&aside->lock);
  one = atomic_load(&aside->stopping) ? NULL : line_of(aside, action->target);
  if (one != NULL) {
    ae_list_append(&one->waiting, &action->head);
    aside->waiting++;
  }
  if (one == NULL || !call_thread(aside)) {
    if (one != NULL) give_up(aside, one);
    ae_aside_say(action, AE_ASIDE_NOT_SENT,
                 "the host has no thread or memory for it just now");
    answer(action);
  }
  pthread_mutex_unlock(&aside->lock);
}

static bool is_meant (const ae_message *message, const ae_queue *queue, int64_t ticket) {
  const ae_action *action = (const ae_action *)(const void *)message;
  return action->queue == queue && action->ticket == ticket;
}

/* Whether the action was in this line. */
static bool drop_from (ae_aside *aside, line *one, const ae_queue *queue, int64_t ticket) {
  ae_message **at, *message;
  for (message = one->running == NULL ? NULL : &one->running->head; message != NULL;
       message = message->next)
    if (is_meant(message, queue, ticket)) {
      atomic_store(&((ae_action *)(void *)message)->dropped, true);
      return true;
    }
  for (at = &one->waiting.first; *at != NULL; at = &(*at)->next) {
    message = *at;
    if (!is_meant(message, queue, ticket)) continue;
    *at = message->next;
    if (message->next == NULL) one->waiting.last = at;
    aside->waiting--;
    free(message);
    return true;
  }
  return false;
}

void ae_aside_drop (ae_aside *aside, const ae_queue *queue, int64_t ticket) {
  line *one;
  pthread_mutex_lock(&aside->lock);
  for (one = aside->first; one != NULL; one = one->next)
    if (drop_from(aside, one, queue, ticket)) break;
  if (one != NULL && one->count == 0 && one->waiting.first == NULL) {
    take_out(aside, one);
    free(one);
  }
  pthread_mutex_unlock(&aside->lock);
}

/* Whether all threads have left before `until`. */
static bool await (ae_aside *aside, int64_t until) {
  for (;;) {
    unsigned left;
    pthread_mutex_lock(&aside->lock);
    left = aside->count - aside->ended;
    pthread_mutex_unlock(&aside->lock);
    if (left == 0) return true;
    if (ae_aside_now() >= until) return false;
    ae_aside_pause(LOOK_MS);
  }
}

bool ae_aside_end (ae_aside *aside, int64_t until) {
  line *one;
  pthread_mutex_lock(&aside->lock);
  atomic_store(&aside->stopping, true);
  for (one = aside->first; one != NULL; one = one->next) ae_list_free(&one->waiting);
  aside->waiting = 0;
  pthread_cond_broadcast(&aside->work);
  pthread_mutex_unlock(&aside->lock);
  return await(aside, until);
}

void ae_aside_free (ae_aside *aside) {
  line *one;
  if (aside == NULL) return;
  for (unsigned i = 0; i < aside->count; i++) pthread_join(aside->threads[i], NULL);
  while ((one = aside->first) != NULL) {
    take_out(aside, one);
    free(one);
  }
  pthread_cond_destroy(&aside->work);
  pthread_mutex_destroy(&aside->lock);
  free(aside);
}
