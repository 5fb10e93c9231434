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

static ae_slice text_at (lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
  return ae_box_optional(L, -1); /* stays on the stack */
}

int ae_box_force (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_force force = {.time = ae_clock_wall_ms(NULL)};
  ae_error error;
  luaL_checktype(L, 2, LUA_TTABLE);
  force.rule = text_at(L, "rule");
  force.who = text_at(L, "who");
  force.reason = text_at(L, "reason");
  lua_getfield(L, 2, "version");
  force.version = ae_works_version(L, -1);
  lua_getfield(L, 2, "real");
  force.real = lua_toboolean(L, -1);
  if (ae_ask_force(ask, &force, &error) != AE_OK) return ae_host_fail(L, &error);
  lua_pushboolean(L, 1);
  return 1;
}
