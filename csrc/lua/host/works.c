/*
** works.c: see works.h. Two passes over the list: the first counts the bytes of all
** texts, the second copies them.
*/
#include "lua/host/works.h"

#include <stdlib.h>

#include <lauxlib.h>

/* A member of a work, and its place in ae_work. */
typedef struct member {
  const char *name;
  size_t offset;
  bool needed; /* the inbox cannot store the work without it */
} member;

#define AT(name, member) \
  { name, offsetof(ae_work, member), false }
#define NEEDED(name, member) \
  { name, offsetof(ae_work, member), true }
#define END \
  { NULL, 0, false }

static const member settle_texts[] = {NEEDED("rule", rule),
                                      AT("reason", reason),
                                      AT("cause", cause),
                                      AT("would", would),
                                      AT("entry", entry),
                                      AT("timer", timer),
                                      END};
/* Of a settle with a timer. */
static const member timer_texts[] = {AT("thing", thing), AT("timer_key", timer_key),
                                     AT("cancel", cancel), END};
static const member settle_numbers[] = {
  NEEDED("sequence", sequence), AT("attempt", attempt), AT("due", due),
  AT("since", since),           AT("aside", aside),     END};
static const member remember_texts[] = {NEEDED("rule", rule), NEEDED("thing", thing),
                                        NEEDED("name", name), AT("value", value), END};
static const member remember_numbers[] = {NEEDED("sequence", sequence), AT("expires", expires),
                                          AT("shadow", shadow), END};
static const member reading_texts[] = {NEEDED("rule", rule), NEEDED("thing", thing),
                                       NEEDED("call", name), AT("code", cause),
                                       AT("body", value),    END};
static const member reading_numbers[] = {NEEDED("sequence", sequence),
                                         NEEDED("attempt", attempt),
                                         NEEDED("place", place),
                                         NEEDED("at", time),
                                         AT("status", status),
                                         AT("cut", cut),
                                         END};
static const member record_texts[] = {NEEDED("rule", rule), NEEDED("key", key),
                                      AT("target", target), AT("request", request), END};
static const member record_numbers[] = {NEEDED("sequence", sequence), END};
static const member outcome_texts[] = {AT("rule", rule), NEEDED("key", key),
                                       AT("reason", reason), AT("answer", answer), END};
static const member outcome_numbers[] = {AT("sequence", sequence), AT("attempt", attempt),
                                         AT("status", status), END};
static const member step_texts[] = {NEEDED("rule", rule), NEEDED("name", name),
                                    AT("result", value), END};
static const member step_numbers[] = {NEEDED("sequence", sequence), AT("place", place), END};
static const member recall_texts[] = {NEEDED("rule", rule), AT("thing", thing), END};
static const member recall_numbers[] = {NEEDED("sequence", sequence), AT("shadow", shadow),
                                        END};

typedef struct shape {
  ae_work_kind kind;
  const member *texts, *numbers;
} shape;

static const char *const names[] = {"settle",  "remember", "reading", "record",
                                    "outcome", "step",     "recall",  NULL};
static const shape shapes[] = {{AE_WORK_SETTLE, settle_texts, settle_numbers},
                               {AE_WORK_REMEMBER, remember_texts, remember_numbers},
                               {AE_WORK_READING, reading_texts, reading_numbers},
                               {AE_WORK_RECORD, record_texts, record_numbers},
                               {AE_WORK_OUTCOME, outcome_texts, outcome_numbers},
                               {AE_WORK_STEP, step_texts, step_numbers},
                               {AE_WORK_RECALL, recall_texts, recall_numbers}};

/* The shape of the work at the top. */
static const shape *shape_of (lua_State *L) {
  int which;
  luaL_checktype(L, -1, LUA_TTABLE);
  lua_getfield(L, -1, "kind");
  which = luaL_checkoption(L, -1, NULL, names);
  lua_pop(L, 1);
  return &shapes[which];
}

/* Counts the bytes of the texts of the work at the top. */
static size_t measure_texts (lua_State *L, const member *texts) {
  size_t size = 0, length;
  for (const member *m = texts; m->name != NULL; m++) {
    lua_getfield(L, -1, m->name);
    if (!lua_isnil(L, -1)) {
      luaL_checklstring(L, -1, &length);
      size += length;
    } else if (m->needed) {
      luaL_error(L, "a work without '%s'", m->name);
    }
    lua_pop(L, 1);
  }
  return size;
}

static bool has_timer (lua_State *L, const shape *which) {
  bool found;
  if (which->kind != AE_WORK_SETTLE) return false;
  found = lua_getfield(L, -1, "timer") != LUA_TNIL;
  lua_pop(L, 1);
  return found;
}

/* Counts the bytes of all texts of the works in the list at argument 2. */
static size_t measure (lua_State *L, size_t count) {
  size_t size = 0;
  for (size_t i = 1; i <= count; i++) {
    const shape *which;
    lua_rawgeti(L, 2, (lua_Integer)i);
    which = shape_of(L);
    size += measure_texts(L, which->texts);
    if (has_timer(L, which)) size += measure_texts(L, timer_texts);
    lua_pop(L, 1);
  }
  return size;
}

static char *read_texts (lua_State *L, ae_work *work, const member *texts, char *at) {
  for (const member *m = texts; m->name != NULL; m++) {
    ae_slice text = {NULL, 0};
    if (lua_getfield(L, -1, m->name) != LUA_TNIL) {
      const char *data = lua_tolstring(L, -1, &text.length);
      text.data = at;
      if (text.length > 0) memcpy(at, data, text.length);
      at += text.length;
    }
    lua_pop(L, 1);
    memcpy((char *)work + m->offset, &text, sizeof text);
  }
  return at;
}

static void read_numbers (lua_State *L, ae_work *work, const member *numbers) {
  for (const member *m = numbers; m->name != NULL; m++) {
    lua_Integer value;
    lua_getfield(L, -1, m->name);
    value = m->needed ? luaL_checkinteger(L, -1) : luaL_optinteger(L, -1, 0);
    lua_pop(L, 1);
    memcpy((char *)work + m->offset, &value, sizeof value);
  }
}

static void read_state (lua_State *L, ae_work *work) {
  ae_slice name;
  if (work->kind != AE_WORK_SETTLE && work->kind != AE_WORK_OUTCOME) return;
  lua_getfield(L, -1, "state");
  name.data = luaL_checklstring(L, -1, &name.length);
  if (work->kind == AE_WORK_SETTLE) work->run_state = ae_run_state_of(name);
  else work->effect_state = ae_effect_state_of(name);
  if (work->run_state == AE_RUN_NONE && work->effect_state == AE_EFFECT_NONE)
    luaL_error(L, "'%s' is no state of a run or an effect", name.data);
  lua_pop(L, 1);
}

static int64_t digit (char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

int64_t ae_works_version (lua_State *L, int index) {
  size_t length;
  const char *text;
  int64_t version = 0;
  if (lua_type(L, index) != LUA_TSTRING) return luaL_optinteger(L, index, 0);
  text = lua_tolstring(L, index, &length);
  for (size_t i = 0; i < length; i++) {
    if (length != 12 || digit(text[i]) < 0)
      return luaL_error(L, "'%s' is no version: 12 hex digits", text);
    version = version << 4 | digit(text[i]);
  }
  return version;
}

static void read_version (lua_State *L, ae_work *work) {
  lua_getfield(L, -1, "version");
  work->version = ae_works_version(L, -1);
  lua_pop(L, 1);
}

static char *read_work (lua_State *L, ae_parcel *parcel, ae_work *work, char *at) {
  const shape *which = shape_of(L);
  bool holds;
  work->kind = which->kind;
  work->owner = parcel;
  work->time = ae_clock_wall_ms(parcel->worker->shared->clock);
  read_state(L, work);
  read_numbers(L, work, which->numbers);
  read_version(L, work);
  at = read_texts(L, work, which->texts, at);
  if (work->timer.data != NULL) at = read_texts(L, work, timer_texts, at);
  work->claim = ae_inbox_claim(parcel->worker->shared->inbox, work->sequence, work->rule,
                               &holds);
  return at;
}

/* Allocates a parcel for `count` works with `size` bytes of texts; raises when there
** is no memory. */
static ae_parcel *parcel_new (lua_State *L, ae_worker *worker, size_t count, size_t size) {
  ae_parcel *parcel = calloc(1, sizeof *parcel + count * sizeof(ae_work) + size + 1);
  if (parcel == NULL) {
    luaL_error(L, "not enough memory");
    return NULL;
  }
  parcel->worker = worker;
  parcel->count = count;
  return parcel;
}

ae_parcel *ae_works_read (lua_State *L, ae_worker *worker, int64_t ticket,
                          void (*done)(ae_work *work)) {
  size_t count;
  ae_parcel *parcel;
  char *at;
  luaL_checktype(L, 2, LUA_TTABLE);
  count = (size_t)luaL_len(L, 2);
  luaL_argcheck(L, count > 0, 2, "no works");
  free(worker->building);
  worker->building = NULL;
  parcel = parcel_new(L, worker, count, measure(L, count));
  worker->building = parcel;
  parcel->ticket = ticket;
  at = (char *)&parcel->works[count];
  for (size_t i = 0; i < count; i++) {
    ae_work *work = &parcel->works[i];
    lua_rawgeti(L, 2, (lua_Integer)i + 1);
    at = read_work(L, parcel, work, at);
    if (work->kind == AE_WORK_RECORD) work->place = (int64_t)i + 1;
    work->done = done;
    lua_pop(L, 1);
  }
  worker->building = NULL;
  return parcel;
}
