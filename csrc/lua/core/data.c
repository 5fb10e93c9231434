/*
** data.c: the payload of an event, between JSON text and Lua values.
** null is the NULL light userdata, the same as cjson.null. Whole numbers become
** integers where the Lua has integers; a whole number that the Lua cannot hold
** exactly becomes its text. An empty array gets a metatable that marks it, so
** that it is not taken for an empty object.
*/
#include "lua/core/event.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/json.h"
#include "core/judge.h"
#include "lua/numbers.h"

#define ARRAY_NAME "altinn.events.array"
/* The deepest nesting that is written. Such a text can be read again with the
** default max_depth, and the recursion takes some 75 KiB of stack. */
#define DEPTH_MOST 500
#define EXACT_MOST 9007199254740992.0 /* 2^53 */

/* {====================================================================
** JSON -> Lua. The text was checked before: only its shape is followed.
** ===================================================================== */

typedef struct reader {
  const char *p, *end;
} reader;

static void blank (reader *r) {
  while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
    r->p++;
}

/* Replaces each lone surrogate, which was decoded to three bytes that are not UTF-8,
** by U+FFFD, which has three bytes too. (RFC 8259 §8.2 leaves the case open.) */
static void replace_lone (char *text, size_t length) {
  for (size_t i = 0; i + 2 < length; i++)
    if ((unsigned char)text[i] == 0xED && (unsigned char)text[i + 1] >= 0xA0) {
      text[i] = (char)0xEF;
      text[i + 1] = (char)0xBF;
      text[i + 2] = (char)0xBD;
    }
}

static void read_string (lua_State *L, reader *r) {
  const char *start = ++r->p;
  bool escaped = false;
  while (*r->p != '"') {
    if (*r->p == '\\') {
      escaped = true;
      r->p++;
    }
    r->p++;
  }
  ae_slice inside = {start, (size_t)(r->p++ - start)};
  if (!escaped) {
    lua_pushlstring(L, inside.data, inside.length);
    return;
  }
  char *out = lua_newuserdata(L, inside.length + 1);
  bool lone;
  size_t length = ae_json_decode(inside, out, &lone);
  if (lone) replace_lone(out, length);
  lua_pushlstring(L, out, length);
  lua_remove(L, -2);
}

/* The range in which every whole number has an exact Lua number. */
#if LUA_VERSION_NUM >= 503
#define INTEGER_MOST INT64_MAX
#define INTEGER_LEAST INT64_MIN
#else
#define INTEGER_MOST (INT64_C(1) << 53)
#define INTEGER_LEAST (-INTEGER_MOST)
#endif

static bool is_integer (const char *text, size_t length) {
  for (size_t i = text[0] == '-'; i < length; i++)
    if (text[i] < '0' || text[i] > '9') return false;
  return true;
}

/* Reads an integer. False: this Lua cannot hold it exactly. */
static bool read_integer (const char *text, size_t length, int64_t *out) {
  bool negative = text[0] == '-';
  uint64_t value = 0;
  uint64_t most = negative ? 0 - (uint64_t)INTEGER_LEAST : (uint64_t)INTEGER_MOST;
  for (size_t i = negative; i < length; i++) {
    unsigned digit = (unsigned)(text[i] - '0');
    if (value > (most - digit) / 10) return false;
    value = value * 10 + digit;
  }
  *out = negative ? (int64_t)(0 - value) : (int64_t)value;
  return true;
}

/* The value of a JSON number. strtod expects the decimal point of the program's
** locale, which is a comma in Norwegian. */
static lua_Number to_number (char *text, size_t length) {
  char *end, *point = memchr(text, '.', length);
  lua_Number number = strtod(text, &end);
  if (point && end == point) {
    *point = localeconv()->decimal_point[0];
    number = strtod(text, NULL);
  }
  return number;
}

static void read_number (lua_State *L, reader *r) {
  const char *start = r->p;
  static const char numeric[] = "+-.0123456789Ee";
  int64_t integer;
  while (r->p < r->end && memchr(numeric, *r->p, sizeof numeric - 1)) r->p++;
  size_t length = (size_t)(r->p - start);
  bool whole = is_integer(start, length);
  if (whole && read_integer(start, length, &integer)) {
    ae_push_integer(L, integer);
    return;
  }
  if (whole) {
    lua_pushlstring(L, start, length);
    return;
  }
  char *text = lua_newuserdata(L, length + 1);
  memcpy(text, start, length);
  text[length] = '\0';
  lua_Number number = to_number(text, length);
  lua_pop(L, 1);
  lua_pushnumber(L, number);
}

/* A literal, a number or a string. */
static void read_scalar (lua_State *L, reader *r) {
  switch (*r->p) {
    case '"': read_string(L, r); break;
    case 't':
      lua_pushboolean(L, 1);
      r->p += 4;
      break;
    case 'f':
      lua_pushboolean(L, 0);
      r->p += 5;
      break;
    case 'n':
      lua_pushlightuserdata(L, NULL);
      r->p += 4;
      break;
    default: read_number(L, r);
  }
}

/*
** The containers that are open stand on the Lua stack, outermost first, each
** as two values: the table, and the key of the value that is read next (a
** string in an object, a number in an array). So nesting costs no C stack.
*/

/* Pushes the next key of an object; its value follows. */
static void read_key (lua_State *L, reader *r) {
  blank(r);
  read_string(L, r);
  blank(r);
  r->p++; /* the colon */
}

/* Opens a container; false: it was empty, and is a value by itself. */
static bool open_container (lua_State *L, reader *r) {
  char close = *r->p++ == '{' ? '}' : ']';
  luaL_checkstack(L, 6, "the payload is nested too deep");
  lua_newtable(L);
  blank(r);
  if (*r->p == close) {
    if (close == ']') luaL_setmetatable(L, ARRAY_NAME);
    r->p++;
    return false;
  }
  if (close == '}') read_key(L, r);
  else lua_pushinteger(L, 1);
  return true;
}

/* Puts the value at the top into the innermost container. True: another value
** follows in it; false: it is closed, and is itself the value at the top. */
static bool store (lua_State *L, reader *r) {
  bool more;
  blank(r);
  more = *r->p++ == ',';
  if (lua_type(L, -2) == LUA_TSTRING) {
    lua_rawset(L, -3);
    if (more) read_key(L, r);
  } else {
    lua_Integer index = lua_tointeger(L, -2);
    lua_rawseti(L, -3, (int)index);
    lua_pop(L, 1);
    if (more) lua_pushinteger(L, index + 1);
  }
  return more;
}

void ae_lua_push_json (lua_State *L, ae_slice text) {
  reader r = {text.data, text.data + text.length};
  size_t depth = 0;
  luaL_checkstack(L, 6, "no stack left for the payload");
  for (;;) {
    blank(&r);
    if (*r.p == '{' || *r.p == '[') {
      if (open_container(L, &r)) {
        depth++;
        continue;
      }
    } else {
      read_scalar(L, &r);
    }
    while (depth > 0 && !store(L, &r)) depth--;
    if (depth == 0) return;
  }
}

/* }==================================================================== */

/* {====================================================================
** Lua -> JSON. The growing text is a userdata at a fixed stack index, so
** that an error leaks nothing.
** ===================================================================== */

typedef struct writer {
  lua_State *L;
  int index;
  char *data;
  size_t length, room;
} writer;

static char *room_for (writer *w, size_t more) {
  if (more > w->room - w->length) {
    size_t room = w->room * 2 > w->length + more ? w->room * 2 : w->length + more;
    char *larger = lua_newuserdata(w->L, room);
    memcpy(larger, w->data, w->length);
    lua_replace(w->L, w->index);
    w->data = larger;
    w->room = room;
  }
  return w->data + w->length;
}

static void put (writer *w, const char *text, size_t length) {
  memcpy(room_for(w, length), text, length);
  w->length += length;
}

static void write_value (writer *w, int index, int depth);

static void write_string (writer *w, int index) {
  ae_slice text;
  text.data = lua_tolstring(w->L, index, &text.length);
  if (!ae_text_is_utf8(text))
    luaL_error(w->L,
               "data: a text is not UTF-8 (octets need a datacontenttype that is not JSON)");
  size_t size = ae_json_quote(text, NULL, 0);
  ae_json_quote(text, room_for(w, size), size);
  w->length += size;
}

static void write_number (writer *w, int index) {
  char text[AE_NUMBER_BYTES];
  size_t length = ae_lua_number_text(w->L, index, text);
  if (length == 0) luaL_error(w->L, "data: JSON has no infinite number and no NaN");
  put(w, text, length);
}

/* An array has the keys 1..n; an empty table is one when it is marked. */
static bool is_array (lua_State *L, int index, size_t *length) {
  size_t keys = 0;
  *length = lua_rawlen(L, index);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    bool number = lua_type(L, -2) == LUA_TNUMBER;
    lua_pop(L, number ? 1 : 2);
    if (!number) return false;
    keys++;
  }
  if (keys > 0) return keys == *length;
  if (!lua_getmetatable(L, index)) return false;
  luaL_getmetatable(L, ARRAY_NAME);
  bool marked = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return marked;
}

static void write_array (writer *w, int index, size_t length, int depth) {
  put(w, "[", 1);
  for (size_t i = 1; i <= length; i++) {
    if (i > 1) put(w, ",", 1);
    lua_rawgeti(w->L, index, (int)i);
    write_value(w, lua_gettop(w->L), depth + 1);
    lua_pop(w->L, 1);
  }
  put(w, "]", 1);
}

static void write_object (writer *w, int index, int depth) {
  bool first = true;
  put(w, "{", 1);
  lua_pushnil(w->L);
  while (lua_next(w->L, index)) {
    if (lua_type(w->L, -2) != LUA_TSTRING)
      luaL_error(w->L,
                 "data: a table with keys of type %s is neither a JSON object nor an array",
                 luaL_typename(w->L, -2));
    if (!first) put(w, ",", 1);
    first = false;
    write_string(w, lua_gettop(w->L) - 1);
    put(w, ":", 1);
    write_value(w, lua_gettop(w->L), depth + 1);
    lua_pop(w->L, 1);
  }
  put(w, "}", 1);
}

static void write_table (writer *w, int index, int depth) {
  size_t length;
  if (depth > DEPTH_MOST) luaL_error(w->L, "data: nested more than %d deep", DEPTH_MOST);
  luaL_checkstack(w->L, 8, "data is nested too deep");
  if (is_array(w->L, index, &length)) write_array(w, index, length, depth);
  else write_object(w, index, depth);
}

static void write_value (writer *w, int index, int depth) {
  switch (lua_type(w->L, index)) {
    case LUA_TSTRING: write_string(w, index); break;
    case LUA_TNUMBER: write_number(w, index); break;
    case LUA_TTABLE: write_table(w, index, depth); break;
    case LUA_TBOOLEAN:
      if (lua_toboolean(w->L, index)) put(w, "true", 4);
      else put(w, "false", 5);
      break;
    case LUA_TLIGHTUSERDATA:
      if (lua_touserdata(w->L, index) == NULL) {
        put(w, "null", 4);
        break;
      }
      /* fall through */
    default: luaL_error(w->L, "data: a %s has no JSON form", luaL_typename(w->L, index));
  }
}

void ae_lua_to_json (lua_State *L) {
  int value = lua_gettop(L);
  writer w = {.L = L, .index = value + 1, .room = 256};
  w.data = lua_newuserdata(L, w.room);
  write_value(&w, value, 0);
  lua_pushlstring(L, w.data, w.length);
  lua_replace(L, value);
  lua_settop(L, value);
}

/* }==================================================================== */

void ae_lua_data_open (lua_State *L) {
  if (luaL_newmetatable(L, ARRAY_NAME)) {
    lua_pushliteral(L, ARRAY_NAME);
    lua_setfield(L, -2, "__name");
  }
  lua_pop(L, 1);
}
