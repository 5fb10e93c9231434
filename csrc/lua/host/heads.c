/*
** host_heads.c: heads of rules from Lua, matching and order keys; see
** host_heads.h.
*/
#include "lua/host/heads.h"

#include <stdlib.h>

#include <lauxlib.h>

#define HEADS_BOX "altinn.events.host.heads"

static char *duplicate (const char *text, size_t length) {
  char *copy = malloc(length + 1);
  if (copy == NULL) return NULL;
  memcpy(copy, text, length);
  copy[length] = '\0';
  return copy;
}

static ae_slice as_slice (const char *text) {
  return (ae_slice){text, strlen(text)};
}

void ae_heads_free (ae_heads *heads) {
  size_t i;
  if (heads == NULL) return;
  for (i = 0; i < heads->count; i++) {
    free(heads->list[i].rule);
    free(heads->list[i].attribute);
  }
  if (heads->matcher != NULL) ae_matcher_free(heads->matcher);
  free(heads->list);
  free(heads->found);
  free(heads);
}

static int box_gc (lua_State *L) {
  ae_heads **box = lua_touserdata(L, 1);
  ae_heads_free(*box);
  *box = NULL;
  return 0;
}

static ae_heads *heads_new (size_t count) {
  ae_heads *heads = calloc(1, sizeof *heads);
  if (heads == NULL) return NULL;
  heads->matcher = ae_matcher_new();
  heads->list = calloc(count + 1, sizeof *heads->list);
  heads->found = calloc(count + 1, sizeof *heads->found);
  if (heads->matcher == NULL || heads->list == NULL || heads->found == NULL) {
    ae_heads_free(heads);
    return NULL;
  }
  return heads;
}

static ae_heads **push_box (lua_State *L, size_t count) {
  ae_heads **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  if (luaL_newmetatable(L, HEADS_BOX)) {
    lua_pushcfunction(L, box_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  *box = heads_new(count);
  if (*box != NULL) return box;
  luaL_error(L, "not enough memory for the heads of the rules");
  return NULL;
}

static ae_slice check_field (lua_State *L, int index, const char *name) {
  ae_slice text;
  lua_getfield(L, index, name);
  text.data = lua_tolstring(L, -1, &text.length);
  if (text.data == NULL || lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "head of a rule: %s must be a string", name);
  lua_pop(L, 1); /* anchored in the table */
  return text;
}

/* An alternative: "text", "text*", or { "text", prefix = boolean }. The
** texts stay anchored in the tables of the caller. */
static void read_alternative (lua_State *L, int index, bool star, ae_alternative *out) {
  out->prefix = false;
  if (lua_istable(L, index)) {
    lua_getfield(L, index, "prefix");
    out->prefix = lua_toboolean(L, -1);
    lua_pop(L, 1);
    lua_rawgeti(L, index, 1);
  } else {
    lua_pushvalue(L, index);
  }
  if (lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "head of a rule: an alternative must be a string");
  out->text.data = lua_tolstring(L, -1, &out->text.length);
  lua_pop(L, 1);
  if (star && out->text.length > 0 && out->text.data[out->text.length - 1] == '*') {
    out->prefix = true;
    out->text.length--;
  }
}

/* Reads the list at `index` into memory that Lua owns (left on the stack). */
static void read_alternatives (lua_State *L, int index, bool star, ae_condition *condition) {
  lua_Integer i, count = luaL_len(L, index);
  ae_alternative *list = lua_newuserdatauv(L, sizeof *list * ((size_t)count + 1), 0);
  for (i = 1; i <= count; i++) {
    lua_geti(L, index, i);
    read_alternative(L, lua_gettop(L), star, &list[i - 1]);
    lua_pop(L, 1);
  }
  condition->alternatives = list;
  condition->count = (size_t)count;
}

static ae_test check_test (lua_State *L, ae_slice name) {
  if (ae_slice_equal(name, AE_LITERAL("is"))) return AE_IS;
  if (ae_slice_equal(name, AE_LITERAL("no"))) return AE_NO;
  if (ae_slice_equal(name, AE_LITERAL("absent"))) return AE_ABSENT;
  if (!ae_slice_equal(name, AE_LITERAL("present")))
    luaL_error(L, "head of a rule: unknown test (is, no, absent, present)");
  return AE_PRESENT;
}

/* The condition at `index`; one value is left on the stack. */
static void read_condition (lua_State *L, int index, ae_condition *out) {
  luaL_checktype(L, index, LUA_TTABLE);
  out->attribute = check_field(L, index, "attribute");
  out->test = check_test(L, check_field(L, index, "test"));
  out->alternatives = NULL;
  out->count = 0;
  lua_getfield(L, index, "alternatives");
  if (lua_istable(L, -1)) read_alternatives(L, lua_gettop(L), false, out);
  else lua_pushnil(L);
  lua_remove(L, -2);
}

/* `on` counts when the conditions say nothing of the type. */
static size_t add_on (lua_State *L, int head, ae_condition *list, size_t count) {
  size_t i;
  for (i = 0; i < count; i++)
    if (ae_slice_equal(list[i].attribute, AE_LITERAL("type"))) return count;
  lua_getfield(L, head, "on");
  if (!lua_istable(L, -1)) return count;
  list[count].attribute = AE_LITERAL("type");
  list[count].test = AE_IS;
  read_alternatives(L, lua_gettop(L), true, &list[count]);
  return count + 1;
}

static void add_conditions (lua_State *L, int head, ae_heads *heads, uint32_t number) {
  ae_condition *list;
  size_t i, count = 0;
  ae_error error;
  lua_getfield(L, head, "conditions");
  if (lua_istable(L, -1)) count = (size_t)luaL_len(L, -1);
  list = lua_newuserdatauv(L, sizeof *list * (count + 1), 0);
  luaL_checkstack(L, (int)count + 8, "too many conditions");
  for (i = 0; i < count; i++) {
    lua_geti(L, head + 1, (lua_Integer)i + 1);
    read_condition(L, lua_gettop(L), &list[i]);
  }
  count = add_on(L, head, list, count);
  if (ae_matcher_add(heads->matcher, number, list, count, &error) != AE_OK)
    luaL_error(L, "head of rule '%s': %s", heads->list[number].rule, error.message);
}

/* order: false, "letter", nil (letter) or an attribute's name. */
static void read_order (lua_State *L, int head, ae_head *out) {
  size_t length;
  const char *text;
  lua_getfield(L, head, "order");
  out->ordered = !lua_isboolean(L, -1) || lua_toboolean(L, -1);
  if (lua_type(L, -1) == LUA_TSTRING) {
    text = lua_tolstring(L, -1, &length);
    if (strcmp(text, "letter") != 0) {
      out->attribute = duplicate(text, length);
      if (out->attribute == NULL) luaL_error(L, "not enough memory");
    }
  }
  lua_pop(L, 1);
}

static void read_head (lua_State *L, int index, ae_heads *heads, size_t i) {
  ae_head *head = &heads->list[i];
  ae_slice rule;
  luaL_checktype(L, index, LUA_TTABLE);
  rule = check_field(L, index, "rule");
  heads->count = i + 1;
  head->rule = duplicate(rule.data, rule.length);
  if (head->rule == NULL) luaL_error(L, "not enough memory");
  read_order(L, index, head);
  add_conditions(L, index, heads, (uint32_t)i);
}

ae_heads **ae_heads_check (lua_State *L, int index) {
  lua_Integer i, count;
  ae_heads **box;
  luaL_checktype(L, index, LUA_TTABLE);
  count = luaL_len(L, index);
  box = push_box(L, (size_t)count);
  for (i = 1; i <= count; i++) {
    int top = lua_gettop(L);
    lua_geti(L, index, i);
    read_head(L, top + 1, *box, (size_t)i - 1);
    lua_settop(L, top);
  }
  return box;
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

size_t ae_routes_match (ae_routes *routes, ae_slice body, ae_slice *rules, size_t capacity) {
  ae_heads *heads;
  size_t i, count = 0;
  ae_code code = read_event(routes, body);
  if (code == AE_MEMORY) return AE_MATCH_MEMORY;
  if (code != AE_OK) return AE_MATCH_UNREADABLE;
  pthread_rwlock_rdlock(&routes->lock);
  heads = routes->heads;
  if (heads != NULL && heads->count > 0)
    count = ae_matcher_match(heads->matcher, &routes->event, heads->found, heads->count);
  routes->found = count;
  for (i = 0; i < count && i < capacity; i++)
    rules[i] = as_slice(heads->list[heads->found[i]].rule);
  pthread_rwlock_unlock(&routes->lock);
  return count;
}

/* With the lock held. Those found last are looked at first. */
static const ae_head *find_head (const ae_routes *routes, ae_slice rule) {
  const ae_heads *heads = routes->heads;
  size_t i;
  if (heads == NULL) return NULL;
  for (i = 0; i < routes->found; i++) {
    const ae_head *head = &heads->list[heads->found[i]];
    if (ae_slice_equal(as_slice(head->rule), rule)) return head;
  }
  for (i = 0; i < heads->count; i++)
    if (ae_slice_equal(as_slice(heads->list[i].rule), rule)) return &heads->list[i];
  return NULL;
}

static ae_slice attribute_text (const ae_event *event, const char *name) {
  ae_slice absent = {NULL, 0};
  const ae_attribute *attribute = ae_event_find(event, as_slice(name));
  if (attribute == NULL || attribute->kind != AE_STRING) return absent;
  return ae_attribute_text(event, attribute);
}

ae_slice ae_routes_key (ae_routes *routes, ae_slice body, ae_slice rule) {
  ae_slice key = {NULL, 0};
  const ae_head *head;
  if (read_event(routes, body) != AE_OK) return key;
  pthread_rwlock_rdlock(&routes->lock);
  head = find_head(routes, rule);
  if (head == NULL || head->ordered) {
    key = head != NULL && head->attribute != NULL
            ? attribute_text(&routes->event, head->attribute)
            : ae_event_text(&routes->event, AE_RESOURCEINSTANCE);
    if (key.data == NULL) key = ae_event_text(&routes->event, AE_ID);
  }
  pthread_rwlock_unlock(&routes->lock);
  return key;
}
