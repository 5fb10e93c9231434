/*
** core.c: module altinn.events.core, the C half of altinn.events.
*/
#include "lua/core/altinn.h"
#include "lua/core/event.h"
#include "lua/core/partial.h"
#include "lua/hex.h"

#include "core/catalogue.h"
#include "core/judge.h"
#include "core/loopback.h"
#include "core/mask.h"
#include "core/sha256.h"

static ae_slice check_slice (lua_State *L, int index) {
  ae_slice text;
  luaL_checktype(L, index, LUA_TSTRING);
  text.data = lua_tolstring(L, index, &text.length);
  return text;
}

/* sha256(text) -> 64 hexadecimal digits */
static int core_sha256 (lua_State *L) {
  unsigned char digest[AE_SHA256_BYTES];
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  ae_sha256 sum;
  ae_sha256_begin(&sum);
  ae_sha256_add(&sum, text, length);
  ae_sha256_end(&sum, digest);
  ae_push_hex(L, digest, sizeof digest);
  return 1;
}

/* mask(text) -> text */
static int core_mask (lua_State *L) {
  ae_slice text = check_slice(L, 1);
  char *out = lua_newuserdata(L, text.length + 1);
  ae_mask(text, out);
  lua_pushlstring(L, out, text.length);
  return 1;
}

/* type_named(short name or full type) -> full type | nil */
static int core_type_named (lua_State *L) {
  const ae_event_type *type = ae_catalogue_name(check_slice(L, 1));
  if (!type) return 0;
  lua_pushstring(L, type->type);
  return 1;
}

/* type_known(full type) -> boolean */
static int core_type_known (lua_State *L) {
  lua_pushboolean(L, ae_catalogue_type(check_slice(L, 1)) != NULL);
  return 1;
}

/* suggest(word) -> the nearest name or type | nil */
static int core_suggest (lua_State *L) {
  lua_pushstring(L, ae_catalogue_suggest(check_slice(L, 1)));
  return 1;
}

/* is_json(media type) -> boolean */
static int core_is_json (lua_State *L) {
  lua_pushboolean(L, ae_media_type_is_json(check_slice(L, 1)));
  return 1;
}

/* is_utf8(text) -> boolean */
static int core_is_utf8 (lua_State *L) {
  lua_pushboolean(L, ae_text_is_utf8(check_slice(L, 1)));
  return 1;
}

/* is_loopback(host, without a port) -> boolean */
static int core_is_loopback (lua_State *L) {
  lua_pushboolean(L, ae_host_is_loopback(check_slice(L, 1)));
  return 1;
}

/* json(value) -> JSON text */
static int core_json (lua_State *L) {
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  ae_lua_to_json(L);
  return 1;
}

static int core_is_event (lua_State *L) {
  lua_pushboolean(L, ae_lua_toevent(L, 1) != NULL);
  return 1;
}

static void set_slice (lua_State *L, const char *name, ae_slice text) {
  if (!text.data) return;
  lua_pushlstring(L, text.data, text.length);
  lua_setfield(L, -2, name);
}

static void set_text (lua_State *L, const char *name, const char *text) {
  if (!text) return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, name);
}

static void set_boolean (lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

/* Sets a field to an e-mail address or user name, percent-decoded once. A text that
** would decode to invalid UTF-8 is set as it is. */
static void set_name (lua_State *L, const char *name, ae_slice text) {
  char *out = lua_newuserdata(L, text.length + 1);
  ae_slice decoded = {out, ae_percent_decode(text, out)};
  if (!ae_text_is_utf8(decoded)) decoded = text;
  lua_pushlstring(L, decoded.data, decoded.length);
  lua_setfield(L, -3, name);
  lua_pop(L, 1);
}

static void push_party (lua_State *L, const ae_party *party) {
  bool encoded = party->kind == AE_PARTY_EMAIL || party->kind == AE_PARTY_SELF_IDENTIFIED;
  lua_createtable(L, 0, 2);
  set_text(L, "kind", ae_party_kind_name(party->kind));
  if (encoded) set_name(L, "number", party->number);
  else set_slice(L, "number", party->number);
  lua_setfield(L, -2, "party");
}

/* describe(event) -> table */
static int core_describe (lua_State *L) {
  ae_meaning meaning;
  ae_describe(ae_lua_checkevent(L, 1), &meaning);
  lua_createtable(L, 0, 12);
  set_slice(L, "name", meaning.name);
  set_text(L, "publisher", ae_publisher_name(meaning.publisher));
  set_text(L, "about", ae_about_name(meaning.about));
  set_slice(L, "id", meaning.id);
  if (meaning.about == AE_ABOUT_LETTER) set_slice(L, "letter", meaning.id);
  if (meaning.about == AE_ABOUT_ATTACHMENT) set_slice(L, "attachment", meaning.id);
  if (meaning.about == AE_ABOUT_ORDER) set_slice(L, "order", meaning.id);
  if (meaning.party.kind != AE_PARTY_NONE) push_party(L, &meaning.party);
  if (meaning.type) set_text(L, "addressed_to", meaning.type->addressed_to);
  set_boolean(L, "known", meaning.type != NULL);
  set_text(L, "environment", meaning.environment);
  set_boolean(L, "validation", meaning.validation);
  return 1;
}

/* types() -> the catalogue, by short name */
static int core_types (lua_State *L) {
  lua_createtable(L, 0, (int)ae_event_type_count);
  for (size_t i = 0; i < ae_event_type_count; i++) {
    const ae_event_type *type = &ae_event_types[i];
    lua_createtable(L, 0, 9);
    set_text(L, "type", type->type);
    set_text(L, "about", ae_about_name(type->about));
    set_text(L, "addressed_to", type->addressed_to);
    set_boolean(L, "raised", type->raised);
    set_boolean(L, "once", type->once);
    set_text(L, "summary", type->summary);
    set_text(L, "advice", type->advice);
    set_text(L, "note", type->note);
    ae_push_integer(L, (int64_t)i + 1);
    lua_setfield(L, -2, "place");
    lua_setfield(L, -2, type->name);
  }
  return 1;
}

static const luaL_Reg functions[] = {{"parse", ae_lua_parse},
                                     {"parse_batch", ae_lua_parse_batch},
                                     {"from_http", ae_lua_from_http},
                                     {"build", ae_lua_build},
                                     {"encode", ae_lua_encode},
                                     {"next", ae_lua_next},
                                     {"time", ae_lua_time},
                                     {"matcher", ae_lua_matcher_new},
                                     {"describe", core_describe},
                                     {"types", core_types},
                                     {"type_named", core_type_named},
                                     {"type_known", core_type_known},
                                     {"suggest", core_suggest},
                                     {"is_json", core_is_json},
                                     {"is_utf8", core_is_utf8},
                                     {"is_loopback", core_is_loopback},
                                     {"json", core_json},
                                     {"mask", core_mask},
                                     {"sha256", core_sha256},
                                     {"is_event", core_is_event},
                                     {"partial", ae_lua_partial_new},
                                     {NULL, NULL}};

AE_EXPORT int luaopen_altinn_events_core (lua_State *L);
AE_EXPORT int luaopen_altinn_events_core (lua_State *L) {
  ae_check_version(L);
  ae_lua_data_open(L);
  ae_lua_matcher_open(L);
  ae_lua_partial_open(L);
  lua_createtable(L, 0, (int)(sizeof functions / sizeof *functions));
  ae_lua_event_open(L);
  luaL_setfuncs(L, functions, 1);
  ae_lua_webhook_open(L);
  ae_lua_altinn_open(L);
  lua_setfield(L, -2, "altinn");
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  lua_pushliteral(L, LUA_VERSION);
  lua_setfield(L, -2, "built_for");
  return 1;
}
