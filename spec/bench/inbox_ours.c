/*
** inbox_ours.c: 64 works are always outstanding: each is submitted again,
** with a new event, as soon as it is done, so that a group is 64 works.
*/
#include "inbox/inbox.h"
#include "inbox_sides.h"

#include <pthread.h>

typedef struct post { ae_work work; bench_event event; } post;

struct ours {
  ae_inbox *inbox;
  bench_source source;
  post posts[BENCH_GROUP];
  pthread_mutex_t lock;
  pthread_cond_t end;
  size_t left, running;     /* to be submitted; outstanding: under the lock */
};

static size_t match_none (void *context, ae_slice body, const ae_event *event, ae_slice *rules,
                          size_t capacity) {
  (void)context, (void)body, (void)event, (void)rules, (void)capacity;
  return 0;
}

static size_t no_dispatch (void *context, const ae_run *run) {
  (void)context, (void)run;
  return 0;
}

/* Each event is about a thing of its own. */
static bool meaning_of (void *context, ae_slice body, const ae_event *event,
                        ae_slice parts[AE_MEANING_PARTS]) {
  static unsigned long long number; /* the writer thread's */
  static char text[24];
  int length = snprintf(text, sizeof text, "%llu", ++number);
  (void)context, (void)body, (void)event;
  parts[0] = AE_LITERAL("no.altinn.correspondence.correspondencepublished");
  parts[1] = AE_LITERAL("letter");
  parts[2] = (ae_slice){ text, length > 0 ? (size_t)length : 0 };
  parts[3] = AE_LITERAL("urn:altinn:organization:identifier-no:987654321");
  return true;
}

static void no_dispatched (void *context) { (void)context; }

static void submit (ours *side, post *each) {
  ae_work *work = &each->work;
  bench_next(&side->source, &each->event);
  work->source = each->event.source;
  work->id = each->event.id;
  work->body = each->event.body;
  if (!ae_inbox_submit(side->inbox, work)) bench_fail("the inbox refuses a work");
}

/* On the writer's thread. */
static void done (ae_work *work) {
  ours *side = work->owner;
  if (work->result != AE_WORK_DONE) bench_fail("the inbox does not store");
  pthread_mutex_lock(&side->lock);
  if (side->left > 0) {
    side->left--;
    submit(side, (post *)(void *)work);
  }
  else if (--side->running == 0) pthread_cond_signal(&side->end);
  pthread_mutex_unlock(&side->lock);
}

ours *ours_open (const char *path, const bench_source *source) {
  ours *side = bench_room(sizeof *side);
  ae_inbox_options options = { .path = path, .match = match_none, .meaning = meaning_of,
                               .dispatch = no_dispatch, .dispatched = no_dispatched };
  ae_error error;
  if (ae_inbox_open(&options, &side->inbox, &error) != AE_OK) bench_fail(error.message);
  side->source = *source;
  pthread_mutex_init(&side->lock, NULL);
  pthread_cond_init(&side->end, NULL);
  for (size_t i = 0; i < BENCH_GROUP; i++) {
    ae_work *work = &side->posts[i].work;
    work->kind = AE_WORK_APPEND;
    work->done = done;
    work->owner = side;
    work->time = 1700000000000;
  }
  return side;
}

/* The first 64 come from here; the writer goes on alone. */
double ours_append (ours *side, size_t count) {
  double start = bench_now();
  size_t first = count < BENCH_GROUP ? count : BENCH_GROUP;
  pthread_mutex_lock(&side->lock);
  side->running = first;
  side->left = count - first;
  for (size_t i = 0; i < first; i++) submit(side, &side->posts[i]);
  while (side->running > 0) pthread_cond_wait(&side->end, &side->lock);
  pthread_mutex_unlock(&side->lock);
  return bench_now() - start;
}

unsigned long long ours_groups (ours *side) {
  ae_inbox_counts counts;
  ae_inbox_counts_read(side->inbox, &counts);
  return counts.groups;
}

void ours_close (ours *side) {
  ae_inbox_close(side->inbox);
  pthread_mutex_destroy(&side->lock);
  pthread_cond_destroy(&side->end);
  free(side);
}
