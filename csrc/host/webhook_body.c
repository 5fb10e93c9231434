/*
** webhook_body.c: the events of a request, as works for the inbox.
*/
#include <stdlib.h>

#include "host/webhook_private.h"

#define FIRST_ATTRIBUTES 32u
/* The memory that a buffer keeps from request to request. (Headers have 16 KiB at
** most.) */
#define KEPT_BYTES ((size_t)16 << 10)

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

static unsigned status_of (ae_code code) {
  switch (code) {
    case AE_TOO_LARGE: return 413;
    case AE_UNSUPPORTED: return 415;
    case AE_MEMORY: return 503;
    default: return 400;
  }
}

static bool reserve_attributes (ae_delivery *d, size_t count) {
  ae_attribute *list;
  if (count <= d->attribute_capacity) return true;
  list = realloc(d->attributes, count * sizeof *list);
  if (list == NULL) return false;
  d->attributes = list;
  d->attribute_capacity = count;
  return true;
}

static void give_attributes (ae_delivery *d, ae_event *event) {
  event->attributes = d->attributes;
  event->capacity = (uint32_t)d->attribute_capacity;
}

static bool more_attributes (ae_delivery *d, ae_code code, const ae_event *event) {
  return code == AE_MEMORY && event->count > d->attribute_capacity &&
         reserve_attributes(d, event->count);
}

/* Reads an event in structured mode; `at`: the place for the copy in d->text. */
static ae_code read_structured (ae_delivery *d, ae_event *event, ae_slice text, char *at) {
  ae_limits limits = {d->hook->max_bytes, AE_DEFAULT_MAX_DEPTH};
  ae_code code;
  do {
    give_attributes(d, event);
    d->faults.count = 0;
    memcpy(at, text.data, text.length);
    code = ae_event_parse(event, at, text.length, &limits, &d->faults, &d->error);
  } while (more_attributes(d, code, event));
  return code;
}

static ae_code read_binary (ae_delivery *d, ae_event *event, ae_slice body) {
  ae_limits limits = {d->hook->max_bytes, AE_DEFAULT_MAX_DEPTH};
  ae_code code;
  do {
    give_attributes(d, event);
    d->faults.count = 0;
    code = ae_event_from_binary(event, d->text.data, d->text.capacity, d->headers,
                                d->header_count, body, &limits, &d->faults, &d->error);
  } while (more_attributes(d, code, event));
  return code;
}

static bool add_work (ae_delivery *d, const ae_event *event, ae_slice body) {
  ae_work *work;
  if (d->work_count == d->work_capacity) {
    size_t capacity = d->work_capacity == 0 ? 1 : d->work_capacity * 4;
    ae_work *list = realloc(d->works, capacity * sizeof *list);
    if (list == NULL) return false;
    d->works = list;
    d->work_capacity = capacity;
  }
  work = &d->works[d->work_count++];
  memset(work, 0, sizeof *work);
  work->kind = AE_WORK_APPEND;
  work->owner = d;
  work->time = ae_clock_wall_ms(d->hook->clock);
  work->source = ae_event_text(event, AE_SOURCE);
  work->id = ae_event_text(event, AE_ID);
  work->body = body;
  /* The elements of a batch share the memory of one event. */
  if (event == &d->event) work->event = event;
  if (d->name.length > 0) work->subscription = (ae_slice){d->name.data, d->name.length};
  return true;
}

static void judge_structured (ae_delivery *d, ae_slice body) {
  ae_code code = read_structured(d, &d->event, body, d->text.data);
  if (code != AE_OK) ae_refuse(d, status_of(code), code, NULL);
  else if (!add_work(d, &d->event, body)) ae_refuse_memory(d);
}

/* An event in binary mode is kept as structured JSON: the inbox has one form only. */
static void judge_binary (ae_delivery *d, ae_slice body) {
  size_t size = ae_binary_size(d->headers, d->header_count, body.length);
  ae_code code;
  if (!ae_buffer_reserve(&d->text, size)) {
    ae_refuse_memory(d);
    return;
  }
  code = read_binary(d, &d->event, body);
  if (code != AE_OK) {
    ae_refuse(d, status_of(code), code, NULL);
    return;
  }
  size = ae_event_encode(&d->event, NULL, 0);
  if (size > AE_MOST_STORED) {
    ae_refuse(d, 413, AE_TOO_LARGE, "the event is too large to be stored as JSON");
    return;
  }
  if (!ae_buffer_reserve(&d->encoded, size)) {
    ae_refuse_memory(d);
    return;
  }
  d->encoded.length = ae_event_encode(&d->event, d->encoded.data, d->encoded.capacity);
  if (!add_work(d, &d->event, (ae_slice){d->encoded.data, d->encoded.length}))
    ae_refuse_memory(d);
}

/* All or nothing: an element that is no event refuses the whole batch. */
static void judge_batch (ae_delivery *d, ae_slice body) {
  ae_limits limits = {d->hook->max_bytes, AE_DEFAULT_MAX_DEPTH};
  ae_slice element;
  ae_batch batch;
  ae_code code = ae_batch_open(&batch, body, &limits, &d->error);
  if (code != AE_OK) {
    ae_refuse(d, status_of(code), code, NULL);
    return;
  }
  while (ae_batch_next(&batch, &element)) {
    size_t at = (size_t)(element.data - body.data);
    ae_event event;
    code = read_structured(d, &event, element, d->text.data + at);
    if (code != AE_OK) {
      d->index = batch.index;
      d->error.position += d->error.position > 0 ? at : 0;
      ae_refuse(d, status_of(code), code, NULL);
      return;
    }
    if (!add_work(d, &event, element)) {
      ae_refuse_memory(d);
      return;
    }
  }
}

/* The works of a batch are one transaction. */
static void chain (ae_delivery *d) {
  for (size_t i = 0; i + 1 < d->work_count; i++) d->works[i].with = &d->works[i + 1];
}

void ae_body_judge (ae_delivery *d) {
  ae_slice body = ae_exchange_body(d->exchange);
  if (!reserve_attributes(d, FIRST_ATTRIBUTES) ||
      !ae_buffer_reserve(&d->text, body.length + 1)) {
    ae_refuse_memory(d);
    return;
  }
  if (body.length == 0 && d->mode != AE_BINARY)
    ae_refuse(d, 400, AE_SYNTAX, "the body is empty");
  else if (d->mode == AE_BINARY) judge_binary(d, body);
  else if (d->mode == AE_BATCH) judge_batch(d, body);
  else judge_structured(d, body);
  chain(d);
}

static void shrink (ae_buffer *buffer) {
  if (buffer->capacity <= KEPT_BYTES) return;
  free(buffer->data);
  *buffer = (ae_buffer){NULL, 0, 0};
}

void ae_body_shrink (ae_delivery *d) {
  shrink(&d->text);
  shrink(&d->encoded);
  if (d->work_capacity * sizeof *d->works > KEPT_BYTES) {
    free(d->works);
    d->works = NULL;
    d->work_count = d->work_capacity = 0;
  }
  if (d->attribute_capacity * sizeof *d->attributes > KEPT_BYTES) {
    free(d->attributes);
    d->attributes = NULL;
    d->attribute_capacity = 0;
  }
}

void ae_body_free (ae_delivery *d) {
  free(d->text.data);
  free(d->encoded.data);
  free(d->name.data);
  free(d->headers);
  free(d->attributes);
  free(d->works);
}
