/*
** event.c: reading events into Lua objects and reading from them.
*/
#include "lua/core/event.h"

#define SLOTS_AT_FIRST 10 /* Altinn's events have 9, with a payload 10 */

/* Lays out an event and its attributes at the beginning of `block`. */
static ae_event *in_block (void *block, size_t slots) {
  ae_event *event = block;
  event->attributes = (ae_attribute *)(void *)(event + 1);
  event->capacity = (uint32_t)slots;
  return event;
}

static size_t size_with (size_t slots) {
  return sizeof(ae_event) + slots * sizeof(ae_attribute);
}

ae_event *ae_lua_new_event (lua_State *L, size_t slots, size_t text_length, char **text) {
  ae_event *event = in_block(ae_new_block(L, size_with(slots) + text_length), slots);
  *text = (char *)(event->attributes + slots);
  return event;
}

/* The registry has the metatable of events twice: under its name, where
** luaL_newmetatable puts it, and under this address, which is found without
** hashing a name. The module's functions have it as their first upvalue. */
static const char metatable_key = 0;

static void push_metatable (lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key);
}

void ae_lua_become_event (lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_setmetatable(L, -2);
}

ae_event *ae_lua_toevent (lua_State *L, int index) {
  void *block = lua_touserdata(L, index);
  if (!block || !lua_getmetatable(L, index)) return NULL;
  push_metatable(L);
  if (!lua_rawequal(L, -1, -2)) block = NULL;
  lua_pop(L, 2);
  return block;
}

ae_event *ae_lua_checkevent (lua_State *L, int index) {
  ae_event *event = ae_lua_toevent(L, index);
  return event ? event : luaL_checkudata(L, index, AE_EVENT_NAME); /* raises */
}

/* {====================================================================
** Failures
** ===================================================================== */

static void push_fault (lua_State *L, const ae_fault *fault) {
  lua_createtable(L, 0, 4);
  lua_pushstring(L, ae_code_name(fault->code));
  lua_setfield(L, -2, "code");
  if (fault->attribute[0]) {
    lua_pushstring(L, fault->attribute);
    lua_setfield(L, -2, "attribute");
  }
  lua_pushstring(L, fault->message);
  lua_setfield(L, -2, "message");
  if (fault->position > 0) {
    ae_push_integer(L, (int64_t)fault->position);
    lua_setfield(L, -2, "position");
  }
}

static void push_faults (lua_State *L, const ae_faults *faults) {
  uint32_t kept = faults->count < AE_FAULTS_KEPT ? faults->count : AE_FAULTS_KEPT;
  lua_createtable(L, (int)kept, 0);
  for (uint32_t i = 0; i < kept; i++) {
    push_fault(L, &faults->list[i]);
    lua_rawseti(L, -2, (int)i + 1);
  }
}

int ae_lua_fail (lua_State *L, const ae_error *error, const ae_faults *faults) {
  lua_pushnil(L);
  lua_pushstring(L, error->message);
  lua_pushstring(L, ae_code_name(error->code));
  lua_createtable(L, 0, 4);
  lua_pushstring(L, ae_code_name(error->code));
  lua_setfield(L, -2, "code");
  if (error->position > 0) {
    ae_push_integer(L, (int64_t)error->position);
    lua_setfield(L, -2, "position");
  }
  if (faults && faults->count > 0) {
    if (faults->list[0].attribute[0]) {
      lua_pushstring(L, faults->list[0].attribute);
      lua_setfield(L, -2, "attribute");
    }
    push_faults(L, faults);
    lua_setfield(L, -2, "faults");
  }
  return 4;
}

/* }==================================================================== */

/* {====================================================================
** Options: { max_bytes = , max_depth = }
** ===================================================================== */

static size_t option_number (lua_State *L, int index, const char *name, size_t most) {
  lua_Number value = lua_tonumber(L, -1);
  if (lua_type(L, -1) != LUA_TNUMBER || !(value >= 1) || value > (lua_Number)most)
    luaL_error(L, "bad argument #%d: option '%s' must be a number from 1 to %d", index, name,
               (int)most);
  return (size_t)value;
}

static void read_options (lua_State *L, int index, ae_limits *limits) {
  *limits = ae_default_limits;
  if (lua_isnoneornil(L, index)) return;
  luaL_checktype(L, index, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    if (strcmp(name, "max_bytes") == 0)
      limits->max_bytes = option_number(L, index, name, (size_t)1 << 30);
    else if (strcmp(name, "max_depth") == 0)
      limits->max_depth = (uint32_t)option_number(L, index, name, 65536);
    else luaL_error(L, "unknown option '%s' (max_bytes and max_depth are known)", name);
    lua_pop(L, 1);
  }
}

/* }==================================================================== */

/* {====================================================================
** Parsing
** ===================================================================== */

/* Parses the Lua string at `index` in place: the event keeps the string alive. */
static ae_code read_held (lua_State *L, int index, ae_slice text, size_t slots,
                          ae_event **event, const ae_limits *limits, ae_faults *faults,
                          ae_error *error) {
  *event = in_block(ae_new_holder(L, size_with(slots), index), slots);
  return ae_event_read(*event, text.data, text.length, limits, faults, error);
}

/* Parses a copy of the text in the event's own block. */
static ae_code read_copied (lua_State *L, ae_slice text, size_t slots, ae_event **event,
                            const ae_limits *limits, ae_faults *faults, ae_error *error) {
  char *copy;
  *event = ae_lua_new_event(L, slots, text.length, &copy);
  if (text.length > 0) memcpy(copy, text.data, text.length);
  return ae_event_parse(*event, copy, text.length, limits, faults, error);
}

/*
** Pushes an event, or nothing on failure. `index`: the text's Lua string on the
** stack; 0: the text is a part of a string. The text is copied when it has escapes
** to decode. An event with more attributes than the block has room for is parsed
** again with room for all.
*/
static ae_code push_parsed (lua_State *L, int index, ae_slice text, const ae_limits *limits,
                            ae_faults *faults, ae_error *error) {
  size_t slots = SLOTS_AT_FIRST;
  bool held = AE_HOLDS && index != 0;
  ae_event *event;
  ae_code code;
  if (text.length > limits->max_bytes)
    return ae_fail(error, AE_TOO_LARGE, 0, "the event has %zu bytes; at most %zu are taken",
                   text.length, limits->max_bytes);
  for (;;) {
    code = held ? read_held(L, index, text, slots, &event, limits, faults, error)
                : read_copied(L, text, slots, &event, limits, faults, error);
    if (code != AE_MEMORY) break;
    if (event->count > slots) slots = event->count;
    else held = false;
    lua_pop(L, 1);
  }
  if (code == AE_OK) ae_lua_become_event(L);
  else lua_pop(L, 1);
  return code;
}

static ae_slice check_text (lua_State *L, int index) {
  ae_slice text;
  luaL_checktype(L, index, LUA_TSTRING);
  text.data = lua_tolstring(L, index, &text.length);
  return text;
}

/* parse(text [, options]) -> event | nil, message, code, detail */
int ae_lua_parse (lua_State *L) {
  ae_limits limits;
  ae_faults faults;
  ae_error error;
  ae_slice text = check_text(L, 1);
  read_options(L, 2, &limits);
  faults.count = 0;
  if (push_parsed(L, 1, text, &limits, &faults, &error) == AE_OK) return 1;
  return ae_lua_fail(L, &error, &faults);
}

/* Pushes the list of a batch's events, or the failure, with detail.index. */
static int push_batch (lua_State *L, ae_slice text, const ae_limits *limits) {
  ae_batch batch;
  ae_faults faults;
  ae_error error;
  ae_slice element;
  faults.count = 0;
  if (ae_batch_open(&batch, text, limits, &error) != AE_OK)
    return ae_lua_fail(L, &error, NULL);
  lua_newtable(L);
  for (int i = 1; ae_batch_next(&batch, &element); i++) {
    faults.count = 0;
    if (push_parsed(L, 0, element, limits, &faults, &error) != AE_OK) {
      int results = ae_lua_fail(L, &error, &faults);
      lua_pushinteger(L, i);
      lua_setfield(L, -2, "index");
      return results;
    }
    lua_rawseti(L, -2, i);
  }
  return 1;
}

/* parse_batch(text [, options]) -> list | nil, message, code, detail */
int ae_lua_parse_batch (lua_State *L) {
  ae_limits limits;
  ae_slice text = check_text(L, 1);
  read_options(L, 2, &limits);
  return push_batch(L, text, &limits);
}

/* }==================================================================== */

/* {====================================================================
** The HTTP protocol binding
** ===================================================================== */

const ae_header *ae_lua_read_headers (lua_State *L, int index, size_t *count) {
  size_t n = 0;
  luaL_checktype(L, index, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    n += lua_istable(L, -1) ? lua_rawlen(L, -1) : 1;
    lua_pop(L, 1);
  }
  ae_header *headers = lua_newuserdata(L, (n + 1) * sizeof(*headers));
  *count = 0;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    bool list = lua_istable(L, -1);
    size_t values = list ? lua_rawlen(L, -1) : 1;
    if (lua_type(L, -2) != LUA_TSTRING)
      luaL_argerror(L, index, "names of headers must be strings");
    for (size_t i = 1; i <= values && *count < n; i++) {
      if (list) lua_rawgeti(L, -1, (int)i);
      else lua_pushvalue(L, -1);
      if (lua_type(L, -1) != LUA_TSTRING)
        luaL_argerror(L, index, "values of headers must be strings");
      ae_header *header = &headers[(*count)++];
      header->name.data = lua_tolstring(L, -3, &header->name.length);
      header->value.data = lua_tolstring(L, -1, &header->value.length);
      lua_pop(L, 1); /* the caller's table anchors it */
    }
    lua_pop(L, 1);
  }
  return headers;
}

static int push_one_in_list (lua_State *L) {
  lua_createtable(L, 1, 0);
  lua_insert(L, -2);
  lua_rawseti(L, -2, 1);
  return 1;
}

static int push_binary (lua_State *L, const ae_header *headers, size_t count, ae_slice body,
                        const ae_limits *limits) {
  ae_faults faults;
  ae_error error;
  faults.count = 0;
  size_t size = ae_binary_size(headers, count, body.length);
  char *text;
  ae_event *event = ae_lua_new_event(L, count, size, &text);
  if (ae_event_from_binary(event, text, size, headers, count, body, limits, &faults, &error) !=
      AE_OK)
    return ae_lua_fail(L, &error, &faults);
  ae_lua_become_event(L);
  return push_one_in_list(L);
}

/* from_http(headers, body [, options]) -> list | nil, message, code, detail */
int ae_lua_from_http (lua_State *L) {
  ae_limits limits;
  ae_faults faults;
  ae_error error;
  size_t count;
  ae_slice body = {"", 0};
  lua_settop(L, 3);
  if (!lua_isnil(L, 2)) body = check_text(L, 2);
  read_options(L, 3, &limits);
  const ae_header *headers = ae_lua_read_headers(L, 1, &count);
  switch (ae_http_mode(headers, count)) {
    case AE_BATCH: return push_batch(L, body, &limits);
    case AE_BINARY: return push_binary(L, headers, count, body, &limits);
    case AE_STRUCTURED:
      faults.count = 0;
      if (push_parsed(L, 2, body, &limits, &faults, &error) == AE_OK)
        return push_one_in_list(L);
      return ae_lua_fail(L, &error, &faults);
    case AE_UNSUPPORTED_MEDIA: break;
  }
  ae_fail(&error, AE_UNSUPPORTED, 0,
          "the Content-Type is none that carries CloudEvents: "
          "application/cloudevents+json, application/cloudevents-batch+json, "
          "application/json, or ce- headers");
  return ae_lua_fail(L, &error, NULL);
}

/* }==================================================================== */

/* {====================================================================
** Reading from events
** ===================================================================== */

static void push_value (lua_State *L, const ae_event *event, const ae_attribute *attribute) {
  if (attribute->kind == AE_BOOLEAN) lua_pushboolean(L, attribute->integer != 0);
  else if (attribute->kind == AE_INTEGER) lua_pushinteger(L, attribute->integer);
  else lua_pushlstring(L, event->text + attribute->value, attribute->value_length);
}

static void push_base64 (lua_State *L, ae_slice text) {
  size_t size = ae_base64_decoded_size(text);
  char *octets = lua_newuserdata(L, size + 1);
  ae_base64_decode(text, octets);
  lua_pushlstring(L, octets, size);
  lua_remove(L, -2);
}

static void push_data (lua_State *L, const ae_event *event) {
  ae_slice text = {event->text + event->data, event->data_length};
  switch (event->data_kind) {
    case AE_JSON:
    case AE_STRING: ae_lua_push_json(L, text); break;
    case AE_BASE64: push_base64(L, text); break;
    case AE_OCTETS: lua_pushlstring(L, text.data, text.length); break;
    default: lua_pushnil(L);
  }
}

static bool is_data (ae_slice name) {
  return name.length == 4 && memcmp(name.data, "data", 4) == 0;
}

static int event_index (lua_State *L) {
  const ae_event *event = lua_touserdata(L, 1);
  ae_slice name;
  if (!event || !lua_getmetatable(L, 1) || !lua_rawequal(L, -1, lua_upvalueindex(1)))
    event = ae_lua_checkevent(L, 1); /* raises */
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  name.data = lua_tolstring(L, 2, &name.length);
  const ae_attribute *attribute = ae_event_find(event, name);
  if (attribute) push_value(L, event, attribute);
  else if (is_data(name)) push_data(L, event);
  else return 0;
  return 1;
}

static int event_newindex (lua_State *L) {
  return luaL_error(L, "events are read-only; events.totable(event) gives a table to change");
}

/* next(event, name) -> name, value: walks the attributes in the order
** received, then `data`. */
int ae_lua_next (lua_State *L) {
  const ae_event *event = ae_lua_checkevent(L, 1);
  uint32_t index = 0;
  lua_settop(L, 2);
  if (!lua_isnil(L, 2)) {
    ae_slice name = check_text(L, 2);
    if (is_data(name)) return 0;
    const ae_attribute *at = ae_event_find(event, name);
    if (!at) return luaL_argerror(L, 2, "no attribute of the event");
    index = (uint32_t)(at - event->attributes) + 1;
  }
  if (index >= event->count) {
    if (event->data_kind == AE_NONE) return 0;
    lua_pushliteral(L, "data");
    push_data(L, event);
    return 2;
  }
  const ae_attribute *attribute = &event->attributes[index];
  lua_pushlstring(L, event->text + attribute->name, attribute->name_length);
  push_value(L, event, attribute);
  return 2;
}

static int event_pairs (lua_State *L) {
  ae_lua_checkevent(L, 1);
  lua_pushcfunction(L, ae_lua_next);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

/* encode(event) -> JSON text */
int ae_lua_encode (lua_State *L) {
  const ae_event *event = ae_lua_checkevent(L, 1);
  size_t size = ae_event_encode(event, NULL, 0);
  char *text = lua_newuserdata(L, size + 1);
  ae_event_encode(event, text, size);
  lua_pushlstring(L, text, size);
  return 1;
}

/* time(event) -> seconds, nanoseconds | nil */
int ae_lua_time (lua_State *L) {
  const ae_event *event = ae_lua_checkevent(L, 1);
  if (event->known[AE_TIME] < 0) return 0;
  ae_push_integer(L, event->time.seconds);
  lua_pushinteger(L, event->time.nanoseconds);
  return 2;
}

void ae_lua_event_open (lua_State *L) {
  static const luaL_Reg metamethods[] = {{"__index", event_index},
                                         {"__newindex", event_newindex},
                                         {"__pairs", event_pairs},
                                         {NULL, NULL}};
  if (luaL_newmetatable(L, AE_EVENT_NAME)) {
    lua_pushvalue(L, -1);
    luaL_setfuncs(L, metamethods, 1);
    lua_pushliteral(L, AE_EVENT_NAME);
    lua_setfield(L, -2, "__name");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_key);
  } else lua_pop(L, 1);
  push_metatable(L);
}

/* }==================================================================== */
