/*
** terminal.c: see terminal.h. The state is the process's, as the terminal is. Functions
** belong to the main thread; handlers of signals call async-signal-safe functions alone.
*/
#include "lua/host/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "host/spawn.h"
#include "lua/compat.h"

#define WRITE_MS 200 /* between two looks for signals while nothing can be written */

extern char **environ;

/* {====================================================================
** Keys
** ===================================================================== */

static struct termios usual, raw;
static volatile sig_atomic_t taken; /* whether keys come one by one */
static bool prepared;

/* Whether this process may change the terminal: a process in the background would be
** stopped for it. */
static bool in_front (void) {
  return tcgetpgrp(STDIN_FILENO) == getpgrp();
}

static void give_back (void) {
  if (taken && in_front()) (void)tcsetattr(STDIN_FILENO, TCSANOW, &usual);
}

/* Gives the terminal back while the process is stopped; on_continue takes it again. */
static void on_stop (int number) {
  int kept = errno;
  (void)number;
  give_back();
  (void)kill(getpid(), SIGSTOP);
  errno = kept;
}

static void on_continue (int number) {
  int kept = errno;
  (void)number;
  if (taken && in_front()) (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  errno = kept;
}

/* The action of these signals is the default one again when the handler runs. */
static void on_end (int number) {
  give_back();
  taken = 0;
  (void)raise(number);
}

static void handle (int number, void (*handler)(int), int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  sigemptyset(&action.sa_mask);
  action.sa_handler = handler;
  action.sa_flags = flags;
  (void)sigaction(number, &action, NULL);
}

static void prepare (void) {
  static const int ends[] = {SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  if (prepared) return;
  prepared = atexit(give_back) == 0;
  handle(SIGTSTP, on_stop, SA_RESTART);
  handle(SIGCONT, on_continue, SA_RESTART);
  for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
    handle(ends[i], on_end, (int)SA_RESETHAND | SA_NODEFER);
}

/* Pushes nil and the reason of errno; returns 2. */
static int failed (lua_State *L, const char *what) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", what, strerror(errno));
  return 2;
}

int ae_host_keys_on (lua_State *L) {
  if (!taken && tcgetattr(STDIN_FILENO, &usual) != 0) return failed(L, "the terminal");
  raw = usual;
  raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  prepare();
  if (!prepared) return luaL_error(L, "not enough memory");
  taken = 1; /* before, so that a signal between the two gives it back */
  if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0) {
    taken = 0;
    return failed(L, "the terminal");
  }
  lua_pushboolean(L, 1);
  return 1;
}

int ae_host_keys_off (lua_State *L) {
  (void)L;
  give_back();
  taken = 0;
  return 0;
}

static int push_word (lua_State *L, const char *word) {
  lua_pushnil(L);
  lua_pushstring(L, word);
  return 2;
}

/* Reads what was typed. */
static int read_keys (lua_State *L) {
  char bytes[256];
  ssize_t size = read(STDIN_FILENO, bytes, sizeof bytes);
  if (size < 0 && (errno == EINTR || errno == EAGAIN)) size = 0;
  else if (size <= 0) return push_word(L, "closed");
  lua_pushlstring(L, bytes, (size_t)size);
  return 1;
}

int ae_host_keys (lua_State *L) {
  const lua_Number seconds = luaL_checknumber(L, 1);
  const bool input = lua_toboolean(L, 2);
  struct pollfd files[2] = {{STDOUT_FILENO, 0, 0}, {input ? STDIN_FILENO : -1, POLLIN, 0}};
  luaL_argcheck(L, seconds >= 0 && seconds < 3600, 1, "below an hour");
  if (poll(files, 2, (int)(seconds * 1000)) <= 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  if ((files[0].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) return push_word(L, "broken");
  if (files[1].revents != 0) return read_keys(L);
  lua_pushliteral(L, "");
  return 1;
}

int ae_host_columns (lua_State *L) {
  struct winsize size;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) lua_pushnil(L);
  else lua_pushinteger(L, size.ws_col);
  return 1;
}

/* Whether a signal that is to end the process was held back. */
static bool is_to_end (void) {
  sigset_t pending;
  return sigpending(&pending) == 0 &&
         (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

/* A terminal or pipe that takes nothing now is waited for, until the process is to end. */
static bool write_all (const char *text, size_t length) {
  while (length > 0) {
    struct pollfd file = {STDOUT_FILENO, POLLOUT, 0};
    ssize_t done = -1;
    errno = EAGAIN;
    if (poll(&file, 1, WRITE_MS) != 0) done = write(STDOUT_FILENO, text, length);
    if (done < 0 && errno != EINTR && (errno != EAGAIN || is_to_end())) return false;
    if (done > 0) {
      text += done;
      length -= (size_t)done;
    }
  }
  return true;
}

int ae_host_say (lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  if (!write_all(text, length)) return failed(L, "standard output");
  lua_pushboolean(L, 1);
  return 1;
}

/* }==================================================================== */

/* {====================================================================
** The log
** ===================================================================== */

static int log_pipe = -1, errors = -1; /* what standard error was */

int ae_host_catch_log (lua_State *L) {
  int ends[2];
  if (errors >= 0) return luaL_error(L, "the log is caught already");
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return failed(L, "a pipe");
  errors = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
  if (errors < 0 || dup2(ends[1], STDERR_FILENO) < 0) {
    int reason = errno;
    close(ends[0]);
    close(ends[1]);
    if (errors >= 0) close(errors);
    errors = -1;
    errno = reason;
    return failed(L, "standard error");
  }
  close(ends[1]);
  if (log_pipe >= 0) close(log_pipe); /* of an earlier time */
  log_pipe = ends[0];
  lua_pushboolean(L, 1);
  return 1;
}

int ae_host_caught_log (lua_State *L) {
  char bytes[4096];
  luaL_Buffer buffer;
  ssize_t size = 0;
  luaL_buffinit(L, &buffer);
  while (log_pipe >= 0 && (size = read(log_pipe, bytes, sizeof bytes)) > 0)
    luaL_addlstring(&buffer, bytes, (size_t)size);
  luaL_pushresult(&buffer);
  return 1;
}

int ae_host_release_log (lua_State *L) {
  (void)L;
  if (errors < 0) return 0;
  (void)dup2(errors, STDERR_FILENO);
  close(errors);
  errors = -1;
  return 0;
}

/* }==================================================================== */

/* {====================================================================
** The editor
** ===================================================================== */

/* The program has the terminal's own standard error, and no descriptor of this process. */
static int start_program (pid_t *child, char *const *words) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  int error = posix_spawn_file_actions_init(&files);
  if (error != 0) return error;
  error = posix_spawnattr_init(&attributes);
  if (error == 0) {
    error = ae_spawn_signals(&attributes, 0);
    if (error == 0 && errors >= 0)
      error = posix_spawn_file_actions_adddup2(&files, errors, STDERR_FILENO);
    if (error == 0) error = ae_spawn_close_others(&files);
    if (error == 0) error = posix_spawn(child, "/bin/sh", &files, &attributes, words, environ);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&files);
  return error;
}

int ae_host_run_editor (lua_State *L) {
  const char *command = luaL_checkstring(L, 1);
  char shell[] = "sh", option[] = "-c", *words[6] = {shell, option, NULL, shell, NULL, NULL};
  char *script, *file = strdup(luaL_checkstring(L, 2));
  pid_t child = 0;
  int error = ENOMEM;
  lua_pushfstring(L, "%s \"$1\"", command);
  script = strdup(lua_tostring(L, -1));
  words[2] = script;
  words[4] = file;
  if (script != NULL && file != NULL) error = start_program(&child, words);
  free(script);
  free(file);
  errno = error;
  if (error != 0) return failed(L, "the editor");
  lua_pushinteger(L, child);
  return 1;
}

int ae_host_ended (lua_State *L) {
  int status;
  pid_t child = (pid_t)luaL_checkinteger(L, 1);
  pid_t found = waitpid(child, &status, WNOHANG);
  if (found == 0 || (found < 0 && errno == EINTR)) lua_pushnil(L);
  else lua_pushinteger(L, found < 0 || !WIFEXITED(status) ? 127 : WEXITSTATUS(status));
  return 1;
}

/* }==================================================================== */
