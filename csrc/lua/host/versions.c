/*
** versions.c: see versions.h.
*/
#include "lua/host/versions.h"

#include <pthread.h>

#include <lauxlib.h>

#include "lua/hex.h"
#include "lua/host/works.h"

#define MOST_VERSIONS 10000

/* The answer that the main thread waits for; the writer thread gives it. */
typedef struct answer {
  pthread_mutex_t lock;
  pthread_cond_t given;
  bool done, stored;
} answer;

static void on_done (ae_work *work) {
  answer *a = work->owner;
  pthread_mutex_lock(&a->lock);
  a->done = true;
  a->stored = work->result != AE_WORK_FAILED;
  pthread_cond_signal(&a->given);
  pthread_mutex_unlock(&a->lock);
}

static bool submit (ae_inbox *inbox, ae_work *works) {
  answer a = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false};
  works[0].owner = &a;
  works[0].done = on_done;
  if (ae_inbox_submit(inbox, works)) {
    ae_inbox_attend(inbox);
    pthread_mutex_lock(&a.lock);
    while (!a.done) pthread_cond_wait(&a.given, &a.lock);
    pthread_mutex_unlock(&a.lock);
  }
  pthread_cond_destroy(&a.given);
  pthread_mutex_destroy(&a.lock);
  return a.stored;
}

/* The text of a member of the table at the top; the table anchors it. */
static ae_slice text_of (lua_State *L, const char *name) {
  ae_slice text;
  if (lua_getfield(L, -1, name) != LUA_TSTRING) luaL_error(L, "%s must be a string", name);
  text.data = lua_tolstring(L, -1, &text.length);
  lua_pop(L, 1);
  return text;
}

static void read_version (lua_State *L, ae_work *work, ae_clock *clock) {
  luaL_checktype(L, -1, LUA_TTABLE);
  work->kind = AE_WORK_VERSION;
  work->time = ae_clock_wall_ms(clock);
  work->rule = text_of(L, "rule");
  work->name = text_of(L, "file");
  work->value = text_of(L, "text");
  lua_getfield(L, -1, "version");
  work->version = ae_works_version(L, -1);
  luaL_argcheck(L, work->version != 0, 2, "a version of a rule is not 0");
  lua_pop(L, 1);
}

/* Pushes why the inbox does not store. */
static int refused (lua_State *L, ae_inbox *inbox) {
  ae_error error;
  lua_pushnil(L);
  if (ae_inbox_health(inbox, &error) == AE_OK)
    lua_pushliteral(L, "the inbox takes no more at the moment: try again");
  else lua_pushstring(L, error.message);
  lua_pushliteral(L, "storage");
  return 3;
}

int ae_versions_keep (lua_State *L, ae_inbox *inbox, ae_clock *clock) {
  lua_Integer count;
  ae_work *works;
  luaL_checktype(L, 2, LUA_TTABLE);
  count = luaL_len(L, 2);
  luaL_argcheck(L, count <= MOST_VERSIONS, 2, "too many versions");
  if (count <= 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  works = lua_newuserdatauv(L, (size_t)count * sizeof *works, 0);
  memset(works, 0, (size_t)count * sizeof *works);
  for (lua_Integer i = 0; i < count; i++) {
    lua_geti(L, 2, i + 1);
    read_version(L, &works[i], clock);
    lua_pop(L, 1);
    works[i].with = i + 1 < count ? &works[i + 1] : NULL;
  }
  if (!submit(inbox, works)) return refused(L, inbox);
  lua_pushboolean(L, 1);
  return 1;
}

int ae_versions_key (lua_State *L, ae_inbox *inbox) {
  ae_push_hex(L, ae_inbox_key(inbox), AE_INBOX_KEY_BYTES);
  return 1;
}
