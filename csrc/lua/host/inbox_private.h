/*
** inbox_private.h: what inbox.c (listings) and inbox_hand.c (acts) share.
*/
#ifndef ALTINN_EVENTS_LUA_INBOX_PRIVATE_H
#define ALTINN_EVENTS_LUA_INBOX_PRIVATE_H

#include "lua/host/inbox.h"

#include "inbox/ask.h"
#include "inbox/inbox.h"
#include "lua/host/options.h"

/* inbox.c */

/* The inbox at index 1; raises when it has been closed. */
ae_ask *ae_box_check (lua_State *L);
/* Reads the filter, a table at index 2 that keeps its texts. */
ae_ask_filter ae_box_filter (lua_State *L);
/* Pushes the rows of the query as a list of tables; `code`: the result of starting it. Or
** nil, message, code. */
int ae_box_rows (lua_State *L, ae_ask *ask, ae_code code, ae_error *error);

/* inbox_hand.c */

/* The text at an index; absent: none or nil. */
ae_slice ae_box_optional (lua_State *L, int at);
/* A text of the table at index 2, or an absent one; it stays on the stack. */
ae_slice ae_box_member (lua_State *L, const char *name);
/* The whole number at `name` in the table at index 2; 0: it is absent. */
int64_t ae_box_number (lua_State *L, const char *name);

/* inbox:pick(hand, filter) -> runs, events */
int ae_box_pick (lua_State *L);
/* inbox:plan() -> groups */
int ae_box_plan (lua_State *L);
/* inbox:carry_out(deed, most) -> more, runs */
int ae_box_carry_out (lua_State *L);
/* inbox:changed() -> runs, events */
int ae_box_changed (lua_State *L);
/* inbox:counts(what) -> { { name =, count = } } */
int ae_box_counts (lua_State *L);

#define AE_BOX_HAND_METHODS \
  {"pick", ae_box_pick}, {"plan", ae_box_plan}, {"carry_out", ae_box_carry_out}, \
    {"changed", ae_box_changed}, { \
    "counts", ae_box_counts \
  }

/* inbox_force.c */

/* inbox:forced() -> rows: the rules in force, or in the shadow, by hand */
int ae_box_forced (lua_State *L);
/* inbox:ran(rule) -> rows: the version that a host ran last */
int ae_box_ran (lua_State *L);
/* inbox:force_plan(rule) -> rows: { name = a state or "memory", count = } */
int ae_box_force_plan (lua_State *L);
/* inbox:force { rule, version, real, who, reason } -> true */
int ae_box_force (lua_State *L);

#define AE_BOX_FORCE_METHODS \
  {"forced", ae_box_forced}, {"ran", ae_box_ran}, {"force_plan", ae_box_force_plan}, { \
    "force", ae_box_force \
  }

/* inbox_replay.c */

/* inbox:replays(asked or nil [, limit]) -> rows */
int ae_box_replays (lua_State *L);
/* inbox:replay_begin { asked, who, reason, last } -> number */
int ae_box_replay_begin (lua_State *L);
/* inbox:replay_plan(pairs, all) -> rows; pairs: { { sequence, rule, shadow } } */
int ae_box_replay_plan (lua_State *L);
/* inbox:replay_go({ number, who, reason, place, events, ended }, pairs, all) -> runs */
int ae_box_replay_go (lua_State *L);
/* inbox:replay_left() -> runs of the last slice that were not carried out yet */
int ae_box_replay_left (lua_State *L);
/* inbox:replay_pairs() -> rows { sequence, rule }: those that run again, by the last plan */
int ae_box_replay_pairs (lua_State *L);
/* inbox:is_sent(key) -> whether an effect was sent under the key */
int ae_box_is_sent (lua_State *L);

#define AE_BOX_REPLAY_METHODS \
  {"replays", ae_box_replays}, {"replay_begin", ae_box_replay_begin}, \
    {"replay_plan", ae_box_replay_plan}, {"replay_left", ae_box_replay_left}, \
    {"replay_pairs", ae_box_replay_pairs}, {"is_sent", ae_box_is_sent}, { \
    "replay_go", ae_box_replay_go \
  }

/* inbox_follow.c */

/* inbox:follow(what [, after, most [, list]]) -> rows */
int ae_box_follow (lua_State *L);

#endif
