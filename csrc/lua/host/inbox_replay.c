/*
** inbox_replay.c: replays, for the commands; see inbox/replay.h.
*/
#include "lua/host/inbox_private.h"

#include <lauxlib.h>

#include "inbox/replay.h"

int ae_box_replays (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_slice asked = ae_box_optional(L, 2);
  ae_error error;
  return ae_box_rows(L, ask, ae_ask_replays(ask, asked, luaL_optinteger(L, 3, -1), &error),
                     &error);
}

/* A member of the table at index 2. */
static bool flag_of (lua_State *L, const char *name) {
  bool value;
  lua_getfield(L, 2, name);
  value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

static ae_replay read_replay (lua_State *L, const ae_ask *ask) {
  ae_replay replay = {.time = ae_ask_now(ask)};
  luaL_checktype(L, 2, LUA_TTABLE);
  replay.asked = ae_box_member(L, "asked");
  replay.who = ae_box_member(L, "who");
  replay.reason = ae_box_member(L, "reason");
  replay.number = ae_box_number(L, "number");
  replay.last = ae_box_number(L, "last");
  replay.place = ae_box_number(L, "place");
  replay.events = ae_box_number(L, "events");
  replay.ended = flag_of(L, "ended");
  return replay;
}

int ae_box_replay_begin (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_replay replay = read_replay(L, ask);
  ae_error error;
  if (ae_ask_replay_begin(ask, &replay, &error) != AE_OK) return ae_host_fail(L, &error);
  lua_pushinteger(L, replay.number);
  return 1;
}

/* Names the pair at the top of the stack: { sequence, rule, whether it is in the shadow }. */
static ae_code name_pair (lua_State *L, ae_ask *ask, ae_error *error) {
  const int pair = lua_gettop(L);
  ae_slice rule;
  ae_code code;
  luaL_checktype(L, pair, LUA_TTABLE);
  lua_rawgeti(L, pair, 1);
  lua_rawgeti(L, pair, 2);
  lua_rawgeti(L, pair, 3);
  rule.data = luaL_checklstring(L, pair + 2, &rule.length);
  code = ae_ask_pair(ask, luaL_checkinteger(L, pair + 1), rule, lua_toboolean(L, pair + 3),
                     error);
  lua_settop(L, pair - 1);
  return code;
}

/* Names the pairs of the list at an index. */
static ae_code name_pairs (lua_State *L, int list, ae_ask *ask, ae_error *error) {
  lua_Integer count;
  ae_code code = ae_ask_pairs_clear(ask, error);
  luaL_checktype(L, list, LUA_TTABLE);
  count = luaL_len(L, list);
  for (lua_Integer i = 1; code == AE_OK && i <= count; i++) {
    lua_rawgeti(L, list, i);
    code = name_pair(L, ask, error);
  }
  return code;
}

int ae_box_replay_plan (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  const bool all = lua_toboolean(L, 3);
  ae_error error;
  ae_code code = name_pairs(L, 2, ask, &error);
  if (code == AE_OK) code = ae_ask_pairs_plan(ask, all, &error);
  return ae_box_rows(L, ask, code, &error);
}

int ae_box_replay_go (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  const bool all = lua_toboolean(L, 4);
  ae_replay replay = read_replay(L, ask);
  int64_t runs = 0;
  ae_error error;
  ae_code code = name_pairs(L, 3, ask, &error);
  if (code == AE_OK) code = ae_ask_pairs_go(ask, &replay, all, &runs, &error);
  if (code != AE_OK) return ae_host_fail(L, &error);
  lua_pushinteger(L, runs);
  return 1;
}

int ae_box_replay_left (lua_State *L) {
  int64_t runs;
  ae_error error;
  if (ae_ask_pairs_left(ae_box_check(L), &runs, &error) != AE_OK)
    return ae_host_fail(L, &error);
  lua_pushinteger(L, runs);
  return 1;
}

int ae_box_replay_pairs (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_error error;
  return ae_box_rows(L, ask, ae_ask_pairs_again(ask, &error), &error);
}

int ae_box_is_sent (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_slice key;
  bool sent;
  ae_error error;
  key.data = luaL_checklstring(L, 2, &key.length);
  if (ae_ask_is_sent(ask, key, &sent, &error) != AE_OK) return ae_host_fail(L, &error);
  lua_pushboolean(L, sent);
  return 1;
}
