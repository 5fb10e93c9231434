/*
** child.c: see child.h.
*/
#include "lua/host/child.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/child.h"
#include "lua/compat.h"
#include "lua/host/options.h"

#define CHILD "altinn.events.child"
#define MOST_CHILDREN 256
#define MOST_CORES 64

/* Starting. */

static ae_child *new_child (lua_State *L) {
  ae_child *child = lua_newuserdatauv(L, sizeof *child, 0);
  memset(child, 0, sizeof *child);
  child->pid = -1;
  for (int i = 0; i < AE_CHILD_STREAM_COUNT; i++) child->ends[i] = -1;
  luaL_setmetatable(L, CHILD);
  return child;
}

static int fail (lua_State *L, const char *what, int number) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", what, strerror(number));
  return 2;
}

/* Sets the variables of the table at index 1. */
static bool set_variables (lua_State *L) {
  lua_pushnil(L);
  while (lua_next(L, 1) != 0) {
    if (setenv(lua_tostring(L, -2), lua_tostring(L, -1), 1) != 0) return false;
    lua_pop(L, 1);
  }
  return true;
}

static void check_variables (lua_State *L) {
  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    lua_newtable(L);
    lua_replace(L, 1);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_pushnil(L);
  while (lua_next(L, 1) != 0) {
    if (lua_type(L, -1) != LUA_TSTRING || lua_type(L, -2) != LUA_TSTRING)
      luaL_argerror(L, 1, "names and values are strings");
    lua_pop(L, 1);
  }
}

static int child_fork (lua_State *L) {
  ae_child *child;
  bool inside;
  int result;
  check_variables(L);
  child = new_child(L);
  result = ae_child_fork(child, &inside);
  if (result != 0) return fail(L, "a process cannot be started", result);
  if (!inside) return 1;
  if (!set_variables(L)) _exit(EXIT_FAILURE);
  lua_pushboolean(L, 1);
  return 1;
}

static int child_spawn (lua_State *L) {
  size_t count = lua_rawlen(L, 1);
  ae_slice input;
  char **arguments;
  int result;
  luaL_checktype(L, 1, LUA_TTABLE);
  input.data = luaL_checklstring(L, 2, &input.length);
  luaL_argcheck(L, count > 0 && count < 10000, 1, "a program is missing");
  luaL_checkstack(L, (int)count + 8, NULL);
  arguments = lua_newuserdatauv(L, (count + 1) * sizeof *arguments, 0);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 1, (lua_Integer)i + 1);
    arguments[i] = (char *)(size_t)luaL_checkstring(L, -1);
  }
  arguments[count] = NULL;
  result = ae_child_spawn(new_child(L), arguments, input);
  return result == 0 ? 1 : fail(L, arguments[0], result);
}

/* A child. */

static ae_child *check_child (lua_State *L, int index) {
  ae_child *child = luaL_checkudata(L, index, CHILD);
  luaL_argcheck(L, child->pid > 0 && child->owner == getpid(), index,
                "this process has no such child");
  return child;
}

static int child_read (lua_State *L) {
#define TEXT(name, text) text,
  static const char *const names[] = {AE_CHILD_STREAMS(TEXT) NULL};
#undef TEXT
  ae_child *child = check_child(L, 1);
  int stream = luaL_checkoption(L, 2, NULL, names);
  char bytes[16384];
  luaL_Buffer text;
  ssize_t got = ae_child_read(child, (ae_child_stream)stream, bytes, sizeof bytes);
  if (got < 0) return 0;
  luaL_buffinit(L, &text);
  for (int i = 1; got > 0; i++) {
    luaL_addlstring(&text, bytes, (size_t)got);
    if (i == 64) break; /* one that never stops writing holds nobody */
    got = ae_child_read(child, (ae_child_stream)stream, bytes, sizeof bytes);
  }
  luaL_pushresult(&text);
  return 1;
}

static int child_has_ended (lua_State *L) {
  ae_child *child = check_child(L, 1);
  if (!ae_child_has_ended(child)) return 0;
  lua_pushstring(L, WIFSIGNALED(child->status) ? "signal" : "exit");
  lua_pushinteger(L, WIFSIGNALED(child->status) ? WTERMSIG(child->status)
                                                : WEXITSTATUS(child->status));
  return 2;
}

static int child_signal (lua_State *L) {
  static const char *const names[] = {"TERM", "KILL", NULL};
  static const int numbers[] = {SIGTERM, SIGKILL};
  ae_child *child = check_child(L, 1);
  ae_child_signal(child, numbers[luaL_checkoption(L, 2, NULL, names)], lua_toboolean(L, 3));
  return 0;
}

static int child_close (lua_State *L) {
  ae_child_close(luaL_checkudata(L, 1, CHILD));
  return 0;
}

static const luaL_Reg methods[] = {{"read", child_read},
                                   {"has_ended", child_has_ended},
                                   {"signal", child_signal},
                                   {"close", child_close},
                                   {NULL, NULL}};

/* The parent. */

static int child_attend (lua_State *L) {
  ae_child *children[MOST_CHILDREN];
  size_t count = lua_rawlen(L, 1);
  double seconds = luaL_checknumber(L, 2);
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argcheck(L, count <= MOST_CHILDREN, 1, "too many children");
  luaL_argcheck(L, seconds >= 0 && seconds < 86400, 2, "below a day");
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 1, (lua_Integer)i + 1);
    children[i] = check_child(L, -1);
    lua_pop(L, 1); /* the list holds it */
  }
  switch (ae_child_attend(children, count, (int)(seconds * 1000))) {
    case SIGINT: lua_pushliteral(L, "int"); return 1;
    case SIGTERM: lua_pushliteral(L, "term"); return 1;
    case SIGHUP: lua_pushliteral(L, "hup"); return 1;
    default: return 0;
  }
}

static int child_take_signals (lua_State *L) {
  (void)L;
  ae_child_take_signals();
  return 0;
}

static int child_end_orphans (lua_State *L) {
  (void)L;
  ae_child_end_orphans();
  return 0;
}

static int child_end_with_parent (lua_State *L) {
  (void)L;
  ae_child_end_with_parent();
  return 0;
}

static int child_cores (lua_State *L) {
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  lua_pushinteger(L, count < 1 ? 1 : count > MOST_CORES ? MOST_CORES : count);
  return 1;
}

static int child_steady (lua_State *L) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  lua_pushnumber(L, (double)now.tv_sec + (double)now.tv_nsec / 1e9);
  return 1;
}

/* The child's side. */

static int child_tell (lua_State *L) {
  size_t size, done = 0;
  const char *text = luaL_checklstring(L, 1, &size);
  while (done < size) {
    ssize_t count = write(AE_CHILD_REPORT, text + done, size - done);
    if (count < 0 && errno != EINTR) return fail(L, "the report", errno);
    if (count > 0) done += (size_t)count;
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* The key of the message in the registry; the state that is interrupted, NULL: none; and
** the thread that it runs in. */
static const char message_key;
static lua_State *volatile limited;
static pthread_t limited_thread;

static void on_instruction (lua_State *L, lua_Debug *about) {
  (void)about;
  lua_sethook(L, NULL, 0, 0);
  luaL_where(L, 0);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &message_key);
  lua_concat(L, 2);
  lua_error(L);
}

static void on_alarm (int number) {
  lua_State *L = limited;
  if (L == NULL) return;
  if (!pthread_equal(pthread_self(), limited_thread))
    (void)pthread_kill(limited_thread, number);
  else lua_sethook(L, on_instruction, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

static void set_alarm (double seconds) {
  struct itimerval time = {{0, 0}, {(time_t)seconds, 0}};
  time.it_value.tv_usec = (suseconds_t)((seconds - (double)time.it_value.tv_sec) * 1e6);
  (void)setitimer(ITIMER_REAL, &time, NULL);
}

static int child_limit (lua_State *L) {
  struct sigaction action;
  double seconds = luaL_optnumber(L, 1, 0);
  limited = NULL;
  set_alarm(0);
  if (seconds <= 0) return 0;
  luaL_argcheck(L, seconds < 86400, 1, "below a day");
  luaL_checkstring(L, 2);
  lua_settop(L, 2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &message_key);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  limited_thread = pthread_self();
  limited = lua_tothread(L, -1);
  action.sa_handler = on_alarm;
  action.sa_flags = 0; /* a call of the system that waits ends with EINTR */
  sigemptyset(&action.sa_mask);
  (void)sigaction(SIGALRM, &action, NULL);
  set_alarm(seconds);
  return 0;
}

static const luaL_Reg functions[] = {{"fork", child_fork},
                                     {"spawn", child_spawn},
                                     {"attend", child_attend},
                                     {"take_signals", child_take_signals},
                                     {"end_orphans", child_end_orphans},
                                     {"end_with_parent", child_end_with_parent},
                                     {"tell", child_tell},
                                     {"limit", child_limit},
                                     {"cores", child_cores},
                                     {"steady", child_steady},
                                     {NULL, NULL}};

void ae_host_child_setup (lua_State *L) {
  ae_host_class(L, CHILD, methods, child_close);
  luaL_setfuncs(L, functions, 0);
}
