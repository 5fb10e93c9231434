/*
** memory.c: memory that ends at the n-th request, for each n, while all of
** the module's functions are called. Requests of Lua and those of the core
** (malloc and the like, wrapped by the linker) are counted together.
** Usage: memory SCRIPT. Prints how many points of failure there were.
*/
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

int luaopen_altinn_events_core (lua_State *L);
void *__real_malloc (size_t size);
void *__real_calloc (size_t count, size_t size);
void *__real_realloc (void *block, size_t size);
void __real_free (void *block);
void *__wrap_malloc (size_t size);
void *__wrap_calloc (size_t count, size_t size);
void *__wrap_realloc (void *block, size_t size);
void __wrap_free (void *block);

static size_t left = SIZE_MAX;  /* requests until memory ends */
static bool ended;              /* it has */
static long live;               /* blocks that have not been freed */

/* Lua 5.1 closes stdout when memory ends while it opens the library: what is
** to be said goes to a copy. */
static int out = 1;

static void fail (const char *what, size_t n) {
  dprintf(out, "request %zu: %s\n", n, what);
  exit(1);
}

static bool granted (void) {
  if (left > 0) {
    if (left != SIZE_MAX) left--;
    return true;
  }
  ended = true;
  return false;
}

void *__wrap_malloc (size_t size) {
  void *block = granted() ? __real_malloc(size) : NULL;
  live += block != NULL;
  return block;
}

void *__wrap_calloc (size_t count, size_t size) {
  void *block = granted() ? __real_calloc(count, size) : NULL;
  live += block != NULL;
  return block;
}

void *__wrap_realloc (void *block, size_t size) {
  void *moved = granted() ? __real_realloc(block, size) : NULL;
  live += moved != NULL && block == NULL;
  return moved;
}

void __wrap_free (void *block) {
  live -= block != NULL;
  __real_free(block);
}

static void *allocate (void *unused, void *block, size_t old, size_t size) {
  (void)unused;
  if (size == 0) {
    __wrap_free(block);
    return NULL;
  }
  if (block != NULL && size <= old) {  /* must not fail */
    void *moved = __real_realloc(block, size);
    return moved ? moved : block;
  }
  return __wrap_realloc(block, size);
}

/* Opens the libraries and the module, loads the script; leaves a function. */
static int load (lua_State *L) {
  const char *script = lua_touserdata(L, 1);
  luaL_openlibs(L);
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_altinn_events_core);
  lua_setfield(L, -2, "altinn.events.core");
  lua_settop(L, 0);
  if (luaL_loadfile(L, script) != 0) return lua_error(L);
  lua_call(L, 0, 1);
  lua_setglobal(L, "exercise");
  return 0;
}

static int run (lua_State *L) {
  lua_getglobal(L, "exercise");
  lua_call(L, 0, 0);
  return 0;
}

/* Calls one of the two with memory for n more requests; false: it failed. */
static bool with_memory (lua_State *L, lua_CFunction function, const char *script, size_t n) {
  lua_settop(L, 0);
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, (void *)(uintptr_t)script);
  ended = false;
  left = n;
  int status = lua_pcall(L, 1, 0, 0);
  left = SIZE_MAX;
  return status == 0;
}

static lua_State *new_state (void) {
  lua_State *L =
#if LUA_VERSION_NUM > 504
    lua_newstate(allocate, NULL, 0);
#else
    lua_newstate(allocate, NULL);
#endif
  if (L == NULL) fail("no state", 0);
  return L;
}

static void close_state (lua_State *L, size_t n) {
  lua_close(L);
  if (live != 0) fail("blocks are left", n);
}

/* Every third point of loading, in a fresh state each. */
static size_t sweep_loading (const char *script) {
  for (size_t n = 0; ; n += 3) {
    lua_State *L = new_state();
    bool done = with_memory(L, load, script, n);
    if (done && ended) fail("nobody told that memory had ended", n);
    close_state(L, n);
    if (done) return n;
  }
}

/* Each point of the script, always in the same state: it stays usable. */
static size_t sweep_script (const char *script) {
  lua_State *L = new_state();
  if (!with_memory(L, load, script, SIZE_MAX)) fail(lua_tostring(L, -1), 0);
  for (size_t n = 0; ; n++) {
    bool done = with_memory(L, run, script, n), all = !ended;
    if (!with_memory(L, run, script, SIZE_MAX)) fail(lua_tostring(L, -1), n);
    if (!done || !all) continue;
    close_state(L, n);
    return n;
  }
}

int main (int count, char **words) {
  out = dup(1);
  if (count != 2) fail("usage: memory SCRIPT", 0);
  size_t loading = sweep_loading(words[1]), script = sweep_script(words[1]);
  dprintf(out, "loading=%zu script=%zu\n", loading, script);
  return 0;
}
