/*
** numbers.c: see numbers.h.
*/
#include "lua/numbers.h"

#include <stdio.h>
#include <stdlib.h>

size_t ae_lua_number_text (lua_State *L, int index, char text[AE_NUMBER_BYTES]) {
  int64_t integer;
  lua_Number number;
  int length, digits = 15; /* 17 always read back to the same number */
  if (ae_to_integer(L, index, &integer))
    return (size_t)snprintf(text, AE_NUMBER_BYTES, "%lld", (long long)integer);
  number = lua_tonumber(L, index);
  if (number != number || number - number != 0) return 0;
  do length = snprintf(text, AE_NUMBER_BYTES, "%.*g", digits++, number);
  while (digits <= 17 && strtod(text, NULL) != number);
  for (char *c = text; *c != '\0'; c++)
    if (*c == ',') *c = '.';         /* a locale's comma */
  if (strpbrk(text, ".e") == NULL) { /* beyond 2^53: so that it is read as a float again */
    memcpy(text + length, ".0", 3);
    length += 2;
  }
  return (size_t)length;
}
