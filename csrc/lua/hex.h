/*
** hex.h: bytes as hexadecimal digits, for Lua.
*/
#ifndef ALTINN_EVENTS_LUA_HEX_H
#define ALTINN_EVENTS_LUA_HEX_H

#include <assert.h>

#include "lua/compat.h"

#define AE_HEX_MOST 64 /* bytes */

/* Pushes at most AE_HEX_MOST bytes as hexadecimal digits in lower case. */
static inline void ae_push_hex (lua_State *L, const unsigned char *bytes, size_t count) {
  static const char digits[] = "0123456789abcdef";
  char text[2 * AE_HEX_MOST];
  assert(count <= AE_HEX_MOST);
  for (size_t i = 0; i < count; i++) {
    text[2 * i] = digits[bytes[i] >> 4];
    text[2 * i + 1] = digits[bytes[i] & 15];
  }
  lua_pushlstring(L, text, 2 * count);
}

#endif
