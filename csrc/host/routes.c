/*
** routes.c: see routes.h.
*/
#include "host/routes.h"

#include <assert.h>
#include <stdlib.h>

#include "core/catalogue.h"

static char *duplicate (ae_slice text) {
  char *copy = malloc(text.length + 1);
  if (copy == NULL) return NULL;
  if (text.length > 0) memcpy(copy, text.data, text.length);
  copy[text.length] = '\0';
  return copy;
}

static ae_slice as_slice (const char *text) {
  return (ae_slice){text, strlen(text)};
}

static void head_free (ae_head *head) {
  free(head->rule);
  free(head->order);
}

void ae_heads_free (ae_heads *heads) {
  if (heads == NULL) return;
  for (size_t i = 0; i < heads->count; i++) head_free(&heads->list[i]);
  if (heads->matcher != NULL) ae_matcher_free(heads->matcher);
  free(heads->list);
  free(heads->found);
  free(heads);
}

ae_heads *ae_heads_new (size_t capacity) {
  ae_heads *heads = calloc(1, sizeof *heads);
  if (heads == NULL) return NULL;
  heads->capacity = capacity;
  heads->matcher = ae_matcher_new();
  heads->list = calloc(capacity + 1, sizeof *heads->list);
  heads->room = capacity + 1;
  heads->found = calloc(heads->room, sizeof *heads->found);
  if (heads->matcher != NULL && heads->list != NULL && heads->found != NULL) return heads;
  ae_heads_free(heads);
  return NULL;
}

ae_code ae_heads_add (ae_heads *heads, const ae_head_words *words, ae_error *error) {
  const bool has_order = words->order.data != NULL;
  ae_head head = {duplicate(words->rule), words->ordering,
                  has_order ? duplicate(words->order) : NULL, words->at_once};
  ae_code code;
  assert(heads->count < heads->capacity);
  assert(has_order ==
         (words->ordering == AE_BY_ATTRIBUTE || words->ordering == AE_BY_CONSTANT));
  if (head.rule == NULL || (has_order && head.order == NULL))
    code = ae_fail(error, AE_MEMORY, 0, "not enough memory for the heads of the rules");
  else
    code = ae_matcher_add(heads->matcher, (uint32_t)heads->count, words->conditions,
                          words->count, error);
  if (code == AE_OK) heads->list[heads->count++] = head;
  else head_free(&head);
  return code;
}

void ae_routes_init (ae_routes *routes) {
  memset(routes, 0, sizeof *routes);
  pthread_rwlock_init(&routes->lock, NULL);
}

void ae_routes_release (ae_routes *routes) {
  ae_heads *list;
  pthread_rwlock_wrlock(&routes->lock);
  list = routes->retired;
  routes->retired = NULL;
  pthread_rwlock_unlock(&routes->lock);
  while (list != NULL) {
    ae_heads *next = list->next;
    ae_heads_free(list);
    list = next;
  }
}

void ae_routes_free (ae_routes *routes) {
  ae_routes_release(routes);
  ae_heads_free(routes->heads);
  free(routes->raw);
  free(routes->text);
  free(routes->attributes);
  pthread_rwlock_destroy(&routes->lock);
}

void ae_routes_replace (ae_routes *routes, ae_heads *heads) {
  pthread_rwlock_wrlock(&routes->lock);
  if (routes->heads != NULL) {
    routes->heads->next = routes->retired;
    routes->retired = routes->heads;
  }
  routes->heads = heads;
  routes->found = 0;
  pthread_rwlock_unlock(&routes->lock);
}

static bool reserve (ae_routes *routes, size_t length) {
  size_t size = length + length / 2 + 64;
  char *raw, *text;
  if (length <= routes->capacity && routes->raw != NULL) return true;
  raw = realloc(routes->raw, size);
  if (raw != NULL) routes->raw = raw;
  text = realloc(routes->text, size);
  if (text != NULL) routes->text = text;
  if (raw == NULL || text == NULL) return false;
  routes->capacity = size;
  return true;
}

static ae_code parse (ae_routes *routes) {
  static const ae_limits any = {UINT32_MAX / 2, AE_DEFAULT_MAX_DEPTH};
  ae_faults faults;
  ae_error error;
  faults.count = 0;
  memcpy(routes->text, routes->raw, routes->length);
  routes->event.attributes = routes->attributes;
  routes->event.capacity = routes->attribute_capacity;
  return ae_event_parse(&routes->event, routes->text, routes->length, &any, &faults, &error);
}

static bool more_attributes (ae_routes *routes, uint32_t count) {
  ae_attribute *list = realloc(routes->attributes, sizeof *list * count);
  if (list == NULL) return false;
  routes->attributes = list;
  routes->attribute_capacity = count;
  return true;
}

/* Reads the event, unless it is the one that was read last. */
static ae_code read_event (ae_routes *routes, ae_slice body) {
  ae_code code;
  if (routes->valid && body.length == routes->length &&
      memcmp(routes->raw, body.data, body.length) == 0)
    return AE_OK;
  routes->valid = false;
  routes->found = 0;
  if (!reserve(routes, body.length)) return AE_MEMORY;
  if (routes->attributes == NULL && !more_attributes(routes, 64)) return AE_MEMORY;
  memcpy(routes->raw, body.data, body.length);
  routes->length = body.length;
  code = parse(routes);
  if (code == AE_MEMORY && routes->event.count > routes->attribute_capacity &&
      more_attributes(routes, routes->event.count))
    code = parse(routes);
  routes->valid = code == AE_OK;
  return code;
}

const ae_event *ae_routes_event (ae_routes *routes, ae_slice body) {
  return read_event(routes, body) == AE_OK ? &routes->event : NULL;
}

/* Writes the numbers of the heads that want the event to heads->found. Returns how many
** there are, or AE_MATCH_MEMORY. The matcher may find a head several times, by its
** alternatives, and needs room for each time. With the lock held. */
static size_t find_all (ae_heads *heads, const ae_event *event) {
  size_t count = ae_matcher_match(heads->matcher, event, heads->found, heads->room);
  if (count > heads->room) {
    uint32_t *found = realloc(heads->found, count * sizeof *found);
    if (found == NULL) return AE_MATCH_MEMORY;
    heads->found = found;
    heads->room = count;
    count = ae_matcher_match(heads->matcher, event, found, count);
  }
  assert(count <= heads->count);
  return count;
}

size_t ae_routes_match (ae_routes *routes, ae_slice body, const ae_event *event,
                        ae_slice *rules, size_t capacity) {
  ae_heads *heads;
  size_t i, count = 0;
  ae_code code = event != NULL ? AE_OK : read_event(routes, body);
  if (event == NULL) event = &routes->event;
  if (code == AE_MEMORY) return AE_MATCH_MEMORY;
  if (code != AE_OK) return AE_MATCH_UNREADABLE;
  pthread_rwlock_rdlock(&routes->lock);
  heads = routes->heads;
  if (heads != NULL) count = find_all(heads, event);
  routes->found = count == AE_MATCH_MEMORY ? 0 : count;
  for (i = 0; i < routes->found && i < capacity; i++)
    rules[i] = as_slice(heads->list[heads->found[i]].rule);
  pthread_rwlock_unlock(&routes->lock);
  return count;
}

/* The head of a rule among all heads; NULL: there is none. With the lock held. */
static const ae_head *search (const ae_heads *heads, ae_slice rule) {
  for (size_t i = 0; heads != NULL && i < heads->count; i++)
    if (ae_slice_equal(as_slice(heads->list[i].rule), rule)) return &heads->list[i];
  return NULL;
}

/* The same; looks first among the heads that the last match found. Writer thread, with
** the lock held. */
static const ae_head *find_head (const ae_routes *routes, ae_slice rule) {
  const ae_heads *heads = routes->heads;
  for (size_t i = 0; heads != NULL && i < routes->found; i++) {
    const ae_head *head = &heads->list[heads->found[i]];
    if (ae_slice_equal(as_slice(head->rule), rule)) return head;
  }
  return search(heads, rule);
}

static ae_slice attribute_text (const ae_event *event, const char *name) {
  ae_slice absent = {NULL, 0};
  const ae_attribute *attribute = ae_event_find(event, as_slice(name));
  if (attribute == NULL || attribute->kind != AE_STRING) return absent;
  return ae_attribute_text(event, attribute);
}

/* The order key of an event. `head` is NULL when no such rule is in force. */
static ae_slice key_of (const ae_head *head, const ae_event *event) {
  ae_slice key = {NULL, 0};
  switch (head == NULL ? AE_BY_THING : head->ordering) {
    case AE_UNORDERED: return key;
    case AE_BY_CONSTANT: return as_slice(head->order);
    case AE_BY_ATTRIBUTE: key = attribute_text(event, head->order); break;
    case AE_BY_THING: key = ae_event_text(event, AE_RESOURCEINSTANCE); break;
  }
  return key.data != NULL ? key : ae_event_text(event, AE_ID);
}

ae_slice ae_routes_key (ae_routes *routes, ae_slice body, const ae_event *event,
                        ae_slice rule) {
  ae_slice key = {NULL, 0};
  if (event == NULL && read_event(routes, body) != AE_OK) return key;
  if (event == NULL) event = &routes->event;
  pthread_rwlock_rdlock(&routes->lock);
  key = key_of(find_head(routes, rule), event);
  pthread_rwlock_unlock(&routes->lock);
  return key;
}

bool ae_routes_meaning (ae_routes *routes, ae_slice body, const ae_event *event,
                        ae_slice parts[AE_MEANING_PARTS]) {
  const ae_event_type *type;
  if (event == NULL && read_event(routes, body) != AE_OK) return false;
  if (event == NULL) event = &routes->event;
  type = ae_catalogue_type(ae_event_text(event, AE_TYPE));
  if (type == NULL || !type->once) return false;
  parts[0] = ae_event_text(event, AE_TYPE);
  parts[1] = as_slice(ae_about_name(type->about));
  parts[2] = ae_event_text(event, AE_RESOURCEINSTANCE);
  parts[3] = ae_event_text(event, AE_SUBJECT);
  return parts[2].length > 0;
}

bool ae_routes_in_force (ae_routes *routes, ae_slice rule) {
  bool found;
  pthread_rwlock_rdlock(&routes->lock);
  found = search(routes->heads, rule) != NULL;
  pthread_rwlock_unlock(&routes->lock);
  return found;
}

size_t ae_routes_at_once (ae_routes *routes, ae_slice rule) {
  const ae_head *head;
  size_t at_once;
  pthread_rwlock_rdlock(&routes->lock);
  head = search(routes->heads, rule);
  at_once = head == NULL ? 0 : head->at_once;
  pthread_rwlock_unlock(&routes->lock);
  return at_once;
}
