/*
** inbox.c: an inbox as a Lua object, for the commands; see inbox/ask.h. Acts by hand
** are in inbox_hand.c.
**
**     local inbox <close> = host.inbox(path)   or nil, message, code
**     inbox:count(filter)                      a number
**     inbox:events(filter), :groups(filter)    lists
**     inbox:event(sequence), inbox:by_id(id)   lists
**     inbox:runs(sequence), :attempts, :acts, :effects, :effect_attempts, :steps, :timers
**     inbox:memory(rule or nil, thing or nil)  a list
**     inbox:references()                       a list
**     inbox:line(place)                        a list: the runs of a line; place: { rule, path,
**                                              key, now, limit }, see ae_ask_place
**     inbox:identity()                         a text that tells this inbox from others
**     inbox:starts(since)                      a list: { time } of hosts that started
**     inbox:follow(what, …)                    a list; see inbox_follow.c
**     inbox:readings(sequence)                 a list
**     inbox:readings_of(thing, until or nil)   a list
**     inbox:stream(filter, after)              a list: a page of events
**
** The rows of lists are tables by the names of the columns. All give nil, message, code
** when the file fails. A filter is a table: sequence, state,
** rule, type, cause, since, before, limit.
*/
#include "lua/host/inbox_private.h"

#include <lauxlib.h>

#define INBOX "altinn.events.host.inbox"

typedef struct box {
  ae_ask *ask;
} box;

ae_ask *ae_box_check (lua_State *L) {
  box *object = luaL_checkudata(L, 1, INBOX);
  if (object->ask == NULL) luaL_error(L, "the inbox has been closed");
  return object->ask;
}

static int box_close (lua_State *L) {
  box *object = luaL_checkudata(L, 1, INBOX);
  ae_ask_close(object->ask);
  object->ask = NULL;
  return 0;
}

int ae_host_inbox (lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  box *object = lua_newuserdatauv(L, sizeof *object, 0);
  ae_error error;
  object->ask = NULL;
  luaL_setmetatable(L, INBOX);
  if (ae_ask_open(path, &object->ask, &error) != AE_OK) return ae_host_fail(L, &error);
  return 1;
}

int64_t ae_box_number (lua_State *L, const char *name) {
  int64_t value;
  lua_getfield(L, 2, name);
  value = luaL_optinteger(L, -1, 0);
  lua_pop(L, 1);
  return value;
}

ae_ask_filter ae_box_filter (lua_State *L) {
  ae_ask_filter filter;
  luaL_checktype(L, 2, LUA_TTABLE);
  filter.sequence = ae_box_number(L, "sequence");
  filter.state = ae_box_member(L, "state");
  filter.rule = ae_box_member(L, "rule");
  filter.type = ae_box_member(L, "type");
  filter.cause = ae_box_member(L, "cause");
  filter.since = ae_box_number(L, "since");
  filter.until = ae_box_number(L, "before");
  filter.limit = ae_box_number(L, "limit");
  return filter;
}

static int inbox_count (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_ask_filter filter = ae_box_filter(L);
  int64_t count;
  ae_error error;
  if (ae_ask_count(ask, &filter, &count, &error) != AE_OK) return ae_host_fail(L, &error);
  lua_pushinteger(L, count);
  return 1;
}

/* Reads the next row, and pushes it as a table, if there is one. Returns the result of
** ae_ask_next. */
static int push_row (lua_State *L, ae_ask *ask) {
  const int columns = ae_ask_columns(ask);
  int more = ae_ask_next(ask);
  if (more != 1) return more;
  lua_createtable(L, 0, columns);
  for (int i = 0; i < columns; i++) {
    ae_asked column = ae_ask_column(ask, i);
    if (column.kind == AE_ASKED_NOTHING) continue;
    if (column.kind == AE_ASKED_NUMBER) lua_pushinteger(L, column.number);
    else lua_pushlstring(L, column.text.data, column.text.length);
    lua_setfield(L, -2, column.name);
  }
  return 1;
}

int ae_box_rows (lua_State *L, ae_ask *ask, ae_code code, ae_error *error) {
  lua_Integer count = 0;
  int more = -1;
  if (code != AE_OK) return ae_host_fail(L, error);
  lua_newtable(L);
  while ((more = push_row(L, ask)) == 1) lua_rawseti(L, -2, ++count);
  if (more == 0) return 1;
  (void)ae_ask_why(ask, error);
  return ae_host_fail(L, error);
}

static int inbox_events (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_ask_filter filter = ae_box_filter(L);
  ae_error error;
  return ae_box_rows(L, ask, ae_ask_events(ask, &filter, &error), &error);
}

static int inbox_groups (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_ask_filter filter = ae_box_filter(L);
  ae_error error;
  return ae_box_rows(L, ask, ae_ask_groups(ask, &filter, &error), &error);
}

static int inbox_references (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_error error;
  return ae_box_rows(L, ask, ae_ask_references(ask, &error), &error);
}

static int inbox_line (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_ask_place place;
  ae_error error;
  luaL_checktype(L, 2, LUA_TTABLE);
  place.rule = ae_box_member(L, "rule");
  place.path = ae_box_member(L, "path");
  place.key = ae_box_member(L, "key");
  place.now = ae_box_number(L, "now");
  place.limit = ae_box_number(L, "limit");
  return ae_box_rows(L, ask, ae_ask_line(ask, &place, &error), &error);
}

static int inbox_starts (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_error error;
  return ae_box_rows(L, ask, ae_ask_starts(ask, luaL_checkinteger(L, 2), &error), &error);
}

static int inbox_identity (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  char identity[AE_IDENTITY_SIZE];
  ae_error error;
  if (ae_ask_identity(ask, identity, &error) != AE_OK) return ae_host_fail(L, &error);
  lua_pushstring(L, identity);
  return 1;
}

int ae_host_attended (lua_State *L) {
  int attended = ae_ask_attended(luaL_checkstring(L, 1));
  if (attended < 0) lua_pushnil(L);
  else lua_pushboolean(L, attended);
  return 1;
}

static int inbox_memory (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_slice rule = ae_box_optional(L, 2), thing = ae_box_optional(L, 3);
  ae_error error;
  return ae_box_rows(L, ask, ae_ask_memory(ask, rule, thing, ae_ask_now(ask), &error), &error);
}

/* Pushes what a query finds of the event whose number is argument 2, as ae_box_rows does. */
static int rows_of_event (lua_State *L,
                          ae_code (*query)(ae_ask *ask, int64_t sequence, ae_error *error)) {
  ae_ask *ask = ae_box_check(L);
  ae_error error;
  return ae_box_rows(L, ask, query(ask, luaL_checkinteger(L, 2), &error), &error);
}

static int inbox_steps (lua_State *L) {
  return rows_of_event(L, ae_ask_steps);
}

static int inbox_timers (lua_State *L) {
  return rows_of_event(L, ae_ask_timers);
}

static int inbox_readings (lua_State *L) {
  return rows_of_event(L, ae_ask_readings);
}

static int inbox_readings_of (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_slice thing = ae_box_optional(L, 2);
  ae_error error;
  return ae_box_rows(L, ask, ae_ask_readings_of(ask, thing, luaL_optinteger(L, 3, 0), &error),
                     &error);
}

static int inbox_stream (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_ask_filter filter = ae_box_filter(L);
  ae_error error;
  return ae_box_rows(L, ask, ae_ask_stream(ask, luaL_checkinteger(L, 3), &filter, &error),
                     &error);
}

static int inbox_by_id (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_error error;
  ae_slice id;
  id.data = luaL_checklstring(L, 2, &id.length);
  return ae_box_rows(L, ask, ae_ask_by_id(ask, id, &error), &error);
}

static int inbox_event (lua_State *L) {
  return rows_of_event(L, ae_ask_event);
}

static int inbox_runs (lua_State *L) {
  return rows_of_event(L, ae_ask_runs);
}

static int inbox_attempts (lua_State *L) {
  return rows_of_event(L, ae_ask_attempts);
}

static int inbox_acts (lua_State *L) {
  return rows_of_event(L, ae_ask_acts);
}

static int inbox_effects (lua_State *L) {
  return rows_of_event(L, ae_ask_effects);
}

static int inbox_effect_attempts (lua_State *L) {
  return rows_of_event(L, ae_ask_effect_attempts);
}

static void push_names (lua_State *L, const char *name, const char *const *list,
                        lua_Integer count) {
  lua_createtable(L, (int)count, 0);
  for (lua_Integer i = 0; i < count; i++) {
    lua_pushstring(L, list[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, name);
}

/* Pushes { run = names, open = names, effect = names }. */
static void push_states (lua_State *L) {
#define TEXT(name, text) text,
  static const char *const runs[] = {AE_RUN_STATES(TEXT)};
  static const char *const open[] = {AE_OPEN_RUN_STATES(TEXT)};
  static const char *const effects[] = {AE_EFFECT_STATES(TEXT)};
#undef TEXT
  lua_createtable(L, 0, 3);
  push_names(L, "run", runs, sizeof runs / sizeof runs[0]);
  push_names(L, "open", open, sizeof open / sizeof open[0]);
  push_names(L, "effect", effects, sizeof effects / sizeof effects[0]);
}

static const luaL_Reg methods[] = {{"count", inbox_count},
                                   {"events", inbox_events},
                                   {"event", inbox_event},
                                   {"by_id", inbox_by_id},
                                   {"runs", inbox_runs},
                                   {"attempts", inbox_attempts},
                                   {"acts", inbox_acts},
                                   {"effects", inbox_effects},
                                   {"effect_attempts", inbox_effect_attempts},
                                   {"steps", inbox_steps},
                                   {"timers", inbox_timers},
                                   {"memory", inbox_memory},
                                   {"readings", inbox_readings},
                                   {"readings_of", inbox_readings_of},
                                   {"stream", inbox_stream},
                                   {"groups", inbox_groups},
                                   {"references", inbox_references},
                                   {"line", inbox_line},
                                   {"starts", inbox_starts},
                                   {"identity", inbox_identity},
                                   AE_BOX_HAND_METHODS,
                                   {"follow", ae_box_follow},
                                   AE_BOX_FORCE_METHODS,
                                   AE_BOX_REPLAY_METHODS,
                                   {"close", box_close},
                                   {NULL, NULL}};

void ae_host_inbox_setup (lua_State *L) {
  ae_host_class(L, INBOX, methods, box_close);
  push_states(L);
}
