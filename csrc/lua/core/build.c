/*
** build.c: builds an event from a Lua table. The table is read raw, in two passes:
** the first measures, the second copies the texts into a block of that size.
*/
#include "lua/core/event.h"

typedef struct builder {
  lua_State *L;
  ae_event *event;
  char *text;      /* the event's */
  size_t at, size; /* end of the text so far; size of the block */
} builder;

/* Appends a text; raises when the block is too small: a finalizer that ran between
** the two passes may have changed the table. */
static uint32_t append (builder *b, ae_slice text) {
  size_t at = b->at;
  if (text.length > b->size - at) luaL_error(b->L, "the event changed while it was read");
  if (text.length > 0) memcpy(b->text + at, text.data, text.length);
  b->at += text.length;
  return (uint32_t)at;
}

/* Sets the attribute's kind and integer from the value at the top. Returns the
** value's text, or "". */
static ae_slice read_value (lua_State *L, ae_attribute *attribute) {
  ae_slice text = {"", 0};
  int64_t number;
  attribute->kind = AE_JSON; /* refused, unless the type is found below */
  switch (lua_type(L, -1)) {
    case LUA_TSTRING:
      text.data = lua_tolstring(L, -1, &text.length);
      attribute->kind = AE_STRING;
      break;
    case LUA_TBOOLEAN:
      attribute->kind = AE_BOOLEAN;
      attribute->integer = lua_toboolean(L, -1);
      break;
    case LUA_TNUMBER:
      if (!ae_to_integer(L, -1, &number) || number < INT32_MIN || number > INT32_MAX) break;
      attribute->kind = AE_INTEGER;
      attribute->integer = (int32_t)number;
      break;
    default: break;
  }
  return text;
}

/* Pushes the i-th name, and its value in the table. */
static ae_slice push_member (lua_State *L, size_t i) {
  ae_slice name;
  lua_rawgeti(L, 1, (int)i);
  if (lua_type(L, -1) != LUA_TSTRING)
    luaL_argerror(L, 1, "names of attributes must be strings");
  name.data = lua_tolstring(L, -1, &name.length);
  lua_pushvalue(L, -1);
  lua_rawget(L, 2);
  return name;
}

static void build_attribute (builder *b, size_t i) {
  ae_attribute attribute = {0};
  ae_slice name = push_member(b->L, i), value = read_value(b->L, &attribute);
  attribute.name_length = (uint32_t)name.length;
  attribute.name = append(b, name);
  attribute.value_length = (uint32_t)value.length;
  attribute.value = append(b, value);
  ae_event_add(b->event, &attribute);
  lua_pop(b->L, 2);
}

/* Counts the bytes of all names, and of all values that are texts. */
static size_t measure (lua_State *L, size_t count) {
  size_t size = 0;
  for (size_t i = 1; i <= count; i++) {
    size += push_member(L, i).length;
    if (lua_type(L, -1) == LUA_TSTRING) size += lua_rawlen(L, -1);
    lua_pop(L, 2);
  }
  return size;
}

/* The payload: from the arguments, or the table's data_base64. */
typedef struct payload {
  ae_kind kind;
  ae_slice text; /* absent: there is none */
} payload;

/* Reads the payload; leaves the table's data_base64 on the stack. False: there are
** two payloads, or data_base64 is no text. */
static bool read_payload (lua_State *L, payload *data, ae_error *error) {
  *data = (payload){lua_toboolean(L, 4) ? AE_JSON : AE_OCTETS, {NULL, 0}};
  if (!lua_isnil(L, 3)) data->text.data = lua_tolstring(L, 3, &data->text.length);
  lua_pushliteral(L, "data_base64");
  lua_rawget(L, 2);
  if (lua_isnil(L, -1)) return true;
  if (lua_type(L, -1) != LUA_TSTRING || data->text.data != NULL) {
    ae_fail(error, AE_INVALID, 0,
            data->text.data != NULL ? "data and data_base64 exclude each other"
                                    : "data_base64 must be a string");
    return false;
  }
  data->kind = AE_BASE64;
  data->text.data = lua_tolstring(L, -1, &data->text.length);
  return true;
}

static void build_payload (builder *b, const payload *data) {
  if (data->text.data == NULL) return;
  b->event->data_kind = data->kind;
  b->event->data_length = (uint32_t)data->text.length;
  b->event->data = append(b, data->text);
}

/* build(names, table, data, is_json) -> event | nil, message, code, detail
** names: the attributes, in the order wanted; data: the payload's text (JSON
** or octets) or nil. Judges the event. */
int ae_lua_build (lua_State *L) {
  builder b = {.L = L};
  payload data;
  ae_faults faults;
  ae_error error;
  size_t count;
  lua_settop(L, 4);
  if (!read_payload(L, &data, &error)) return ae_lua_fail(L, &error, NULL);
  count = lua_rawlen(L, 1);
  b.size = measure(L, count) + data.text.length;
  if (b.size > UINT32_MAX / 2 || count > UINT32_MAX / 64)
    return luaL_error(L, "the event is too large");
  b.event = ae_lua_new_event(L, count, b.size + 1, &b.text);
  ae_event_begin(b.event, b.text);
  for (size_t i = 1; i <= count; i++) build_attribute(&b, i);
  build_payload(&b, &data);
  faults.count = 0;
  if (ae_event_judge(b.event, &faults, &error) != AE_OK)
    return ae_lua_fail(L, &error, &faults);
  ae_lua_become_event(L);
  return 1;
}
