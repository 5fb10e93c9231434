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

/* Reads the order of a rule's runs. The table anchors *attribute, which is absent when
** the thing decides. False: the runs have no order. */
static bool read_order (lua_State *L, int head, ae_slice *attribute) {
  bool ordered;
  *attribute = (ae_slice){NULL, 0};
  lua_getfield(L, head, "order");
  ordered = !lua_isboolean(L, -1) || lua_toboolean(L, -1);
  if (lua_type(L, -1) == LUA_TSTRING)
    attribute->data = lua_tolstring(L, -1, &attribute->length);
  if (ae_slice_equal(*attribute, AE_LITERAL("letter"))) attribute->data = NULL;
  lua_pop(L, 1);
  return ordered;
}

/* Reads the head at the top of the stack. */
static void read_head (lua_State *L, ae_heads *heads) {
  int head = lua_gettop(L);
  const ae_condition *conditions;
  ae_slice rule, order;
  size_t count;
  bool ordered;
  ae_error error;
  luaL_checktype(L, head, LUA_TTABLE);
  if (lua_getfield(L, head, "rule") != LUA_TSTRING)
    luaL_error(L, "head of a rule: rule must be a string");
  rule.data = lua_tolstring(L, -1, &rule.length);
  ordered = read_order(L, head, &order);
  if (lua_getfield(L, head, "conditions") == LUA_TNIL) lua_newtable(L);
  conditions = ae_lua_read_conditions(L, lua_gettop(L), &count);
  if (ae_heads_add(heads, rule, ordered, order, conditions, count, &error) != AE_OK)
    luaL_error(L, "head of rule '%s': %s", rule.data, error.message);
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
