/*
** inbox.c: an inbox as a Lua object, for the commands; see inbox/ask.h.
**
**     local inbox <close> = host.inbox(path)   or nil, message, code
**     inbox:count(filter)                      a number
**     inbox:events(filter), :sequences(filter) lists; see push_event
**     inbox:event(sequence), inbox:by_id(id)   lists
**     inbox:runs(sequence), :attempts, :acts, :effects, :effect_attempts
**     inbox:act("retry" | "discard", sequence, rule or nil, who, reason or nil, state or nil)
**
** All give nil, message, code when the file fails.
*/
#include "lua/host/inbox.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>

#include "inbox/ask.h"
#include "lua/host/options.h"

#define INBOX "altinn.events.host.inbox"

typedef struct box {
  ae_ask *ask;
} box;

static ae_ask *check (lua_State *L) {
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

static void set_text (lua_State *L, const char *name, ae_slice text) {
  if (text.data == NULL) return;
  lua_pushlstring(L, text.data, text.length);
  lua_setfield(L, -2, name);
}

static void set_number (lua_State *L, const char *name, int64_t value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
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

static ae_ask_filter check_filter (lua_State *L) {
  ae_ask_filter filter;
  luaL_checktype(L, 2, LUA_TTABLE);
  filter.state = text_field(L, "state");
  filter.rule = text_field(L, "rule");
  filter.type = text_field(L, "type");
  filter.since = number_field(L, "since");
  filter.limit = number_field(L, "limit");
  return filter;
}

static int inbox_count (lua_State *L) {
  ae_ask *ask = check(L);
  ae_ask_filter filter = check_filter(L);
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
  set_number(L, "sequence", event.sequence);
  set_number(L, "received", event.received);
  set_text(L, "subscription", event.subscription);
  set_text(L, "body", event.body);
  set_text(L, "state", event.state);
  return 1;
}

static int push_run (lua_State *L, ae_ask *ask) {
  ae_asked_run run;
  int more = ae_ask_next_run(ask, &run);
  if (more != 1) return more;
  lua_createtable(L, 0, 6);
  set_text(L, "rule", run.rule);
  set_text(L, "state", run.state);
  set_text(L, "reason", run.reason);
  set_number(L, "attempt", run.attempt);
  set_number(L, "due", run.due);
  set_number(L, "changed", run.changed);
  return 1;
}

static int push_act (lua_State *L, ae_ask *ask) {
  ae_asked_act act;
  int more = ae_ask_next_act(ask, &act);
  if (more != 1) return more;
  lua_createtable(L, 0, 6);
  set_number(L, "time", act.time);
  set_text(L, "who", act.who);
  set_text(L, "what", act.what);
  set_text(L, "reason", act.reason);
  set_text(L, "rule", act.rule);
  set_text(L, "state", act.state);
  return 1;
}

static int push_effect (lua_State *L, ae_ask *ask) {
  ae_asked_effect effect;
  int more = ae_ask_next_effect(ask, &effect);
  if (more != 1) return more;
  lua_createtable(L, 0, 10);
  set_text(L, "rule", effect.rule);
  set_text(L, "key", effect.key);
  set_text(L, "target", effect.target);
  set_text(L, "request", effect.request);
  set_text(L, "state", effect.state);
  set_text(L, "reason", effect.reason);
  set_text(L, "answer", effect.answer);
  set_number(L, "status", effect.status);
  set_number(L, "attempt", effect.attempt);
  set_number(L, "changed", effect.changed);
  return 1;
}

/* Pushes the rows of the query as a list. `code`: the result of starting it. */
static int push_rows (lua_State *L, ae_ask *ask, ae_code code, ae_error *error,
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
  ae_ask *ask = check(L);
  ae_ask_filter filter = check_filter(L);
  ae_error error;
  return push_rows(L, ask, ae_ask_events(ask, &filter, &error), &error, push_event);
}

/* inbox:sequences(filter) -> the numbers of the events alone, the newest first */
static int inbox_sequences (lua_State *L) {
  ae_ask *ask = check(L);
  ae_ask_filter filter = check_filter(L);
  ae_asked_event event;
  lua_Integer count = 0;
  int more = -1;
  ae_error error;
  if (ae_ask_events(ask, &filter, &error) != AE_OK) return ae_host_fail(L, &error);
  lua_newtable(L);
  while ((more = ae_ask_next_event(ask, &event)) == 1) {
    lua_pushinteger(L, event.sequence);
    lua_rawseti(L, -2, ++count);
  }
  if (more == 0) return 1;
  (void)ae_ask_why(ask, &error);
  return ae_host_fail(L, &error);
}

static int inbox_by_id (lua_State *L) {
  ae_ask *ask = check(L);
  ae_error error;
  ae_slice id;
  id.data = luaL_checklstring(L, 2, &id.length);
  return push_rows(L, ask, ae_ask_by_id(ask, id, &error), &error, push_event);
}

static int inbox_event (lua_State *L) {
  ae_ask *ask = check(L);
  ae_error error;
  return push_rows(L, ask, ae_ask_event(ask, luaL_checkinteger(L, 2), &error), &error,
                   push_event);
}

static int inbox_runs (lua_State *L) {
  ae_ask *ask = check(L);
  ae_error error;
  return push_rows(L, ask, ae_ask_runs(ask, luaL_checkinteger(L, 2), &error), &error,
                   push_run);
}

static int inbox_attempts (lua_State *L) {
  ae_ask *ask = check(L);
  ae_error error;
  return push_rows(L, ask, ae_ask_attempts(ask, luaL_checkinteger(L, 2), &error), &error,
                   push_run);
}

static int inbox_acts (lua_State *L) {
  ae_ask *ask = check(L);
  ae_error error;
  return push_rows(L, ask, ae_ask_acts(ask, luaL_checkinteger(L, 2), &error), &error,
                   push_act);
}

static int inbox_effects (lua_State *L) {
  ae_ask *ask = check(L);
  ae_error error;
  return push_rows(L, ask, ae_ask_effects(ask, luaL_checkinteger(L, 2), &error), &error,
                   push_effect);
}

static int inbox_effect_attempts (lua_State *L) {
  ae_ask *ask = check(L);
  ae_error error;
  return push_rows(L, ask, ae_ask_effect_attempts(ask, luaL_checkinteger(L, 2), &error),
                   &error, push_effect);
}

/* Rules and their earlier states, kept in C memory until Lua may raise again. */
typedef struct reached {
  char *text; /* "rule\0state\0" each */
  size_t size, capacity;
  bool failed;
} reached;

static void add (reached *list, const char *data, size_t length) {
  if (list->failed) return;
  if (list->size + length + 1 > list->capacity) {
    size_t capacity = (list->size + length + 1) * 2;
    char *text = realloc(list->text, capacity);
    list->failed = text == NULL;
    if (text == NULL) return;
    list->text = text;
    list->capacity = capacity;
  }
  if (length > 0) memcpy(list->text + list->size, data, length);
  list->text[list->size + length] = '\0';
  list->size += length + 1;
}

static void on_reached (void *context, ae_slice rule, ae_run_state before) {
  const char *state = ae_run_state_name(before);
  add(context, rule.data, rule.length);
  add(context, state, strlen(state));
}

/* Pushes { { rule =, before = } } from the collected texts. */
static void push_reached (lua_State *L, const char *text, size_t size) {
  lua_Integer count = 0;
  lua_newtable(L);
  for (size_t at = 0; at < size;) {
    const char *rule = text + at, *state = rule + strlen(rule) + 1;
    lua_createtable(L, 0, 2);
    lua_pushstring(L, rule);
    lua_setfield(L, -2, "rule");
    lua_pushstring(L, state);
    lua_setfield(L, -2, "before");
    lua_rawseti(L, -2, ++count);
    at = (size_t)(state + strlen(state) + 1 - text);
  }
}

static ae_slice optional_text (lua_State *L, int at) {
  ae_slice text = {NULL, 0};
  if (!lua_isnoneornil(L, at)) text.data = luaL_checklstring(L, at, &text.length);
  return text;
}

/* inbox:begin(), inbox:finish() -> true, or nil, message, code */
static int inbox_begin (lua_State *L) {
  ae_ask *ask = check(L);
  ae_error error;
  if (ae_ask_begin(ask, &error) != AE_OK) return ae_host_fail(L, &error);
  lua_pushboolean(L, 1);
  return 1;
}

static int inbox_finish (lua_State *L) {
  ae_ask *ask = check(L);
  ae_error error;
  if (ae_ask_end(ask, &error) != AE_OK) return ae_host_fail(L, &error);
  lua_pushboolean(L, 1);
  return 1;
}

/* inbox:act(hand, sequence, rule, who, reason, state) -> { { rule =, before = } } */
static int inbox_act (lua_State *L) {
  static const char *const names[] = {"retry", "discard", NULL};
  static const ae_ask_hand hands[] = {AE_HAND_RETRY, AE_HAND_DISCARD};
  ae_ask *ask = check(L);
  ae_ask_deed deed;
  reached list = {NULL, 0, 0, false};
  struct timespec now;
  ae_error error;
  ae_code code;
  deed.hand = hands[luaL_checkoption(L, 2, NULL, names)];
  deed.sequence = luaL_checkinteger(L, 3);
  deed.rule = optional_text(L, 4);
  deed.who.data = luaL_checklstring(L, 5, &deed.who.length);
  deed.reason = optional_text(L, 6);
  deed.state = optional_text(L, 7);
  clock_gettime(CLOCK_REALTIME, &now);
  deed.time = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
  code = ae_ask_do(ask, &deed, on_reached, &list, &error);
  if (code == AE_OK) lua_pushlstring(L, list.text == NULL ? "" : list.text, list.size);
  free(list.text);
  if (code != AE_OK) return ae_host_fail(L, &error);
  push_reached(L, lua_tostring(L, -1), list.size);
  return 1;
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
                                   {"sequences", inbox_sequences},
                                   {"begin", inbox_begin},
                                   {"finish", inbox_finish},
                                   {"act", inbox_act},
                                   {"effect_attempts", inbox_effect_attempts},
                                   {"close", box_close},
                                   {NULL, NULL}};

void ae_host_inbox_setup (lua_State *L) {
  ae_host_class(L, INBOX, methods, box_close);
  push_states(L);
}
