rockspec_format = "3.0"
package = "altinn-events"
version = "scm-1"
source = {
  url = "git+https://github.com/altinn-events/altinn-events",
}
description = {
  summary = "The events of Altinn 3: read, judge, describe, match, write",
  detailed = [[
A reader and judge of CloudEvents in C that knows Altinn's event types, a
matcher for many conditions at once, and the rule language of the host
(altinn-events-host). altinn.events.core needs no library; only
altinn.events.curl needs libcurl, and altinn.events.grant OpenSSL's libcrypto.
]],
  homepage = "https://github.com/altinn-events/altinn-events",
  issues_url = "https://github.com/altinn-events/altinn-events/issues",
  license = "MIT",
  labels = { "altinn", "cloudevents", "digdir", "maskinporten", "norway", "openresty", "webhook" },
}
supported_platforms = { "linux", "macosx" }
dependencies = {
  "lua >= 5.1, < 5.5",
  "lua-cjson >= 2.1.0",
}
-- Their folders can be given (CURL_DIR=…, and so on). LuaRocks does not look for them: it finds no header in a
-- multiarch folder; the compiler does, and says which package is missing.
external_dependencies = { CURL = {}, CRYPTO = {} }
-- By the Makefile: LuaRocks' own way of building would install all of lua/ with either rock.
build = {
  type = "make",
  build_target = "modules",
  install_target = "rock-install",
  variables = { ROCK = "altinn-events", MODULES = "core curl grant", BUILD = "build/altinn-events-rock" },
  build_variables = {
    CC = "$(CC)",
    OPTIMIZE = "$(CFLAGS)",
    LUA_INCLUDE = "-I$(LUA_INCDIR)",
    LINK = "$(LIBFLAG)",
    HEADERS_IN = "$(CURL_INCDIR) $(CRYPTO_INCDIR)",
    LIBRARIES_IN = "$(CURL_LIBDIR) $(CRYPTO_LIBDIR)",
    BUILD_SETUP = "",
    WRAPPER = "",
  },
  install_variables = { LUADIR = "$(LUADIR)", LIBDIR = "$(LIBDIR)" },
  copy_directories = { "examples" },
}
test = {
  type = "command",
  command = "busted",
}
