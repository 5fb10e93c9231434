/*
** curl.c: module altinn.events.curl, requests over libcurl for Lua.
*/
#include "net/curl.h"

#include "lua/compat.h"

#define MULTI "altinn.events.curl"

static ae_curl *check_multi (lua_State *L) {
  ae_curl **box = luaL_checkudata(L, 1, MULTI);
  if (!*box) luaL_argerror(L, 1, "closed");
  return *box;
}

/* Raises on an unknown option: a misspelt one would silently keep its default. */
static void check_options (lua_State *L) {
  lua_pushnil(L);
  while (lua_next(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2)
                                                      : luaL_typename(L, -2);
    if (strcmp(name, "connections") != 0 && strcmp(name, "per_site") != 0)
      luaL_error(L, "unknown option '%s' of curl.new: it takes connections and per_site",
                 name);
    lua_pop(L, 1);
  }
}

static unsigned check_count (lua_State *L, const char *name, lua_Integer otherwise) {
  lua_getfield(L, 1, name);
  lua_Integer count = luaL_optinteger(L, -1, otherwise);
  if (count <= 0 || count > 65536) luaL_error(L, "%s of curl.new: 1 to 65536", name);
  lua_pop(L, 1);
  return (unsigned)count;
}

/* new{ connections = exchanges that run at once (64), per_site = the most of these
** with one scheme, host and port (half of them) } -> multi */
static int curl_new (lua_State *L) {
  unsigned connections, per_site;
  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    lua_newtable(L);
    lua_replace(L, 1);
  }
  luaL_checktype(L, 1, LUA_TTABLE);
  check_options(L);
  connections = check_count(L, "connections", 64);
  per_site = check_count(L, "per_site", (connections + 1) / 2);
  ae_curl **box = lua_newuserdata(L, sizeof *box);
  *box = NULL;
  luaL_setmetatable(L, MULTI);
  *box = ae_curl_new(connections, per_site);
  if (*box == NULL) return luaL_error(L, "libcurl could not be started: out of memory");
  return 1;
}

static int multi_close (lua_State *L) {
  ae_curl **box = luaL_checkudata(L, 1, MULTI);
  ae_curl_free(*box);
  *box = NULL;
  return 0;
}

static bool is_clean (ae_slice text) {
  for (size_t i = 0; i < text.length; i++)
    if (text.data[i] == '\r' || text.data[i] == '\n' || text.data[i] == '\0') return false;
  return true;
}

static ae_slice to_slice (lua_State *L, int index) {
  ae_slice slice;
  slice.data = lua_tolstring(L, index, &slice.length);
  return slice;
}

/* The headers of the table at the top, in a userdata left on the stack. */
static const ae_field *read_headers (lua_State *L, int headers, size_t *count) {
  size_t n = 0;
  lua_pushnil(L);
  while (lua_next(L, headers)) {
    n++;
    lua_pop(L, 1);
  }
  ae_field *fields = lua_newuserdata(L, (n + 1) * sizeof(*fields));
  *count = 0;
  lua_pushnil(L);
  while (*count < n && lua_next(L, headers)) {
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
      luaL_error(L, "headers: names and values must be strings");
    fields[*count].name = to_slice(L, -2);
    fields[*count].value = to_slice(L, -1);
    if (!is_clean(fields[*count].name) || !is_clean(fields[*count].value))
      luaL_error(L, "headers: a line break or NUL in a name or value");
    (*count)++;
    lua_pop(L, 1);
  }
  return fields;
}

static const char *field_string (lua_State *L, const char *name, const char *otherwise) {
  lua_getfield(L, 2, name);
  if (lua_isnil(L, -1) && otherwise) return otherwise;
  if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "request.%s must be a string", name);
  ae_slice text = to_slice(L, -1);
  if (strlen(text.data) != text.length) luaL_error(L, "request.%s holds a NUL", name);
  return text.data;
}

static lua_Number field_number (lua_State *L, const char *name) {
  lua_getfield(L, 2, name);
  lua_Number value = luaL_optnumber(L, -1, 0);
  if (!(value >= 0)) luaL_error(L, "request.%s must not be negative", name);
  return value;
}

/* A text of the table at `index`; NULL: none. */
static const char *text_of (lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  if (lua_isnil(L, -1)) return NULL;
  if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "request.%s must be a string", name);
  ae_slice text = to_slice(L, -1);
  if (strlen(text.data) != text.length || !is_clean(text))
    luaL_error(L, "request.%s holds a line break or a NUL", name);
  return text.data;
}

/* The recipients of mail.to, in a userdata left on the stack. */
static void read_recipients (lua_State *L, int mail, ae_carriage *carriage) {
  lua_getfield(L, mail, "to");
  if (lua_isnil(L, -1)) return;
  luaL_checktype(L, -1, LUA_TTABLE);
  int list = lua_gettop(L);
  size_t count = lua_rawlen(L, list);
  const char **to = lua_newuserdata(L, (count + 1) * sizeof *to);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, list, (int)i + 1);
    if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "mail.to: strings are wanted");
    ae_slice text = to_slice(L, -1); /* stays in the list */
    if (strlen(text.data) != text.length || !is_clean(text))
      luaL_error(L, "mail.to holds a line break or a NUL");
    to[i] = text.data;
    lua_pop(L, 1);
  }
  carriage->to = to;
  carriage->to_count = count;
}

/* request.mail = { from, to = { … }, plain }, or request.upload = { rename, known_hosts,
** key_file }; user and password of both. Texts stay on the stack. */
static void read_carriage (lua_State *L, ae_carriage *carriage) {
  luaL_checkstack(L, 16, "request");
  lua_getfield(L, 2, "mail");
  lua_getfield(L, 2, "upload");
  int upload = lua_gettop(L), mail = upload - 1;
  bool is_mail = lua_istable(L, mail), is_upload = lua_istable(L, upload);
  if (!is_mail && !is_upload) return;
  int table = is_mail ? mail : upload;
  carriage->way = is_mail ? AE_WAY_MAIL : AE_WAY_UPLOAD;
  carriage->user = text_of(L, table, "user");
  carriage->password = text_of(L, table, "password");
  if (is_mail) {
    carriage->from = text_of(L, table, "from");
    lua_getfield(L, table, "plain");
    carriage->plain = lua_toboolean(L, -1);
    read_recipients(L, table, carriage);
  } else {
    carriage->rename = text_of(L, table, "rename");
    carriage->known_hosts = text_of(L, table, "known_hosts");
    carriage->key_file = text_of(L, table, "key_file");
    if (carriage->known_hosts == NULL) luaL_error(L, "upload.known_hosts is missing");
  }
}

/* request.proxy: an address; false: none; nil: the one of the environment. */
static const char *read_proxy (lua_State *L) {
  lua_getfield(L, 2, "proxy");
  if (lua_isboolean(L, -1) && !lua_toboolean(L, -1)) return "";
  lua_pop(L, 1);
  return text_of(L, 2, "proxy");
}

/* multi:add(request) -> id. With request.sink (true, or a function that is not
** called here) multi:step returns the body of a 2xx reply in parts. */
static int multi_add (lua_State *L) {
  ae_curl *curl = check_multi(L);
  ae_request request = {0};
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  request.method = field_string(L, "method", "GET");
  request.url = field_string(L, "url", NULL);
  request.timeout = field_number(L, "timeout");
  request.max_body = (size_t)field_number(L, "max_body");
  lua_getfield(L, 2, "ca_file");
  bool own_authorities = !lua_isnil(L, -1);
  lua_pop(L, 1);
  if (own_authorities) request.ca_file = field_string(L, "ca_file", NULL);
  lua_getfield(L, 2, "sink");
  request.stream = lua_toboolean(L, -1);
  lua_getfield(L, 2, "body");
  if (!lua_isnil(L, -1)) {
    if (lua_type(L, -1) != LUA_TSTRING) return luaL_error(L, "request.body must be a string");
    request.body = to_slice(L, -1);
  }
  lua_getfield(L, 2, "headers");
  if (!lua_isnil(L, -1)) {
    luaL_checktype(L, -1, LUA_TTABLE);
    request.headers = read_headers(L, lua_gettop(L), &request.header_count);
  }
  request.proxy = read_proxy(L);
  read_carriage(L, &request.carriage);
  uint64_t id = ae_curl_add(curl, &request);
  if (id == 0) return luaL_error(L, "the request cannot be prepared: out of memory?");
  lua_pushinteger(L, (lua_Integer)id);
  return 1;
}

/* Header lines -> a table of lower-case names; fields that come more than
** once are joined by ", " (RFC 9110 §5.3). */
static void push_headers (lua_State *L, ae_slice text) {
  lua_newtable(L);
  const char *p = text.data, *end = p + text.length;
  while (p && p < end) {
    const char *line_end = memchr(p, '\n', (size_t)(end - p));
    const char *stop = line_end ? line_end : end;
    const char *colon = memchr(p, ':', (size_t)(stop - p));
    const char *next = line_end ? line_end + 1 : end;
    if (colon) {
      luaL_Buffer name;
      luaL_buffinit(L, &name);
      for (const char *c = p; c < colon; c++)
        luaL_addchar(&name, (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c));
      luaL_pushresult(&name);
      for (colon++; colon < stop && (*colon == ' ' || *colon == '\t');) colon++;
      while (stop > colon && (stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t')) stop--;
      lua_pushvalue(L, -1);
      lua_rawget(L, -3);
      bool again = !lua_isnil(L, -1);
      if (again) lua_pushliteral(L, ", ");
      else lua_pop(L, 1);
      lua_pushlstring(L, colon, (size_t)(stop - colon));
      if (again) lua_concat(L, 3);
      lua_rawset(L, -3);
    }
    p = next;
  }
}

/* Sets a field to true; leaves it out when `value` is false. */
static void set_flag (lua_State *L, const char *name, bool value) {
  if (!value) return;
  lua_pushboolean(L, 1);
  lua_setfield(L, -2, name);
}

/* Pushes { id, status, headers, body, proxied = true }. A failed exchange also has
** error, code, stage (of the code "network") and not_sent = whether it is certain that no
** byte of the request was written. */
static void push_reply (lua_State *L, const ae_reply *reply) {
  lua_createtable(L, 0, 8);
  lua_pushinteger(L, (lua_Integer)reply->id);
  lua_setfield(L, -2, "id");
  lua_pushinteger(L, (lua_Integer)reply->status);
  lua_setfield(L, -2, "status");
  push_headers(L, reply->header_text);
  lua_setfield(L, -2, "headers");
  lua_pushlstring(L, reply->body.data ? reply->body.data : "", reply->body.length);
  lua_setfield(L, -2, "body");
  set_flag(L, "proxied", reply->proxied);
  if (reply->code != AE_OK) {
    lua_pushstring(L, reply->message);
    lua_setfield(L, -2, "error");
    lua_pushstring(L, ae_code_name(reply->code));
    lua_setfield(L, -2, "code");
    if (reply->stage != AE_NO_STAGE) {
      lua_pushstring(L, ae_stage_name(reply->stage));
      lua_setfield(L, -2, "stage");
    }
    lua_pushboolean(L, reply->not_sent);
    lua_setfield(L, -2, "not_sent");
  }
}

static void push_part (lua_State *L, const ae_part *part) {
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, (lua_Integer)part->id);
  lua_setfield(L, -2, "id");
  lua_pushinteger(L, (lua_Integer)part->status);
  lua_setfield(L, -2, "status");
  push_headers(L, part->header_text);
  lua_setfield(L, -2, "headers");
  lua_pushlstring(L, part->bytes.data, part->bytes.length);
  lua_setfield(L, -2, "part");
}

/* multi:step(timeout, descriptor) -> list of finished exchanges, and of parts
** { id, status, headers, part }. The next part of an exchange comes only after
** multi:more(id). */
static int multi_step (lua_State *L) {
  ae_curl *curl = check_multi(L);
  lua_Number timeout = luaL_optnumber(L, 2, 0);
  int descriptor = (int)luaL_optinteger(L, 3, -1);
  ae_curl_step(curl, timeout, descriptor);
  ae_reply reply;
  ae_part part;
  int i = 1;
  lua_newtable(L);
  for (; ae_curl_part(curl, &part); i++) {
    push_part(L, &part);
    lua_rawseti(L, -2, i);
  }
  for (; ae_curl_next(curl, &reply); i++) {
    push_reply(L, &reply);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

/* multi:more(id) -> whether a part was out. Lets the body go on. */
static int multi_more (lua_State *L) {
  ae_curl *curl = check_multi(L);
  lua_pushboolean(L, ae_curl_more(curl, (uint64_t)luaL_checkinteger(L, 2)));
  return 1;
}

/* multi:cancel(id) -> whether it was under way */
static int multi_cancel (lua_State *L) {
  ae_curl *curl = check_multi(L);
  lua_pushboolean(L, ae_curl_cancel(curl, (uint64_t)luaL_checkinteger(L, 2)));
  return 1;
}

/* multi:count() -> number of requests whose reply was not returned yet */
static int multi_count (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)ae_curl_count(check_multi(L)));
  return 1;
}

/* multi:perform(request) -> reply | nil, message, code, reply. Blocks; other
** exchanges of this multi that end meanwhile are dropped. */
static int multi_perform (lua_State *L) {
  ae_curl *curl = check_multi(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_getfield(L, 2, "sink");
  if (lua_toboolean(L, -1))
    return luaL_error(L, "perform gives whole bodies: a sink goes with add and step");
  multi_add(L);
  uint64_t id = (uint64_t)lua_tointeger(L, -1);
  ae_reply reply;
  for (;;) {
    ae_curl_step(curl, 60, -1);
    while (ae_curl_next(curl, &reply)) {
      if (reply.id != id) continue;
      if (reply.code != AE_OK) {
        lua_pushnil(L);
        lua_pushstring(L, reply.message);
        lua_pushstring(L, ae_code_name(reply.code));
      }
      push_reply(L, &reply);
      return reply.code == AE_OK ? 1 : 4;
    }
  }
}

static int multi_tostring (lua_State *L) {
  ae_curl **box = luaL_checkudata(L, 1, MULTI);
  if (*box) lua_pushfstring(L, MULTI ": %d under way", (int)ae_curl_count(*box));
  else lua_pushliteral(L, MULTI ": closed");
  return 1;
}

static const luaL_Reg methods[] = {{"add", multi_add},       {"step", multi_step},
                                   {"cancel", multi_cancel}, {"count", multi_count},
                                   {"more", multi_more},     {"perform", multi_perform},
                                   {"close", multi_close},   {NULL, NULL}};

/* has_sftp() -> whether libcurl carries files over SFTP */
static int curl_has_sftp (lua_State *L) {
  lua_pushboolean(L, ae_curl_has_sftp());
  return 1;
}

static const luaL_Reg functions[] = {
  {"new", curl_new}, {"has_sftp", curl_has_sftp}, {NULL, NULL}};

AE_EXPORT int luaopen_altinn_events_curl (lua_State *L);
AE_EXPORT int luaopen_altinn_events_curl (lua_State *L) {
  ae_check_version(L);
  if (luaL_newmetatable(L, MULTI)) {
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, multi_close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, multi_close);
    lua_setfield(L, -2, "__close");
    lua_pushcfunction(L, multi_tostring);
    lua_setfield(L, -2, "__tostring");
  }
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
