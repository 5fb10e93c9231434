/*
** fact.c: see fact.h.
*/
#include "lua/host/fact.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "host/log.h"
#include "lua/numbers.h"

#define MOST_FIELDS 32

/* Fields that stand first, in this order; the others follow by their names. The same list
** is in lua/altinn/events/support/logfmt.lua. Values of OURS are names of rules, which
** were checked, and words of our own. */
static const struct {
  const char *name;
  bool ours;
} usual[] = {{"address", false}, {"admin", false},   {"rule", true},    {"event", false},
             {"type", false},    {"verdict", true},  {"reason", false}, {"target", false},
             {"status", false},  {"attempt", false}, {"ms", false}};
#define USUAL_COUNT (sizeof usual / sizeof usual[0])

typedef struct facts {
  ae_log_field fields[MOST_FIELDS];
  ae_log_kind kinds[MOST_FIELDS];
  size_t places[MOST_FIELDS]; /* in `usual`; USUAL_COUNT: not there */
  char numbers[MOST_FIELDS][AE_NUMBER_BYTES];
  size_t count;
} facts;

static size_t place_of (const char *name) {
  size_t place = 0;
  while (place < USUAL_COUNT && strcmp(usual[place].name, name) != 0) place++;
  return place;
}

/* The text of a number as tostring gives it. */
static size_t plain_number (lua_State *L, int index, char text[AE_NUMBER_BYTES]) {
  int length;
  if (lua_isinteger(L, index))
    return (size_t)snprintf(text, AE_NUMBER_BYTES, LUA_INTEGER_FMT, lua_tointeger(L, index));
  length = snprintf(text, AE_NUMBER_BYTES, LUA_NUMBER_FMT, lua_tonumber(L, index));
  if (text[strspn(text, "-0123456789")] != '\0') return (size_t)length;
  memcpy(text + length, ".0", 3);
  return (size_t)length + 2;
}

static ae_slice number_text (lua_State *L, int index, bool json, char text[AE_NUMBER_BYTES],
                             ae_log_kind *kind) {
  size_t length = json ? ae_lua_number_text(L, index, text) : 0;
  *kind = AE_LOG_VALUE;
  if (length == 0) {
    length = plain_number(L, index, text);
    if (json) *kind = AE_LOG_WORD; /* JSON has no such number: a text */
  }
  return (ae_slice){text, length};
}

/* Reads the value at the top of the stack; the table of fields anchors texts. */
static ae_slice read_value (lua_State *L, bool json, char number[AE_NUMBER_BYTES],
                            ae_log_kind *kind) {
  ae_slice text;
  switch (lua_type(L, -1)) {
    case LUA_TSTRING: text.data = lua_tolstring(L, -1, &text.length); return text;
    case LUA_TNUMBER: return number_text(L, -1, json, number, kind);
    case LUA_TBOOLEAN:
      *kind = AE_LOG_VALUE;
      return lua_toboolean(L, -1) ? AE_LITERAL("true") : AE_LITERAL("false");
    default: /* an error value, say: its own text might raise */
      text.data = luaL_typename(L, -1);
      text.length = strlen(text.data);
      return text;
  }
}

/* Whether a field of this place and name stands before the field `at`. */
static bool is_before (const facts *all, size_t place, const char *name, size_t at) {
  if (place != all->places[at]) return place < all->places[at];
  return strcmp(name, all->fields[at].name) < 0;
}

/* Moves the fields from `at` on one place further. */
static void make_room (facts *all, size_t at) {
  for (size_t i = all->count; i > at; i--) {
    all->fields[i] = all->fields[i - 1];
    all->kinds[i] = all->kinds[i - 1];
    all->places[i] = all->places[i - 1];
  }
}

/* Adds the field whose name and value are at the top of the stack, at its place. */
static void add_field (lua_State *L, facts *all, bool json) {
  size_t at = all->count, place;
  const char *name;
  if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "log: the name of a field is a text");
  if (all->count == MOST_FIELDS) luaL_error(L, "log: more than %d fields", MOST_FIELDS);
  name = lua_tostring(L, -2);
  place = place_of(name);
  while (at > 0 && is_before(all, place, name, at - 1)) at--;
  make_room(all, at);
  all->kinds[at] = place < USUAL_COUNT && usual[place].ours ? AE_LOG_WORD : AE_LOG_TEXT;
  all->fields[at].name = name;
  all->fields[at].text = read_value(L, json, all->numbers[all->count], &all->kinds[at]);
  all->places[at] = place;
  all->count++;
}

int ae_lua_fact (lua_State *L, int first) {
#define NAME(code, name) name,
  static const char *const levels[] = {AE_LEVELS(NAME) NULL};
#undef NAME
  const bool json = lua_toboolean(L, first);
  const ae_level level = (ae_level)luaL_checkoption(L, first + 1, NULL, levels);
  ae_slice message;
  ae_log_fields fields;
  facts all;
  message.data = luaL_checklstring(L, first + 2, &message.length);
  luaL_checktype(L, first + 3, LUA_TTABLE);
  all.count = 0;
  lua_pushnil(L);
  while (lua_next(L, first + 3) != 0) {
    add_field(L, &all, json);
    lua_pop(L, 1);
  }
  fields = (ae_log_fields){all.fields, all.kinds, all.count};
  lua_pushboolean(L, ae_log_write(json, level, message, &fields));
  return 1;
}
