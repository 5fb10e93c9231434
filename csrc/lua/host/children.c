/*
** children.c: programs that rules start; see children.h.
*/
#include "lua/host/children.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lualib.h>

#include "host/spawn.h"

extern char **environ;

/* What io.popen gives: the library's stream, and the child's number. */
typedef struct child_stream {
  luaL_Stream stream; /* must be first: the methods of files take it for the whole */
  pid_t child;
} child_stream;

/* `from` becomes the child's descriptor `to` (-1: none); the others are closed. */
static int set_descriptors (posix_spawn_file_actions_t *actions, int from, int to) {
  int result = 0;
  if (from >= 0) result = posix_spawn_file_actions_adddup2(actions, from, to);
  return result == 0 ? ae_spawn_close_others(actions) : result;
}

/* Starts `sh -c command`. Returns 0 or an errno. */
static int start (const char *command, int from, int to, pid_t *child) {
  char shell[] = "sh", option[] = "-c";
  char *arguments[] = {shell, option, (char *)(size_t)command, NULL};
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int result = posix_spawn_file_actions_init(&actions);
  if (result != 0) return result;
  result = posix_spawnattr_init(&attributes);
  if (result != 0) {
    posix_spawn_file_actions_destroy(&actions);
    return result;
  }
  result = ae_spawn_signals(&attributes, 0);
  if (result == 0) result = set_descriptors(&actions, from, to);
  if (result == 0)
    result = posix_spawn(child, "/bin/sh", &actions, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return result;
}

/* Waits for the child; pushes its status as os.execute returns it. */
static int push_end (lua_State *L, pid_t child) {
  int status = ae_spawn_wait(child);
  if (status >= 0) errno = 0; /* luaL_execresult takes another value for a failure */
  return luaL_execresult(L, status);
}

/* os.execute([command]), as Lua's manual says. */
static int children_execute (lua_State *L) {
  const char *command = luaL_optstring(L, 1, NULL);
  pid_t child = -1;
  if (command == NULL) {
    lua_pushboolean(L, access("/bin/sh", X_OK) == 0);
    return 1;
  }
  errno = start(command, -1, -1, &child);
  if (errno != 0) return luaL_execresult(L, -1);
  return push_end(L, child);
}

static int close_stream (lua_State *L) {
  child_stream *s = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  (void)fclose(s->stream.f);
  return push_end(L, s->child);
}

/* io.popen(command [, mode]), as Lua's manual says. */
static int children_popen (lua_State *L) {
  const char *command = luaL_checkstring(L, 1), *mode = luaL_optstring(L, 2, "r");
  bool reads = strcmp(mode, "r") == 0;
  int ends[2], mine = reads ? 0 : 1;
  child_stream *s;
  luaL_argcheck(L, reads || strcmp(mode, "w") == 0, 2, "invalid mode");
  s = lua_newuserdatauv(L, sizeof *s, 0);
  s->stream.closef = NULL; /* marks the stream as closed until the pipe is open */
  luaL_setmetatable(L, LUA_FILEHANDLE);
  if (pipe2(ends, O_CLOEXEC) != 0) return luaL_fileresult(L, 0, command);
  s->stream.f = fdopen(ends[mine], mode);
  errno = s->stream.f == NULL ? errno : start(command, ends[1 - mine], 1 - mine, &s->child);
  if (errno != 0) {
    int why = errno;
    close(ends[1 - mine]);
    if (s->stream.f != NULL) (void)fclose(s->stream.f);
    else close(ends[mine]);
    errno = why;
    return luaL_fileresult(L, 0, command);
  }
  close(ends[1 - mine]);
  s->stream.closef = close_stream;
  return 1;
}

static void replace (lua_State *L, const char *library, const char *name,
                     lua_CFunction function) {
  lua_getglobal(L, library);
  lua_pushcfunction(L, function);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
}

void ae_children_open (lua_State *L) {
  replace(L, "os", "execute", children_execute);
  replace(L, "io", "popen", children_popen);
}
