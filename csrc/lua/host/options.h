/*
** options.h: helpers for the functions of the module altinn.events.host: failures,
** options, and classes of objects.
*/
#ifndef ALTINN_EVENTS_HOST_OPTIONS_H
#define ALTINN_EVENTS_HOST_OPTIONS_H

#include "core/slice.h"
#include "lua/compat.h"

/* Pushes nil, message, code; returns 3. */
int ae_host_fail (lua_State *L, const ae_error *error);

/* Raises on a key of the table at index 1 that is not in `known`, a list that ends with
** NULL. The message names the function `function`. */
void ae_host_check_options (lua_State *L, const char *const *known, const char *function);

/* Reads a field of the table at `index`: a whole number from 0 to `most`; `otherwise`
** when it is absent. Raises on anything else. */
lua_Integer ae_host_integer (lua_State *L, int index, const char *name, lua_Integer otherwise,
                             lua_Integer most);

/* The text of package.NAME, which stays on the stack. */
const char *ae_host_package (lua_State *L, const char *name);

/* Registers a class: its methods, and the function that closes an object. Lua calls
** `close` also when an object is collected or goes out of scope. */
void ae_host_class (lua_State *L, const char *name, const luaL_Reg *methods,
                    lua_CFunction close);

#endif
