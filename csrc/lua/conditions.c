/*
** conditions.c: see conditions.h. All fields are read raw, so that the caller's
** tables anchor every text and no metamethod makes one. The number of stack slots
** does not depend on the number of conditions.
*/
#include "lua/conditions.h"

#include <assert.h>

#define MOST_ALTERNATIVES ((size_t)1 << 20) /* in one head */

/* Pushes the value of a field of the table at `index`; returns its type. */
static int raw_field (lua_State *L, int index, const char *name) {
  lua_pushstring(L, name);
  lua_rawget(L, index);
  return lua_type(L, -1);
}

static ae_slice check_text (lua_State *L, const char *what) {
  ae_slice text;
  if (lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "head of a rule: %s must be a string, not a %s", what, luaL_typename(L, -1));
  text.data = lua_tolstring(L, -1, &text.length);
  lua_pop(L, 1); /* the table holds it */
  return text;
}

static ae_slice text_field (lua_State *L, int index, const char *name) {
  (void)raw_field(L, index, name);
  return check_text(L, name);
}

/* Pushes the i-th element (from 0) of a list; returns its index on the stack. Raises
** unless it is a table. */
static int table_at (lua_State *L, int list, size_t i, const char *what) {
  lua_rawgeti(L, list, (int)i + 1);
  if (!lua_istable(L, -1)) luaL_error(L, "head of a rule: %s must be a table", what);
  return lua_gettop(L);
}

/* Pushes the list of alternatives of the condition at `index`; returns its length. */
static size_t alternatives_of (lua_State *L, int index) {
  if (raw_field(L, index, "alternatives") == LUA_TNIL) return 0;
  if (!lua_istable(L, -1)) luaL_error(L, "head of a rule: alternatives must be a list");
  return lua_rawlen(L, -1);
}

/* Counts the alternatives of all conditions. */
static size_t measure (lua_State *L, int index, size_t count) {
  size_t total = 0;
  for (size_t i = 0; i < count; i++) {
    size_t own = alternatives_of(L, table_at(L, index, i, "a condition"));
    if (own > MOST_ALTERNATIVES - total)
      luaL_error(L, "head of a rule: more than %d alternatives", (int)MOST_ALTERNATIVES);
    total += own;
    lua_pop(L, 2);
  }
  return total;
}

static ae_test test_of (lua_State *L, ae_slice name) {
  if (ae_slice_equal(name, AE_LITERAL("is"))) return AE_IS;
  if (ae_slice_equal(name, AE_LITERAL("no"))) return AE_NO;
  if (ae_slice_equal(name, AE_LITERAL("absent"))) return AE_ABSENT;
  if (!ae_slice_equal(name, AE_LITERAL("present")))
    luaL_error(L, "head of a rule: unknown test (is, no, absent, present)");
  return AE_PRESENT;
}

/* Reads and pops the alternative at the top. */
static void read_alternative (lua_State *L, ae_alternative *out) {
  int index = lua_gettop(L);
  (void)raw_field(L, index, "prefix");
  out->prefix = lua_toboolean(L, -1);
  lua_pop(L, 1);
  lua_rawgeti(L, index, 1);
  out->text = check_text(L, "an alternative");
  lua_pop(L, 1);
}

/* Reads and pops the condition at the top; its alternatives are written from `at`
** on. Returns the end of these alternatives. */
static ae_alternative *read_condition (lua_State *L, ae_condition *out, ae_alternative *at,
                                       const ae_alternative *end) {
  int index = lua_gettop(L);
  out->attribute = text_field(L, index, "attribute");
  out->test = test_of(L, text_field(L, index, "test"));
  out->count = alternatives_of(L, index);
  out->alternatives = at;
  if (out->count > (size_t)(end - at)) luaL_error(L, "head of a rule: it changed meanwhile");
  for (size_t i = 0; i < out->count; i++) {
    (void)table_at(L, index + 1, i, "an alternative");
    read_alternative(L, at++);
  }
  lua_pop(L, 2);
  assert(lua_gettop(L) == index - 1);
  return at;
}

_Static_assert(sizeof(ae_condition) % _Alignof(ae_alternative) == 0,
               "alternatives follow the conditions in one block");

const ae_condition *ae_lua_read_conditions (lua_State *L, int index, size_t *count) {
  size_t total;
  ae_condition *conditions;
  ae_alternative *at, *end;
  luaL_checktype(L, index, LUA_TTABLE);
  luaL_checkstack(L, 10, "no stack left for the head of a rule");
  *count = lua_rawlen(L, index);
  if (*count > AE_MOST_CONDITIONS)
    luaL_error(L, "head of a rule: more than %d conditions", AE_MOST_CONDITIONS);
  total = measure(L, index, *count);
  conditions = ae_new_block(L, (*count + 1) * sizeof *conditions + total * sizeof *at);
  at = (ae_alternative *)(void *)(conditions + *count + 1);
  end = at + total;
  for (size_t i = 0; i < *count; i++) {
    (void)table_at(L, index, i, "a condition");
    at = read_condition(L, &conditions[i], at, end);
  }
  return conditions;
}
