/*
** options.h: what the functions of the module altinn.events.host have in
** common: how they fail, their options, the classes of objects.
*/
#ifndef ALTINN_EVENTS_HOST_OPTIONS_H
#define ALTINN_EVENTS_HOST_OPTIONS_H

#include "core/slice.h"
#include "lua/compat.h"

/* Pushes nil, message, code; returns 3. */
int ae_host_fail (lua_State *L, const ae_error *error);

/* Raises on a key of the table at 1 that is not in the list, which ends with
** NULL. `function` is the one whose options they are. */
void ae_host_check_options (lua_State *L, const char *const *known, const char *function);

/* A whole number from 0 to `most` in the table at `index`; `otherwise` where it
** is absent. */
lua_Integer ae_host_integer (lua_State *L, int index, const char *name, lua_Integer otherwise,
                             lua_Integer most);

/* The class of that name: its methods, and what closes an object, also when it
** is collected or goes out of scope. */
void ae_host_class (lua_State *L, const char *name, const luaL_Reg *methods,
                    lua_CFunction close);

#endif
