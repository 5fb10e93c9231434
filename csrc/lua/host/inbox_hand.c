/*
** inbox_hand.c: acts by hand for the commands; see inbox/ask.h.
**
**     inbox:pick("retry" | "discard" | "later", filter)   runs, events: the numbers picked
**     inbox:plan()                                        groups of the picked runs
**     inbox:counts("effects" | "steps" | "before" | "after")   { { name =, count = } }
**     inbox:carry_out({ who, reason, step, due }, most)   more (boolean), runs: the number
**                                                         that this slice has changed
**     inbox:changed()                                     runs, events: all that it has
*/
#include "lua/host/inbox_private.h"

#include <pwd.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>

ae_slice ae_box_optional (lua_State *L, int at) {
  ae_slice text = {NULL, 0};
  if (!lua_isnoneornil(L, at)) text.data = luaL_checklstring(L, at, &text.length);
  return text;
}

/* Pushes the numbers of runs and events picked, or those that the act has changed. */
static int push_picked (lua_State *L, ae_ask *ask, bool acted) {
  int64_t runs, events;
  ae_error error;
  if (ae_ask_picked(ask, acted, &runs, &events, &error) != AE_OK)
    return ae_host_fail(L, &error);
  lua_pushinteger(L, runs);
  lua_pushinteger(L, events);
  return 2;
}

int ae_box_pick (lua_State *L) {
  static const char *const names[] = {"retry", "discard", "later", NULL};
  static const ae_ask_hand hands[] = {AE_HAND_RETRY, AE_HAND_DISCARD, AE_HAND_LATER};
  ae_ask *ask = ae_box_check(L);
  ae_ask_hand hand;
  ae_ask_filter filter;
  ae_error error;
  lua_settop(L, 3);
  hand = hands[luaL_checkoption(L, 2, NULL, names)];
  lua_remove(L, 2);
  filter = ae_box_filter(L);
  if (ae_ask_pick(ask, hand, &filter, &error) != AE_OK) return ae_host_fail(L, &error);
  return push_picked(L, ask, false);
}

int ae_box_changed (lua_State *L) {
  return push_picked(L, ae_box_check(L), true);
}

int ae_box_plan (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_error error;
  return ae_box_rows(L, ask, ae_ask_plan(ask, &error), &error);
}

int ae_box_counts (lua_State *L) {
  static const char *const names[] = {"effects", "steps", "before", "after", NULL};
  static ae_code (*const queries[])(ae_ask * ask, ae_error * error) = {
    ae_ask_plan_effects, ae_ask_plan_steps, ae_ask_before, ae_ask_after};
  ae_ask *ask = ae_box_check(L);
  ae_error error;
  ae_code code = queries[luaL_checkoption(L, 2, NULL, names)](ask, &error);
  return ae_box_rows(L, ask, code, &error);
}

ae_slice ae_box_member (lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
  return ae_box_optional(L, -1);
}

int ae_box_carry_out (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  int64_t most = luaL_checkinteger(L, 3), reached;
  ae_ask_deed deed = {.time = ae_ask_now(ask)};
  bool more;
  ae_error error;
  luaL_checktype(L, 2, LUA_TTABLE);
  deed.who = ae_box_member(L, "who");
  deed.reason = ae_box_member(L, "reason");
  deed.step = ae_box_member(L, "step");
  lua_getfield(L, 2, "due");
  deed.due = luaL_optinteger(L, -1, 0);
  if (ae_ask_do(ask, &deed, most, &reached, &more, &error) != AE_OK)
    return ae_host_fail(L, &error);
  lua_pushboolean(L, more);
  lua_pushinteger(L, reached);
  return 2;
}

/* who() -> the user behind the command, for the record of acts: the name and
** number, and "as NAME" where somebody works as another. */
int ae_host_who (lua_State *L) {
  const char *behind = getenv("SUDO_UID");
  uid_t user = getuid(), real = behind == NULL ? user : (uid_t)strtoul(behind, NULL, 10);
  const struct passwd *entry = getpwuid(real);
  lua_pushfstring(L, "%s (uid %d)", entry == NULL ? "?" : entry->pw_name, (int)real);
  if (real == user) return 1;
  entry = getpwuid(user);
  lua_pushfstring(L, " as %s", entry == NULL ? "?" : entry->pw_name);
  lua_concat(L, 2);
  return 1;
}

/* sleep(seconds) */
int ae_host_sleep (lua_State *L) {
  const double seconds = luaL_checknumber(L, 1);
  struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  luaL_argcheck(L, seconds >= 0 && seconds < 3600, 1, "below an hour");
  (void)nanosleep(&left, NULL);
  return 0;
}

/* terminal(file) -> whether a file of the io library is a terminal */
int ae_host_terminal (lua_State *L) {
  const luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  lua_pushboolean(L, stream->f != NULL && isatty(fileno(stream->f)));
  return 1;
}
