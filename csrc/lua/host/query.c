/*
** host_query.c: see host_query.h. The file must be there; parameters are
** bound; another process's lock is waited for.
*/
#include "lua/host/query.h"
#include "inbox/libraries.h"

#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

#include "core/slice.h"

#define BUSY_MS 10000
#define QUERY_BOX "altinn.events.host.query"

typedef struct query {
  sqlite3 *db;
  sqlite3_stmt *statement;
} query;

static int query_gc (lua_State *L) {
  query *q = lua_touserdata(L, 1);
  sqlite3_finalize(q->statement);
  q->statement = NULL;
  sqlite3_close(q->db);
  q->db = NULL;
  return 0;
}

static query *push_query (lua_State *L) {
  query *q = lua_newuserdatauv(L, sizeof *q, 0);
  q->db = NULL;
  q->statement = NULL;
  if (luaL_newmetatable(L, QUERY_BOX)) {
    lua_pushcfunction(L, query_gc);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, query_gc);
    lua_setfield(L, -2, "__close");
  }
  lua_setmetatable(L, -2);
  lua_toclose(L, -1);
  return q;
}

static int fail (lua_State *L, const char *what, const char *why, ae_code code) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", what, why);
  lua_pushstring(L, ae_code_name(code));
  return 3;
}

static void bind (lua_State *L, query *q, int index, int at) {
  size_t length;
  const char *text;
  switch (lua_type(L, index)) {
    case LUA_TNIL: sqlite3_bind_null(q->statement, at); break;
    case LUA_TBOOLEAN: sqlite3_bind_int(q->statement, at, lua_toboolean(L, index)); break;
    case LUA_TNUMBER:
      if (lua_isinteger(L, index))
        sqlite3_bind_int64(q->statement, at, lua_tointeger(L, index));
      else sqlite3_bind_double(q->statement, at, lua_tonumber(L, index));
      break;
    default:
      text = luaL_checklstring(L, index, &length);
      sqlite3_bind_text64(q->statement, at, text, length, SQLITE_TRANSIENT, SQLITE_UTF8);
  }
}

/* Opens the file at argument 1 and prepares argument 2 with the rest.
** Returns 0, or the number of results that say why not. */
static int prepare (lua_State *L, query *q, int last) {
  const char *path = lua_tostring(L, 1), *sql = lua_tostring(L, 2);
  int i;
  if (access(path, F_OK) != 0) return fail(L, path, "there is no such inbox", AE_NOT_FOUND);
  if (sqlite3_open_v2(path, &q->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
    return fail(L, path, sqlite3_errmsg(q->db), AE_STORAGE);
  sqlite3_busy_timeout(q->db, BUSY_MS);
  if (sqlite3_prepare_v2(q->db, sql, -1, &q->statement, NULL) != SQLITE_OK)
    return fail(L, path, sqlite3_errmsg(q->db), AE_STORAGE);
  for (i = 3; i <= last; i++) bind(L, q, i, i - 2);
  return 0;
}

static void push_column (lua_State *L, sqlite3_stmt *statement, int i) {
  switch (sqlite3_column_type(statement, i)) {
    case SQLITE_NULL: lua_pushnil(L); break;
    case SQLITE_INTEGER: lua_pushinteger(L, sqlite3_column_int64(statement, i)); break;
    case SQLITE_FLOAT: lua_pushnumber(L, sqlite3_column_double(statement, i)); break;
    default: {
      const void *bytes = sqlite3_column_blob(statement, i);
      size_t length = (size_t)sqlite3_column_bytes(statement, i);
      lua_pushlstring(L, bytes == NULL ? "" : bytes, length);
    }
  }
}

static void push_row (lua_State *L, sqlite3_stmt *statement) {
  int i, count = sqlite3_column_count(statement);
  lua_createtable(L, 0, count);
  for (i = 0; i < count; i++) {
    push_column(L, statement, i);
    lua_setfield(L, -2, sqlite3_column_name(statement, i));
  }
}

/* Steps to the end; rows go into the table on the top, if `rows`. */
static int step_all (lua_State *L, query *q, bool rows) {
  lua_Integer count = 0;
  int result;
  while ((result = sqlite3_step(q->statement)) == SQLITE_ROW) {
    if (!rows) continue;
    push_row(L, q->statement);
    lua_rawseti(L, -2, ++count);
  }
  return result;
}

static int run (lua_State *L, bool rows) {
  int last = lua_gettop(L), failed;
  query *q;
  luaL_checkstring(L, 1);
  luaL_checkstring(L, 2);
  q = push_query(L);
  failed = prepare(L, q, last);
  if (failed != 0) return failed;
  if (rows) lua_newtable(L);
  if (step_all(L, q, rows) != SQLITE_DONE)
    return fail(L, lua_tostring(L, 1), sqlite3_errmsg(q->db), AE_STORAGE);
  if (!rows) lua_pushinteger(L, sqlite3_changes(q->db));
  return 1;
}

int ae_host_query (lua_State *L) {
  return run(L, true);
}

int ae_host_execute (lua_State *L) {
  return run(L, false);
}
