/*
** host.c: the module altinn.events.host: starts a host, opens an inbox for the
** commands, and runs an HTTP server.
*/
#include "lua/host/host.h"
#include "lua/host/state.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

#include "host/log.h"
#include "lua/host/child.h"
#include "lua/host/fact.h"
#include "lua/compat.h"
#include "lua/host/aside.h"
#include "lua/host/heads.h"
#include "lua/host/inbox.h"
#include "lua/host/options.h"
#include "lua/host/server.h"
#include "lua/host/terminal.h"
#include "lua/host/simulation.h"
#include "lua/host/versions.h"

#define HOST "altinn.events.host"

typedef struct handle {
  ae_host *host;
} handle;

static ae_host *check_host (lua_State *L) {
  handle *object = luaL_checkudata(L, 1, HOST);
  if (object->host == NULL) luaL_error(L, "the host has been stopped");
  return object->host;
}

/* A text of the options at index 1; the stack or the table anchors it. */
static const char *string_field (lua_State *L, const char *name, size_t *length) {
  lua_getfield(L, 1, name);
  if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "%s must be a string", name);
  return lua_tolstring(L, -1, length);
}

/* Reads an address: { host, port }, { host =, port = }, or nil. */
static const char *address_field (lua_State *L, const char *name, uint16_t *port) {
  const char *host;
  lua_Integer number;
  lua_getfield(L, 1, name);
  if (!lua_toboolean(L, -1)) return NULL;
  luaL_checktype(L, -1, LUA_TTABLE);
  if (lua_getfield(L, -1, "host") == LUA_TNIL) {
    lua_pop(L, 1);
    lua_geti(L, -1, 1);
  }
  host = luaL_checkstring(L, -1);
  if (lua_getfield(L, -2, "port") == LUA_TNIL) {
    lua_pop(L, 1);
    lua_geti(L, -2, 2);
  }
  number = luaL_checkinteger(L, -1);
  if (number < 0 || number > 65535) luaL_error(L, "%s: port out of range", name);
  *port = (uint16_t)number;
  return host;
}

static void read_secrets (lua_State *L, ae_host_options *options) {
  lua_Integer i, count;
  lua_getfield(L, 1, "secrets");
  if (lua_isnil(L, -1)) return;
  count = luaL_len(L, -1);
  if (count > AE_MAX_SECRETS) luaL_error(L, "more than %d secrets", AE_MAX_SECRETS);
  for (i = 1; i <= count; i++) {
    ae_slice *secret = &options->secrets[i - 1];
    lua_geti(L, -1, i);
    if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "a secret must be a string");
    secret->data = lua_tolstring(L, -1, &secret->length);
    lua_pop(L, 1);
  }
  options->secret_count = (size_t)count;
}

/* Reads the names of targets. Names beyond AE_MAX_TARGETS get their metrics only with
** their first effect. */
static void read_targets (lua_State *L, ae_host_options *options) {
  lua_Integer i, count;
  lua_getfield(L, 1, "targets");
  if (lua_isnil(L, -1)) return;
  luaL_checktype(L, -1, LUA_TTABLE);
  count = luaL_len(L, -1);
  if (count > AE_MAX_TARGETS) count = AE_MAX_TARGETS;
  for (i = 1; i <= count; i++) {
    lua_geti(L, -1, i);
    if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "a target's name must be a string");
    options->targets[i - 1] = lua_tostring(L, -1);
    lua_pop(L, 1); /* the list anchors it */
  }
  options->target_count = (size_t)count;
}

static lua_Integer cores (void) {
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count < 1 ? 1 : count > AE_MAX_WORKERS ? AE_MAX_WORKERS : count;
}

/* Reads seconds since 1970 from the field on top; nil: 0. */
static int64_t read_time (lua_State *L) {
  lua_Number seconds = luaL_optnumber(L, -1, 0);
  luaL_argcheck(L, seconds >= 0 && seconds < 9e9, 1, "now: seconds since 1970");
  return (int64_t)(seconds * 1e9);
}

static void read_options (lua_State *L, ae_host_options *options) {
  static const char *const known[] = {"inbox",   "listen",          "admin",    "secrets",
                                      "workers", "max_bytes",       "deadline", "connections",
                                      "heads",   "worker_settings", "once",     "log",
                                      "version", "targets",         "now",      NULL};
  static const char *const formats[] = {"logfmt", "json", NULL};
  memset(options, 0, sizeof *options);
  ae_host_check_options(L, known, "host.start");
  options->inbox = string_field(L, "inbox", NULL);
  options->settings.data = string_field(L, "worker_settings", &options->settings.length);
  options->listen = address_field(L, "listen", &options->listen_port);
  options->admin = address_field(L, "admin", &options->admin_port);
  read_secrets(L, options);
  options->workers = (size_t)ae_host_integer(L, 1, "workers", cores(), AE_MAX_WORKERS);
  if (options->workers == 0) options->workers = 1;
  options->max_bytes = (size_t)ae_host_integer(L, 1, "max_bytes", 0, AE_MOST_BYTES);
  options->deadline = (uint32_t)ae_host_integer(L, 1, "deadline", 0, 86400);
  options->connections = (uint32_t)ae_host_integer(L, 1, "connections", 0, 1 << 20);
  lua_getfield(L, 1, "once");
  options->once = lua_toboolean(L, -1);
  read_targets(L, options);
  lua_getfield(L, 1, "version");
  options->version = luaL_optstring(L, -1, "unknown");
  lua_getfield(L, 1, "log");
  options->json = luaL_checkoption(L, -1, "logfmt", formats) == 1;
  lua_getfield(L, 1, "now");
  options->still = read_time(L);
  options->path = ae_host_package(L, "path");
  options->cpath = ae_host_package(L, "cpath");
}

/* start(options) -> handle, or nil, message, code */
static int host_start (lua_State *L) {
  ae_host_options options;
  ae_heads **box;
  ae_error error;
  handle *object;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkstack(L, 40, NULL);
  read_options(L, &options);
  lua_getfield(L, 1, "heads");
  box = ae_heads_check(L, lua_gettop(L));
  object = lua_newuserdatauv(L, sizeof *object, 0);
  object->host = NULL;
  luaL_setmetatable(L, HOST);
  object->host = calloc(1, sizeof *object->host);
  if (object->host == NULL) return luaL_error(L, "not enough memory");
  memset(&error, 0, sizeof error);
  if (ae_host_start(object->host, &options, ae_heads_take(box), &error) != AE_OK) {
    if (!object->host->abandoned) free(object->host);
    object->host = NULL;
    return ae_host_fail(L, &error);
  }
  return 1;
}

/* stop() -> true, or false when a worker hangs and was left behind: then the process
** has to end. */
static int host_stop (lua_State *L) {
  handle *object = luaL_checkudata(L, 1, HOST);
  bool joined = true;
  if (object->host != NULL) {
    joined = ae_host_stop(object->host);
    if (joined) free(object->host);
    object->host = NULL;
  }
  lua_pushboolean(L, joined);
  return 1;
}

/* wait([seconds]) -> "term", "hup", "int", "idle", "failed", "forced", "unwell", "well",
** or nil */
static int host_wait (lua_State *L) {
  const char *name = ae_host_wait(check_host(L), luaL_optnumber(L, 2, 1e9));
  if (name == NULL) lua_pushnil(L);
  else lua_pushstring(L, name);
  return 1;
}

/* health() -> true, or nil and why the inbox does not store */
static int host_health (lua_State *L) {
  ae_error error;
  if (ae_inbox_health(check_host(L)->shared.inbox, &error) != AE_OK)
    return ae_host_fail(L, &error);
  lua_pushboolean(L, 1);
  return 1;
}

/* reload(heads or nil, worker_settings) -> true, or nil, message, code. Without heads those
** in force stay. */
static int host_reload (lua_State *L) {
  ae_host *host = check_host(L);
  ae_slice settings;
  ae_error error;
  ae_heads *heads = NULL;
  settings.data = luaL_checklstring(L, 3, &settings.length);
  if (!lua_isnil(L, 2)) heads = ae_heads_take(ae_heads_check(L, 2));
  if (ae_host_reload(host, heads, settings, &error) != AE_OK) return ae_host_fail(L, &error);
  lua_pushboolean(L, 1);
  return 1;
}

/* keep_versions(list) -> true | nil, message, code: stores versions of rules that are
** about to be in force; see versions.h */
static int host_keep_versions (lua_State *L) {
  const ae_host *host = check_host(L);
  return ae_versions_keep(L, host->shared.inbox, host->shared.clock);
}

/* pseudonym_key() -> 64 hex digits: the key of pseudonyms */
static int host_pseudonym_key (lua_State *L) {
  return ae_versions_key(L, check_host(L)->shared.inbox);
}

/* reload_refused(): counts a reload that was refused, in the metrics */
static int host_reload_refused (lua_State *L) {
  ae_metrics_reload(&check_host(L)->shared.metrics, false);
  return 0;
}

/* advance(seconds): moves the host's clock ahead; what is due then, happens */
static int host_advance (lua_State *L) {
  ae_host *host = check_host(L);
  lua_Number seconds = luaL_checknumber(L, 2);
  luaL_argcheck(L, seconds >= 0 && seconds < 1e9, 2, "0 to 10^9 seconds");
  ae_host_advance(host, (int64_t)(seconds * 1e9));
  return 0;
}

/* now() -> seconds since 1970, by the host's clock */
static int host_now (lua_State *L) {
  lua_pushnumber(L, (lua_Number)ae_clock_wall_ms(check_host(L)->shared.clock) / 1e3);
  return 1;
}

static int host_port (lua_State *L) {
  ae_host *host = check_host(L);
  if (host->receiver == NULL) lua_pushnil(L);
  else lua_pushinteger(L, ae_webhook_port(host->receiver));
  return 1;
}

static int host_admin_port (lua_State *L) {
  ae_host *host = check_host(L);
  if (host->admin == NULL) lua_pushnil(L);
  else lua_pushinteger(L, ae_admin_port(host->admin));
  return 1;
}

static int host_metrics (lua_State *L) {
  ae_host *host = check_host(L);
  size_t length;
  char *text = ae_metrics_text(&host->shared.metrics, host->shared.inbox, host->receiver,
                               &host->shared.breakers, &length);
  if (text == NULL) return luaL_error(L, "not enough memory");
  lua_pushlstring(L, text, length);
  free(text);
  return 1;
}

/* state([event]) -> JSON of what the host knows of itself: see state.h */
static int host_state (lua_State *L) {
  return ae_state_push(L, check_host(L));
}

/* fact(json, level, message, fields) -> whether the log took it: see fact.h */
static int host_fact (lua_State *L) {
  return ae_lua_fact(L, 1);
}

/* leave(status): ends the process when a thread of it hangs. What exit() would
** do may wait for that thread, for instance for the lock of a file that it
** writes to; only the log is written out. */
static int host_leave (lua_State *L) {
  int status = (int)luaL_checkinteger(L, 1);
  (void)ae_log_flush();
  _exit(status);
}

static const luaL_Reg methods[] = {{"port", host_port},
                                   {"admin_port", host_admin_port},
                                   {"wait", host_wait},
                                   {"health", host_health},
                                   {"reload", host_reload},
                                   {"keep_versions", host_keep_versions},
                                   {"pseudonym_key", host_pseudonym_key},
                                   {"stop", host_stop},
                                   {"metrics", host_metrics},
                                   {"state", host_state},
                                   {"reload_refused", host_reload_refused},
                                   {"advance", host_advance},
                                   {"now", host_now},
                                   {NULL, NULL}};

/* hold_reload(): keeps a SIGHUP pending until the host waits for signals, so that an
** early one does not end the process. */
static int host_hold_reload (lua_State *L) {
  sigset_t reload;
  int error;
  sigemptyset(&reload);
  sigaddset(&reload, SIGHUP);
  error = pthread_sigmask(SIG_BLOCK, &reload, NULL);
  if (error != 0) return luaL_error(L, "SIGHUP cannot be held: %s", strerror(error));
  return 0;
}

static const luaL_Reg functions[] = {{"start", host_start},
                                     {"hold_reload", host_hold_reload},
                                     {"attended", ae_host_attended},
                                     {"inbox", ae_host_inbox},
                                     {"who", ae_host_who},
                                     {"terminal", ae_host_terminal},
                                     {"sleep", ae_host_sleep},
                                     {"server", ae_host_server},
                                     {"notify", ae_host_notify},
                                     {"is_fit", ae_host_is_fit},
                                     {"fact", host_fact},
                                     {"leave", host_leave},
                                     AE_TERMINAL_FUNCTIONS,
                                     {"simulation", ae_simulation_new},
                                     {NULL, NULL}};

AE_EXPORT int luaopen_altinn_events_host (lua_State *L) {
  ae_log_descriptors();
  ae_host_class(L, HOST, methods, host_stop);
  ae_host_server_setup(L);
  ae_simulation_setup(L);
  luaL_newlib(L, functions);
  ae_host_child_setup(L);
  ae_host_inbox_setup(L);
  lua_setfield(L, -2, "states");
  return 1;
}
