/*
** inbox.c: an inbox as a Lua object, for the commands; see inbox/ask.h. Acts by hand
** are in inbox_hand.c.
**
**     local inbox <close> = host.inbox(path)   or nil, message, code
**     inbox:count(filter)                      a number
**     inbox:events(filter), :groups(filter)    lists; see push_event, push_group
**     inbox:event(sequence), inbox:by_id(id)   lists
**     inbox:runs(sequence), :attempts, :acts, :effects, :effect_attempts, :steps, :timers
**     inbox:memory(rule or nil, thing or nil)  a list
**     inbox:references()                       a list
**
** All give nil, message, code when the file fails. A filter is a table: sequence, state,
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

void ae_box_text (lua_State *L, const char *name, ae_slice text) {
  if (text.data == NULL) return;
  lua_pushlstring(L, text.data, text.length);
  lua_setfield(L, -2, name);
}

void ae_box_number (lua_State *L, const char *name, int64_t value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

void ae_box_version (lua_State *L, int64_t version) {
  if (version >= 0) ae_box_number(L, "version", version);
}

static ae_slice text_field (lua_State *L, const char *name) {
  ae_slice text = {NULL, 0};
  lua_getfield(L, 2, name);
  if (!lua_isnil(L, -1)) text.data = luaL_checklstring(L, -1, &text.length);
  lua_pop(L, 1); /* the table keeps it */
  return text;
}

static int64_t number_field (lua_State *L, const char *name) {
  int64_t value;
  lua_getfield(L, 2, name);
  value = luaL_optinteger(L, -1, 0);
  lua_pop(L, 1);
  return value;
}

ae_ask_filter ae_box_filter (lua_State *L) {
  ae_ask_filter filter;
  luaL_checktype(L, 2, LUA_TTABLE);
  filter.sequence = number_field(L, "sequence");
  filter.state = text_field(L, "state");
  filter.rule = text_field(L, "rule");
  filter.type = text_field(L, "type");
  filter.cause = text_field(L, "cause");
  filter.since = number_field(L, "since");
  filter.until = number_field(L, "before");
  filter.limit = number_field(L, "limit");
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

/* Each reads the next row, and pushes it as a table if there is one. Returns the
** result of its ae_ask_next_ function. */

static int push_event (lua_State *L, ae_ask *ask) {
  ae_asked_event event;
  int more = ae_ask_next_event(ask, &event);
  if (more != 1) return more;
  lua_createtable(L, 0, 5);
  ae_box_number(L, "sequence", event.sequence);
  ae_box_number(L, "received", event.received);
  ae_box_text(L, "subscription", event.subscription);
  ae_box_text(L, "body", event.body);
  ae_box_text(L, "state", event.state);
  return 1;
}

static int push_run (lua_State *L, ae_ask *ask) {
  ae_asked_run run;
  int more = ae_ask_next_run(ask, &run);
  if (more != 1) return more;
  lua_createtable(L, 0, 12);
  ae_box_text(L, "rule", run.rule);
  ae_box_text(L, "state", run.state);
  ae_box_text(L, "reason", run.reason);
  ae_box_number(L, "attempt", run.attempt);
  ae_box_number(L, "due", run.due);
  ae_box_number(L, "changed", run.changed);
  ae_box_version(L, run.version);
  ae_box_text(L, "cause", run.cause);
  ae_box_text(L, "id", run.id);
  ae_box_text(L, "entry", run.entry);
  ae_box_text(L, "timer", run.timer);
  ae_box_text(L, "would", run.would);
  return 1;
}

static int push_act (lua_State *L, ae_ask *ask) {
  ae_asked_act act;
  int more = ae_ask_next_act(ask, &act);
  if (more != 1) return more;
  lua_createtable(L, 0, 6);
  ae_box_number(L, "time", act.time);
  ae_box_text(L, "who", act.who);
  ae_box_text(L, "what", act.what);
  ae_box_text(L, "reason", act.reason);
  ae_box_text(L, "rule", act.rule);
  ae_box_text(L, "state", act.state);
  return 1;
}

static int push_effect (lua_State *L, ae_ask *ask) {
  ae_asked_effect effect;
  int more = ae_ask_next_effect(ask, &effect);
  if (more != 1) return more;
  lua_createtable(L, 0, 10);
  ae_box_text(L, "rule", effect.rule);
  ae_box_text(L, "key", effect.key);
  ae_box_text(L, "target", effect.target);
  ae_box_text(L, "request", effect.request);
  ae_box_text(L, "state", effect.state);
  ae_box_text(L, "reason", effect.reason);
  ae_box_text(L, "answer", effect.answer);
  ae_box_number(L, "status", effect.status);
  ae_box_number(L, "attempt", effect.attempt);
  ae_box_number(L, "changed", effect.changed);
  ae_box_version(L, effect.version);
  return 1;
}

int ae_box_group (lua_State *L, ae_ask *ask) {
  ae_asked_group group;
  int more = ae_ask_next_group(ask, &group);
  if (more != 1) return more;
  lua_createtable(L, 0, 11);
  ae_box_text(L, "rule", group.rule);
  ae_box_text(L, "state", group.state);
  ae_box_text(L, "cause", group.cause);
  ae_box_text(L, "id", group.id);
  ae_box_number(L, "count", group.count);
  ae_box_number(L, "oldest", group.oldest);
  ae_box_number(L, "newest", group.newest);
  ae_box_number(L, "first_due", group.first_due);
  ae_box_number(L, "last_due", group.last_due);
  ae_box_number(L, "example", group.example);
  ae_box_version(L, group.version);
  return 1;
}

static int push_reference (lua_State *L, ae_ask *ask) {
  ae_asked_reference reference;
  int more = ae_ask_next_reference(ask, &reference);
  if (more != 1) return more;
  lua_createtable(L, 0, 6);
  ae_box_text(L, "rule", reference.rule);
  ae_box_text(L, "entry", reference.entry);
  ae_box_number(L, "timers", reference.timers);
  ae_box_number(L, "paused", reference.paused);
  ae_box_number(L, "first_due", reference.first_due);
  ae_box_version(L, reference.version);
  return 1;
}

static int push_step (lua_State *L, ae_ask *ask) {
  ae_asked_step step;
  int more = ae_ask_next_step(ask, &step);
  if (more != 1) return more;
  lua_createtable(L, 0, 6);
  ae_box_text(L, "rule", step.rule);
  ae_box_text(L, "name", step.name);
  ae_box_text(L, "result", step.result);
  ae_box_number(L, "place", step.place);
  ae_box_number(L, "time", step.time);
  ae_box_version(L, step.version);
  return 1;
}

static int push_timer (lua_State *L, ae_ask *ask) {
  ae_asked_timer timer;
  int more = ae_ask_next_timer(ask, &timer);
  if (more != 1) return more;
  lua_createtable(L, 0, 3);
  ae_box_text(L, "rule", timer.rule);
  ae_box_text(L, "key", timer.key);
  ae_box_text(L, "cancel", timer.cancel);
  return 1;
}

static int push_memory (lua_State *L, ae_ask *ask) {
  ae_asked_memory memory;
  int more = ae_ask_next_memory(ask, &memory);
  if (more != 1) return more;
  lua_createtable(L, 0, 6);
  ae_box_text(L, "rule", memory.rule);
  ae_box_text(L, "thing", memory.thing);
  ae_box_text(L, "name", memory.name);
  ae_box_text(L, "value", memory.value);
  ae_box_number(L, "expires", memory.expires);
  ae_box_number(L, "changed", memory.changed);
  return 1;
}

int ae_box_rows (lua_State *L, ae_ask *ask, ae_code code, ae_error *error,
                 int (*push)(lua_State *L, ae_ask *ask)) {
  lua_Integer count = 0;
  int more = -1;
  if (code != AE_OK) return ae_host_fail(L, error);
  lua_newtable(L);
  while ((more = push(L, ask)) == 1) lua_rawseti(L, -2, ++count);
  if (more == 0) return 1;
  (void)ae_ask_why(ask, error);
  return ae_host_fail(L, error);
}

static int inbox_events (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_ask_filter filter = ae_box_filter(L);
  ae_error error;
  return ae_box_rows(L, ask, ae_ask_events(ask, &filter, &error), &error, push_event);
}

static int inbox_groups (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_ask_filter filter = ae_box_filter(L);
  ae_error error;
  return ae_box_rows(L, ask, ae_ask_groups(ask, &filter, &error), &error, ae_box_group);
}

static int inbox_references (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_error error;
  return ae_box_rows(L, ask, ae_ask_references(ask, &error), &error, push_reference);
}

static int inbox_memory (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_slice rule = ae_box_optional(L, 2), thing = ae_box_optional(L, 3);
  ae_error error;
  return ae_box_rows(L, ask, ae_ask_memory(ask, rule, thing, ae_wall_ms(), &error), &error,
                     push_memory);
}

/* Pushes what a query finds of the event whose number is argument 2, as ae_box_rows does. */
static int rows_of_event (lua_State *L,
                          ae_code (*query)(ae_ask *ask, int64_t sequence, ae_error *error),
                          int (*push)(lua_State *L, ae_ask *ask)) {
  ae_ask *ask = ae_box_check(L);
  ae_error error;
  return ae_box_rows(L, ask, query(ask, luaL_checkinteger(L, 2), &error), &error, push);
}

static int inbox_steps (lua_State *L) {
  return rows_of_event(L, ae_ask_steps, push_step);
}

static int inbox_timers (lua_State *L) {
  return rows_of_event(L, ae_ask_timers, push_timer);
}

static int inbox_by_id (lua_State *L) {
  ae_ask *ask = ae_box_check(L);
  ae_error error;
  ae_slice id;
  id.data = luaL_checklstring(L, 2, &id.length);
  return ae_box_rows(L, ask, ae_ask_by_id(ask, id, &error), &error, push_event);
}

static int inbox_event (lua_State *L) {
  return rows_of_event(L, ae_ask_event, push_event);
}

static int inbox_runs (lua_State *L) {
  return rows_of_event(L, ae_ask_runs, push_run);
}

static int inbox_attempts (lua_State *L) {
  return rows_of_event(L, ae_ask_attempts, push_run);
}

static int inbox_acts (lua_State *L) {
  return rows_of_event(L, ae_ask_acts, push_act);
}

static int inbox_effects (lua_State *L) {
  return rows_of_event(L, ae_ask_effects, push_effect);
}

static int inbox_effect_attempts (lua_State *L) {
  return rows_of_event(L, ae_ask_effect_attempts, push_effect);
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
                                   {"groups", inbox_groups},
                                   {"references", inbox_references},
                                   AE_BOX_HAND_METHODS,
                                   {"close", box_close},
                                   {NULL, NULL}};

void ae_host_inbox_setup (lua_State *L) {
  ae_host_class(L, INBOX, methods, box_close);
  push_states(L);
}
