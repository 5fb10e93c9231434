/*
** heads.c: see heads.h. The conditions are read in lua/conditions.c.
*/
#include "lua/host/heads.h"

#include "lua/conditions.h"

#define HEADS_BOX "altinn.events.host.heads"
#define MOST_HEADS (1 << 20)

static int box_gc (lua_State *L) {
  ae_heads **box = luaL_checkudata(L, 1, HEADS_BOX);
  ae_heads_free(*box);
  *box = NULL;
  return 0;
}

static ae_heads **push_box (lua_State *L, size_t count) {
  ae_heads **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  if (luaL_newmetatable(L, HEADS_BOX)) {
    lua_pushcfunction(L, box_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  *box = ae_heads_new(count);
  if (*box != NULL) return box;
  luaL_error(L, "not enough memory for the heads of the rules");
  return NULL;
}

/* Reads a text at the top of the stack, which the caller's table anchors. */
static ae_slice text_at_top (lua_State *L, const char *rule) {
  ae_slice text;
  if (lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "head of rule '%s': order must be a text, false or { constant = text }",
               rule);
  text.data = lua_tolstring(L, -1, &text.length);
  return text;
}

/* Reads the order of a rule's runs: the name of an attribute, "letter" for the thing, the
** default; false for none; or { constant = text }. */
static void read_order (lua_State *L, int head, ae_head_words *words) {
  int type = lua_getfield(L, head, "order");
  words->ordering = AE_BY_THING;
  words->order = (ae_slice){NULL, 0};
  if (type == LUA_TTABLE) {
    lua_getfield(L, -1, "constant");
    words->ordering = AE_BY_CONSTANT;
    words->order = text_at_top(L, words->rule.data);
    lua_pop(L, 1);
  } else if (type == LUA_TBOOLEAN && !lua_toboolean(L, -1)) {
    words->ordering = AE_UNORDERED;
  } else if (type == LUA_TSTRING) {
    ae_slice name = text_at_top(L, words->rule.data);
    if (!ae_slice_equal(name, AE_LITERAL("letter"))) {
      words->ordering = AE_BY_ATTRIBUTE;
      words->order = name;
    }
  }
  lua_pop(L, 1);
}

/* Reads how many runs of the rule may be in flight; 0: the head does not say. */
static size_t read_at_once (lua_State *L, int head, const char *rule) {
  lua_Integer at_once;
  lua_getfield(L, head, "at_once");
  at_once = luaL_optinteger(L, -1, 0);
  if (at_once < 0) luaL_error(L, "head of rule '%s': at_once must not be negative", rule);
  lua_pop(L, 1);
  return (size_t)at_once;
}

/* Reads the head at the top of the stack. */
static void read_head (lua_State *L, ae_heads *heads) {
  int head = lua_gettop(L);
  ae_head_words words;
  ae_error error;
  luaL_checktype(L, head, LUA_TTABLE);
  if (lua_getfield(L, head, "rule") != LUA_TSTRING)
    luaL_error(L, "head of a rule: rule must be a string");
  words.rule.data = lua_tolstring(L, -1, &words.rule.length);
  read_order(L, head, &words);
  words.at_once = read_at_once(L, head, words.rule.data);
  if (lua_getfield(L, head, "conditions") == LUA_TNIL) lua_newtable(L);
  words.conditions = ae_lua_read_conditions(L, lua_gettop(L), &words.count);
  if (ae_heads_add(heads, &words, &error) != AE_OK)
    luaL_error(L, "head of rule '%s': %s", words.rule.data, error.message);
}

ae_heads **ae_heads_check (lua_State *L, int index) {
  lua_Integer i, count;
  ae_heads **box;
  luaL_checktype(L, index, LUA_TTABLE);
  luaL_checkstack(L, 20, "no stack left for the heads of the rules");
  count = luaL_len(L, index);
  luaL_argcheck(L, count <= MOST_HEADS, index, "too many rules");
  box = push_box(L, (size_t)count);
  for (i = 1; i <= count; i++) {
    int top = lua_gettop(L);
    lua_geti(L, index, i);
    read_head(L, *box);
    lua_settop(L, top);
  }
  return box;
}

ae_heads *ae_heads_take (ae_heads **box) {
  ae_heads *heads = *box;
  *box = NULL;
  return heads;
}
