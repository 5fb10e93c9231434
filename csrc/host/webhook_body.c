/*
** receiver_body.c: the events of a request, as works for the inbox.
*/
#include <stdlib.h>
#include <time.h>

#include "host/webhook_private.h"

#define FIRST_ATTRIBUTES 32u

bool ae_buffer_reserve (ae_buffer *buffer, size_t capacity) {
  char *data;
  if (capacity <= buffer->capacity) return true;
  capacity = capacity < 1024 ? 1024 : capacity + capacity / 2;
  data = realloc(buffer->data, capacity);
  if (data == NULL) return false;
  buffer->data = data;
  buffer->capacity = capacity;
  return true;
}

static int64_t wall_ms (void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static unsigned status_of (ae_code code) {
  switch (code) {
    case AE_TOO_LARGE: return 413;
    case AE_UNSUPPORTED: return 415;
    case AE_MEMORY: return 503;
    default: return 400;
  }
}

static bool reserve_attributes (ae_connection *c, size_t count) {
  ae_attribute *list;
  if (count <= c->attribute_capacity) return true;
  list = realloc(c->attributes, count * sizeof *list);
  if (list == NULL) return false;
  c->attributes = list;
  c->attribute_capacity = count;
  return true;
}

static void give_attributes (ae_connection *c, ae_event *event) {
  event->attributes = c->attributes;
  event->capacity = (uint32_t)c->attribute_capacity;
}

static bool more_attributes (ae_connection *c, ae_code code, const ae_event *event) {
  return code == AE_MEMORY && event->count > c->attribute_capacity &&
         reserve_attributes(c, event->count);
}

/* Structured mode; `at` is where the copy goes in c->text. */
static ae_code read_structured (ae_connection *c, ae_event *event, ae_slice text, char *at) {
  ae_limits limits = {c->receiver->max_bytes, AE_DEFAULT_MAX_DEPTH};
  ae_code code;
  do {
    give_attributes(c, event);
    c->faults.count = 0;
    memcpy(at, text.data, text.length);
    code = ae_event_parse(event, at, text.length, &limits, &c->faults, &c->error);
  } while (more_attributes(c, code, event));
  return code;
}

static ae_code read_binary (ae_connection *c, ae_event *event) {
  ae_limits limits = {c->receiver->max_bytes, AE_DEFAULT_MAX_DEPTH};
  ae_slice body = {c->body.data, c->body.length};
  ae_code code;
  do {
    give_attributes(c, event);
    c->faults.count = 0;
    code = ae_event_from_binary(event, c->text.data, c->text.capacity, c->headers,
                                c->header_count, body, &limits, &c->faults, &c->error);
  } while (more_attributes(c, code, event));
  return code;
}

static bool add_work (ae_connection *c, const ae_event *event, ae_slice body) {
  ae_work *work;
  if (c->work_count == c->work_capacity) {
    size_t capacity = c->work_capacity == 0 ? 1 : c->work_capacity * 4;
    ae_work *list = realloc(c->works, capacity * sizeof *list);
    if (list == NULL) return false;
    c->works = list;
    c->work_capacity = capacity;
  }
  work = &c->works[c->work_count++];
  memset(work, 0, sizeof *work);
  work->kind = AE_WORK_APPEND;
  work->owner = c;
  work->time = wall_ms();
  work->source = ae_event_text(event, AE_SOURCE);
  work->id = ae_event_text(event, AE_ID);
  work->body = body;
  if (c->name.length > 0) work->subscription = (ae_slice){c->name.data, c->name.length};
  return true;
}

static void no_memory (ae_connection *c) {
  ae_refuse(c, 503, AE_MEMORY, "not enough memory at the moment");
}

static void judge_structured (ae_connection *c) {
  ae_slice body = {c->body.data, c->body.length};
  ae_event event;
  ae_code code = read_structured(c, &event, body, c->text.data);
  if (code != AE_OK) ae_refuse(c, status_of(code), code, NULL);
  else if (!add_work(c, &event, body)) no_memory(c);
}

/* Kept as structured JSON, so that the inbox holds one form only. */
static void judge_binary (ae_connection *c) {
  size_t size = ae_binary_size(c->headers, c->header_count, c->body.length);
  ae_event event;
  ae_code code;
  if (!ae_buffer_reserve(&c->text, size)) {
    no_memory(c);
    return;
  }
  code = read_binary(c, &event);
  if (code != AE_OK) {
    ae_refuse(c, status_of(code), code, NULL);
    return;
  }
  size = ae_event_encode(&event, NULL, 0);
  if (size > AE_MOST_STORED) {
    ae_refuse(c, 413, AE_TOO_LARGE, "the event is too large to be stored as JSON");
    return;
  }
  if (!ae_buffer_reserve(&c->encoded, size)) {
    no_memory(c);
    return;
  }
  c->encoded.length = ae_event_encode(&event, c->encoded.data, c->encoded.capacity);
  if (!add_work(c, &event, (ae_slice){c->encoded.data, c->encoded.length})) no_memory(c);
}

/* All or nothing: one event that is none refuses the batch. */
static void judge_batch (ae_connection *c) {
  ae_limits limits = {c->receiver->max_bytes, AE_DEFAULT_MAX_DEPTH};
  ae_slice body = {c->body.data, c->body.length}, element;
  ae_batch batch;
  ae_code code = ae_batch_open(&batch, body, &limits, &c->error);
  if (code != AE_OK) {
    ae_refuse(c, status_of(code), code, NULL);
    return;
  }
  while (ae_batch_next(&batch, &element)) {
    size_t at = (size_t)(element.data - body.data);
    ae_event event;
    code = read_structured(c, &event, element, c->text.data + at);
    if (code != AE_OK) {
      c->index = batch.index;
      c->error.position += c->error.position > 0 ? at : 0;
      ae_refuse(c, status_of(code), code, NULL);
      return;
    }
    if (!add_work(c, &event, element)) {
      no_memory(c);
      return;
    }
  }
}

/* The works of a batch are one transaction. */
static void chain (ae_connection *c) {
  for (size_t i = 0; i + 1 < c->work_count; i++) c->works[i].with = &c->works[i + 1];
}

void ae_body_judge (ae_connection *c) {
  c->work_count = 0;
  if (!reserve_attributes(c, FIRST_ATTRIBUTES) ||
      !ae_buffer_reserve(&c->text, c->body.length + 1)) {
    no_memory(c);
    return;
  }
  if (c->body.length == 0 && c->mode != AE_BINARY)
    ae_refuse(c, 400, AE_SYNTAX, "the body is empty");
  else if (c->mode == AE_BINARY) judge_binary(c);
  else if (c->mode == AE_BATCH) judge_batch(c);
  else judge_structured(c);
  chain(c);
}
