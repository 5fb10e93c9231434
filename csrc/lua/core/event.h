/*
** event.h: events as Lua objects: a userdata that holds the ae_event, its
** attributes and its text.
*/
#ifndef ALTINN_EVENTS_LUA_EVENT_H
#define ALTINN_EVENTS_LUA_EVENT_H

#include "core/event.h"
#include "lua/compat.h"

#define AE_EVENT_NAME "altinn.events.event"

/* The event at a stack index, or NULL when the value is no event. */
ae_event *ae_lua_toevent (lua_State *L, int index);
/* The same; raises an argument error when the value is no event. */
ae_event *ae_lua_checkevent (lua_State *L, int index);

/* Pushes a block with an event, room for `slots` attributes, and `text_length` bytes
** at *text. Lua does not see the block as an event yet. */
ae_event *ae_lua_new_event (lua_State *L, size_t slots, size_t text_length, char **text);
/* Makes the block at the top an event for Lua. Only functions of the module may call
** it: it uses their first upvalue, see below. */
void ae_lua_become_event (lua_State *L);

/* Pushes nil, message, code, detail; returns 4. `faults` may be NULL. */
int ae_lua_fail (lua_State *L, const ae_error *error, const ae_faults *faults);

/* Reads the headers of the table at `index` (above 0), and leaves a userdata with
** them on the stack. A value may be a list: OpenResty gives one for a field that
** came more than once. */
const ae_header *ae_lua_read_headers (lua_State *L, int index, size_t *count);

/* Registers the metatable of events and pushes it. */
void ae_lua_event_open (lua_State *L);

/* Functions of the module. Their first upvalue is the metatable of events. */
int ae_lua_parse (lua_State *L);
int ae_lua_parse_batch (lua_State *L);
int ae_lua_from_http (lua_State *L);
int ae_lua_encode (lua_State *L);
int ae_lua_next (lua_State *L);
int ae_lua_time (lua_State *L);

/* build.c: one more function of the module. */
int ae_lua_build (lua_State *L);

/* data.c: pushes the Lua value of a checked JSON text. */
void ae_lua_push_json (lua_State *L, ae_slice text);
/* data.c: replaces the value at the top by its JSON text; raises when the value has
** no JSON form. */
void ae_lua_to_json (lua_State *L);
/* data.c: registers the metatable that marks empty arrays. */
void ae_lua_data_open (lua_State *L);

/* webhook.c: adds its functions to the table at the top. */
void ae_lua_webhook_open (lua_State *L);

/* matcher.c: registers the metatable of matchers; new() -> matcher. */
void ae_lua_matcher_open (lua_State *L);
int ae_lua_matcher_new (lua_State *L);

#endif
