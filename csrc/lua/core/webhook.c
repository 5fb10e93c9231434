/*
** webhook.c: the functions of the core that altinn.events.webhook uses.
*/
#include "lua/core/event.h"

#include "core/json.h"

/* http_mode(headers) -> "structured" | "batch" | "binary" | "unsupported" */
static int webhook_http_mode (lua_State *L) {
  static const char *const names[] = {"structured", "batch", "binary", "unsupported"};
  size_t count;
  lua_settop(L, 1);
  const ae_header *headers = ae_lua_read_headers(L, 1, &count);
  lua_pushstring(L, names[ae_http_mode(headers, count)]);
  return 1;
}

/* quote(text) -> a JSON string, quoted as in the host's answers */
static int webhook_quote (lua_State *L) {
  ae_slice text;
  text.data = luaL_checklstring(L, 1, &text.length);
  size_t size = ae_json_quote(text, NULL, 0);
  char *out = lua_newuserdata(L, size + 1);
  lua_pushlstring(L, out, ae_json_quote(text, out, size));
  return 1;
}

/* same(a, b) -> boolean. Its running time depends on the lengths only. */
static int webhook_same (lua_State *L) {
  size_t length, other;
  const char *a = luaL_checklstring(L, 1, &length);
  const char *b = luaL_checklstring(L, 2, &other);
  volatile unsigned char difference = 0;
  for (size_t i = 0; i < length && i < other; i++)
    difference = (unsigned char)(difference | (a[i] ^ b[i]));
  lua_pushboolean(L, length == other && difference == 0);
  return 1;
}

void ae_lua_webhook_open (lua_State *L) {
  lua_pushcfunction(L, webhook_http_mode);
  lua_setfield(L, -2, "http_mode");
  lua_pushcfunction(L, webhook_quote);
  lua_setfield(L, -2, "quote");
  lua_pushcfunction(L, webhook_same);
  lua_setfield(L, -2, "same");
}
