/*
** inbox_follow.c: what became of an inbox since a reader last looked, as a method of the
** inbox; see inbox/follow.h.
*/
#include "lua/host/inbox_private.h"

#include <lauxlib.h>

#include "inbox/follow.h"

/* inbox:follow(what [, after, most [, list]]) -> rows; or nil, message, code */
int ae_box_follow (lua_State *L) {
#define WORD(name, word) word,
  static const char *const words[] = {AE_FOLLOWS(WORD) NULL};
#undef WORD
  ae_ask *ask = ae_box_check(L);
  ae_follow_what what = (ae_follow_what)luaL_checkoption(L, 2, NULL, words);
  int64_t after = luaL_optinteger(L, 3, 0), most = luaL_optinteger(L, 4, -1);
  ae_error error;
  return ae_box_rows(L, ask, ae_follow(ask, what, after, most, ae_box_optional(L, 5), &error),
                     &error);
}
