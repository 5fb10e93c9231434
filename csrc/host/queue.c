/*
** queue.c: the queue of a worker; see queue.h.
*/
#include "host/queue.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

void ae_list_init (ae_list *list) {
  list->first = NULL;
  list->last = &list->first;
}

void ae_list_free (ae_list *list) {
  while (list->first != NULL) {
    ae_message *message = list->first;
    list->first = message->next;
    free(message);
  }
  list->last = &list->first;
}

void ae_list_append (ae_list *list, ae_message *message) {
  message->next = NULL;
  *list->last = message;
  list->last = &message->next;
}

/* Moves at most `max` messages to the end of `out`. Returns how many more
** messages it was still allowed to move. */
static size_t move (ae_list *list, ae_list *out, size_t max) {
  while (max > 0 && list->first != NULL) {
    ae_message *message = list->first;
    list->first = message->next;
    ae_list_append(out, message);
    max--;
  }
  if (list->first == NULL) list->last = &list->first;
  return max;
}

bool ae_queue_init (ae_queue *queue) {
  ae_list_init(&queue->runs);
  ae_list_init(&queue->urgent);
  queue->signalled = false;
  queue->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  pthread_mutex_init(&queue->lock, NULL);
  return queue->fd >= 0;
}

void ae_queue_free (ae_queue *queue) {
  ae_list_free(&queue->runs);
  ae_list_free(&queue->urgent);
  if (queue->fd >= 0) close(queue->fd);
  queue->fd = -1;
  pthread_mutex_destroy(&queue->lock);
}

static bool is_empty (const ae_queue *queue) {
  return queue->runs.first == NULL && queue->urgent.first == NULL;
}

/* With the lock held. */
static void raise_descriptor (ae_queue *queue) {
  uint64_t one = 1;
  if (queue->signalled || is_empty(queue)) return;
  queue->signalled = write(queue->fd, &one, sizeof one) == sizeof one;
}

static void lower_descriptor (ae_queue *queue) {
  uint64_t value;
  if (!queue->signalled) return;
  if (read(queue->fd, &value, sizeof value) == sizeof value) queue->signalled = false;
}

static ae_list *list_of (ae_queue *queue, ae_message_kind kind) {
  switch (kind) {
    case AE_MESSAGE_RUN:
    case AE_MESSAGE_RELOAD: return &queue->runs;
    default: return &queue->urgent;
  }
}

void ae_queue_push (ae_queue *queue, ae_message *message, bool wake) {
  pthread_mutex_lock(&queue->lock);
  ae_list_append(list_of(queue, message->kind), message);
  if (wake) raise_descriptor(queue);
  pthread_mutex_unlock(&queue->lock);
}

void ae_queue_wake (ae_queue *queue) {
  pthread_mutex_lock(&queue->lock);
  raise_descriptor(queue);
  pthread_mutex_unlock(&queue->lock);
}

void ae_queue_poke (ae_queue *queue) {
  const uint64_t one = 1;
  pthread_mutex_lock(&queue->lock);
  if (!queue->signalled) queue->signalled = write(queue->fd, &one, sizeof one) == sizeof one;
  pthread_mutex_unlock(&queue->lock);
}

ae_message *ae_queue_take (ae_queue *queue, size_t max) {
  ae_list taken;
  ae_list_init(&taken);
  pthread_mutex_lock(&queue->lock);
  max = move(&queue->urgent, &taken, max);
  (void)move(&queue->runs, &taken, max);
  if (is_empty(queue)) lower_descriptor(queue);
  pthread_mutex_unlock(&queue->lock);
  return taken.first;
}

bool ae_queue_is_empty (ae_queue *queue) {
  bool empty;
  pthread_mutex_lock(&queue->lock);
  empty = is_empty(queue);
  pthread_mutex_unlock(&queue->lock);
  return empty;
}

void ae_queue_wait (ae_queue *queue, int milliseconds) {
  struct pollfd descriptor = {queue->fd, POLLIN, 0};
  poll(&descriptor, 1, milliseconds);
}

/* Copies a slice to *at and moves on. */
static ae_slice copy (char **at, ae_slice text) {
  ae_slice result = {NULL, 0};
  if (text.data == NULL) return result;
  result.data = *at;
  result.length = text.length;
  if (text.length > 0) memcpy(*at, text.data, text.length);
  *at += text.length;
  return result;
}

ae_run_message *ae_run_message_new (const ae_run *run) {
  size_t size = run->body.length + run->subscription.length + run->rule.length +
                run->entry.length + run->timer.length + run->cause.length;
  ae_run_message *message = malloc(sizeof *message + size + 1);
  char *at;
  if (message == NULL) return NULL;
  at = message->bytes;
  message->head.next = NULL;
  message->head.kind = AE_MESSAGE_RUN;
  message->run = *run;
  message->run.body = copy(&at, run->body);
  message->run.subscription = copy(&at, run->subscription);
  message->run.rule = copy(&at, run->rule);
  message->run.entry = copy(&at, run->entry);
  message->run.timer = copy(&at, run->timer);
  message->run.cause = copy(&at, run->cause);
  return message;
}

ae_cancel *ae_cancel_new (int64_t sequence, ae_slice rule, uint64_t claim) {
  ae_cancel *cancel = calloc(1, sizeof *cancel + rule.length + 1);
  char *at;
  if (cancel == NULL) return NULL;
  at = cancel->bytes;
  cancel->head.kind = AE_MESSAGE_CANCEL;
  cancel->release.kind = AE_WORK_RELEASE;
  cancel->release.sequence = sequence;
  cancel->release.claim = claim;
  cancel->release.rule = copy(&at, rule);
  cancel->release.owner = cancel;
  return cancel;
}

ae_order *ae_order_new (ae_message_kind kind, ae_slice text) {
  ae_order *order = malloc(sizeof *order + text.length + 1);
  if (order == NULL) return NULL;
  order->head.next = NULL;
  order->head.kind = kind;
  order->length = text.length;
  if (text.length > 0) memcpy(order->text, text.data, text.length);
  order->text[text.length] = '\0';
  return order;
}
