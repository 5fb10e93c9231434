/*
** inbox_force.c: rules in force by hand, for the host and the commands; see inbox/force.h.
*/
#include "lua/host/inbox_private.h"

#include <lauxlib.h>

#include "inbox/force.h"
#include "lua/host/works.h"

int ae_box_forced (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_error error;
  return ae_box_rows(L, ask, ae_ask_forced(ask, &error), &error);
}

static int rows_of_rule (lua_State *L,
                         ae_code (*query)(ae_ask *ask, ae_slice rule, ae_error *error)) {
  ae_ask *ask = ae_box_check(L);
  ae_slice rule = {NULL, 0};
  ae_error error;
  rule.data = luaL_checklstring(L, 2, &rule.length);
  return ae_box_rows(L, ask, query(ask, rule, &error), &error);
}

int ae_box_ran (lua_State *L) {
  return rows_of_rule(L, ae_ask_ran);
}

int ae_box_force_plan (lua_State *L) {
  return rows_of_rule(L, ae_ask_force_plan);
}

int ae_box_force (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_force force = {.time = ae_ask_now(ask)};
  ae_error error;
  luaL_checktype(L, 2, LUA_TTABLE);
  force.rule = ae_box_member(L, "rule");
  force.who = ae_box_member(L, "who");
  force.reason = ae_box_member(L, "reason");
  lua_getfield(L, 2, "version");
  force.version = ae_works_version(L, -1);
  lua_getfield(L, 2, "real");
  force.real = lua_toboolean(L, -1);
  if (ae_ask_force(ask, &force, &error) != AE_OK) return ae_host_fail(L, &error);
  lua_pushboolean(L, 1);
  return 1;
}
