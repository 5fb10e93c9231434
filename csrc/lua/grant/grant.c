/*
** grant.c: module altinn.events.grant, keys and signatures for Lua. A userdata owns
** all memory that the C side allocates, before Lua can raise.
*/
#include "net/grant.h"

#include "lua/compat.h"
#include "lua/hex.h"

#define KEY "altinn.events.grant.key"
#define BYTES "altinn.events.grant.bytes"

/* {====================================================================
** Bytes, failures
** ===================================================================== */

static int bytes_gc (lua_State *L) {
  ae_bytes_free(luaL_checkudata(L, 1, BYTES));
  return 0;
}

/* Pushes a userdata with empty bytes; its collection wipes and frees them. */
static ae_bytes *push_bytes (lua_State *L) {
  ae_bytes *bytes = lua_newuserdata(L, sizeof(*bytes));
  *bytes = (ae_bytes){0};
  luaL_setmetatable(L, BYTES);
  return bytes;
}

/* Pushes the bytes as a string, and wipes and frees them at once. */
static void push_text (lua_State *L, ae_bytes *bytes) {
  lua_pushlstring(L, bytes->data ? bytes->data : "", bytes->length);
  ae_bytes_free(bytes);
}

/* Pushes nil, message, code, { reason = }. `where` may be NULL. */
static int push_failure (lua_State *L, const ae_grant_error *error, const char *where,
                         const char *path) {
  lua_pushnil(L);
  if (where) lua_pushfstring(L, "%s '%s': %s", where, path, error->error.message);
  else lua_pushstring(L, error->error.message);
  lua_pushstring(L, ae_code_name(error->error.code));
  lua_createtable(L, 0, 1);
  lua_pushstring(L, ae_grant_reason_name(error->reason));
  lua_setfield(L, -2, "reason");
  return 4;
}

static ae_slice check_slice (lua_State *L, int index) {
  ae_slice slice;
  slice.data = luaL_checklstring(L, index, &slice.length);
  return slice;
}

/* }==================================================================== */

/* {====================================================================
** Keys
** ===================================================================== */

static ae_grant_key *check_key (lua_State *L) {
  ae_grant_key **box = luaL_checkudata(L, 1, KEY);
  if (!*box) luaL_argerror(L, 1, "closed");
  return *box;
}

static void check_names (lua_State *L) {
  static const char *const names[] = {"key", "key_file",    "passphrase",
                                      "kid", "certificate", "certificate_file"};
  lua_pushnil(L);
  while (lua_next(L, 1)) {
    bool known = false;
    for (size_t i = 0; lua_type(L, -2) == LUA_TSTRING && i < sizeof names / sizeof *names; i++)
      known = known || strcmp(lua_tostring(L, -2), names[i]) == 0;
    if (!known) {
      lua_pop(L, 1);
      luaL_error(
        L,
        "unknown option '%s' of grant.key: there are key, key_file, passphrase, kid, certificate "
        "and certificate_file",
        lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : luaL_typename(L, -1));
    }
    lua_pop(L, 1);
  }
}

/* An option, which is left on the stack; absent when it is nil. */
static ae_slice option (lua_State *L, const char *name) {
  ae_slice slice = {0};
  lua_getfield(L, 1, name);
  if (lua_isnil(L, -1)) return slice;
  if (lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "option '%s' of grant.key must be a string", name);
  slice.data = lua_tolstring(L, -1, &slice.length);
  return slice;
}

/* Reads the file that an option names; its content stays on the stack. Returns 0, or
** on failure the number of values pushed, for the caller to return. */
static int read_option (lua_State *L, const char *name, const char *where, ae_slice *text,
                        const char **path) {
  ae_grant_error error;
  ae_slice file = option(L, name);
  *path = file.data;
  if (!file.data) return 0;
  if (text->data) return luaL_error(L, "give '%s' as a text or as a file, not both", where);
  if (strlen(file.data) != file.length)
    return luaL_error(L, "option '%s' of grant.key holds a NUL", name);
  ae_bytes *bytes = push_bytes(L);
  if (ae_grant_read(file.data, bytes, &error) != AE_OK) {
    ae_bytes_free(bytes);
    return push_failure(L, &error, where, file.data);
  }
  *text = (ae_slice){bytes->data, bytes->length};
  return 0;
}

static bool is_of_certificate (ae_grant_reason reason) {
  return reason == AE_GRANT_NOT_A_CERTIFICATE || reason == AE_GRANT_CERTIFICATE_MISMATCH ||
         reason == AE_GRANT_CERTIFICATE_EXPIRED || reason == AE_GRANT_CERTIFICATE_EARLY;
}

/* key{ key= | key_file=, passphrase=, kid= | certificate= | certificate_file= }
** -> key | nil, message, code, { reason= } */
static int grant_key (lua_State *L) {
  ae_grant_error error;
  ae_grant_source source;
  const char *key_path, *certificate_path;
  int failed;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  check_names(L);
  source.key = option(L, "key");
  source.passphrase = option(L, "passphrase");
  source.kid = option(L, "kid");
  source.certificate = option(L, "certificate");
  luaL_checkstack(L, 16, NULL);
  if ((failed = read_option(L, "key_file", "key_file", &source.key, &key_path)) != 0)
    return failed;
  if ((failed = read_option(L, "certificate_file", "certificate_file", &source.certificate,
                            &certificate_path)) != 0)
    return failed;
  luaL_argcheck(L, source.key.data, 1, "'key' or 'key_file' is missing");
  luaL_argcheck(L, !source.kid.data || !source.certificate.data, 1,
                "give 'kid' or a certificate, not both");
  ae_grant_key **box = lua_newuserdata(L, sizeof(*box));
  *box = NULL;
  luaL_setmetatable(L, KEY);
  if (ae_grant_load(&source, box, &error) == AE_OK) return 1;
  if (is_of_certificate(error.reason) && certificate_path)
    return push_failure(L, &error, "certificate_file", certificate_path);
  return push_failure(L, &error, key_path ? "key_file" : NULL, key_path);
}

static int key_close (lua_State *L) {
  ae_grant_key **box = luaL_checkudata(L, 1, KEY);
  ae_grant_free(*box);
  *box = NULL;
  return 0;
}

/* key:sign(claims_json [, algorithm = "RS256"]) -> jwt | nil, message, code, detail */
static int key_sign (lua_State *L) {
  ae_grant_error error;
  ae_grant_key *key = check_key(L);
  ae_slice claims = check_slice(L, 2), algorithm = AE_LITERAL("RS256");
  if (!lua_isnoneornil(L, 3)) algorithm = check_slice(L, 3);
  ae_bytes *jwt = push_bytes(L);
  if (ae_grant_sign(key, claims, algorithm, jwt, &error) != AE_OK) {
    ae_bytes_free(jwt);
    return push_failure(L, &error, NULL, NULL);
  }
  push_text(L, jwt);
  return 1;
}

/* key:public() -> PEM | nil, message, code, detail */
static int key_public (lua_State *L) {
  ae_grant_error error;
  ae_grant_key *key = check_key(L);
  ae_bytes *pem = push_bytes(L);
  if (ae_grant_public(key, pem, &error) != AE_OK) return push_failure(L, &error, NULL, NULL);
  push_text(L, pem);
  return 1;
}

/* key:named() -> "kid" | "x5c" | nil: the header field that names the key */
static int key_named (lua_State *L) {
  ae_grant_key *key = check_key(L);
  if (ae_grant_certificates(key) > 0) lua_pushliteral(L, "x5c");
  else if (ae_grant_kid(key).length > 0) lua_pushliteral(L, "kid");
  else lua_pushnil(L);
  return 1;
}

static int key_tostring (lua_State *L) {
  ae_grant_key **box = luaL_checkudata(L, 1, KEY);
  if (!*box) {
    lua_pushliteral(L, KEY ": closed");
    return 1;
  }
  ae_slice kid = ae_grant_kid(*box);
  lua_pushfstring(L, KEY ": RSA, %d bits, ", ae_grant_bits(*box));
  if (ae_grant_certificates(*box) > 0)
    lua_pushfstring(L, "%d in x5c", ae_grant_certificates(*box));
  else if (kid.length == 0) lua_pushliteral(L, "no kid and no certificate");
  else {
    lua_pushliteral(L, "kid ");
    lua_pushlstring(L, kid.data, kid.length);
    lua_concat(L, 2);
  }
  lua_concat(L, 2);
  return 1;
}

/* }==================================================================== */

/* {====================================================================
** Functions
** ===================================================================== */

static int push_parts (lua_State *L, ae_code code, ae_bytes *header, ae_bytes *claims,
                       const ae_grant_error *error) {
  if (code != AE_OK) {
    ae_bytes_free(header);
    ae_bytes_free(claims);
    return push_failure(L, error, NULL, NULL);
  }
  push_text(L, header);
  push_text(L, claims);
  return 2;
}

/* verify(jwt [, public]) -> header_json, claims_json | nil, message, code, detail */
static int grant_verify (lua_State *L) {
  ae_grant_error error;
  ae_slice jwt = check_slice(L, 1), key = {0};
  if (!lua_isnoneornil(L, 2)) key = check_slice(L, 2);
  ae_bytes *header = push_bytes(L), *claims = push_bytes(L);
  ae_code code = ae_grant_verify(jwt, key, header, claims, &error);
  return push_parts(L, code, header, claims, &error);
}

/* inspect(jwt) -> header_json, claims_json | nil, message, code, detail; nothing is verified */
static int grant_inspect (lua_State *L) {
  ae_grant_error error;
  ae_slice jwt = check_slice(L, 1);
  ae_bytes *header = push_bytes(L), *claims = push_bytes(L);
  ae_code code = ae_grant_split(jwt, header, claims, NULL, &error);
  return push_parts(L, code, header, claims, &error);
}

/* random(n) -> n random octets */
static int grant_random (lua_State *L) {
  unsigned char octets[1024];
  lua_Integer size = luaL_checkinteger(L, 1);
  luaL_argcheck(L, size > 0 && size <= (lua_Integer)sizeof octets, 1, "1 to 1024");
  if (!ae_grant_random(octets, (size_t)size))
    return luaL_error(L, "the system gives no random numbers");
  lua_pushlstring(L, (const char *)octets, (size_t)size);
  return 1;
}

static const char hex_digits[] = "0123456789abcdef";

/* hmac_sha256(key, text) -> 64 hexadecimal digits; the key is bytes, not their hexadecimal form */
static int grant_hmac_sha256 (lua_State *L) {
  unsigned char digest[AE_GRANT_SHA256];
  ae_slice key = check_slice(L, 1), text = check_slice(L, 2);
  if (!ae_grant_hmac_sha256(key, text, digest))
    return luaL_error(L, "OpenSSL gives no HMAC of SHA-256");
  ae_push_hex(L, digest, sizeof digest);
  return 1;
}

/* uuid() -> a random UUID (RFC 9562 §5.4) */
static int grant_uuid (lua_State *L) {
  unsigned char octets[16];
  char text[36];
  size_t at = 0;
  if (!ae_grant_random(octets, sizeof octets))
    return luaL_error(L, "the system gives no random numbers");
  octets[6] = (unsigned char)((octets[6] & 0x0F) | 0x40);
  octets[8] = (unsigned char)((octets[8] & 0x3F) | 0x80);
  for (size_t i = 0; i < sizeof octets; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
    text[at++] = hex_digits[octets[i] >> 4];
    text[at++] = hex_digits[octets[i] & 15];
  }
  lua_pushlstring(L, text, sizeof text);
  return 1;
}

/* }==================================================================== */

static const luaL_Reg methods[] = {{"sign", key_sign},
                                   {"public", key_public},
                                   {"named", key_named},
                                   {"close", key_close},
                                   {NULL, NULL}};

static const luaL_Reg functions[] = {{"key", grant_key},
                                     {"verify", grant_verify},
                                     {"inspect", grant_inspect},
                                     {"random", grant_random},
                                     {"uuid", grant_uuid},
                                     {"hmac_sha256", grant_hmac_sha256},
                                     {NULL, NULL}};

static void make_metatables (lua_State *L) {
  if (luaL_newmetatable(L, BYTES)) {
    lua_pushcfunction(L, bytes_gc);
    lua_setfield(L, -2, "__gc");
  }
  if (luaL_newmetatable(L, KEY)) {
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, key_close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, key_close);
    lua_setfield(L, -2, "__close");
    lua_pushcfunction(L, key_tostring);
    lua_setfield(L, -2, "__tostring");
  }
  lua_pop(L, 2);
}

AE_EXPORT int luaopen_altinn_events_grant (lua_State *L);
AE_EXPORT int luaopen_altinn_events_grant (lua_State *L) {
  ae_check_version(L);
  make_metatables(L);
  luaL_newlib(L, functions);
  return 1;
}
