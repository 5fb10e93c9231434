-- Made by rockspec/release.lua from the development rockspec: change that one.
rockspec_format = "3.0"
package = "altinn-events-host"
version = "0.1.0-1"
source = {
  url = "git+https://github.com/altinn-events/altinn-events",
  tag = "v0.1.0",
}
description = {
  summary = "Receives Altinn's events durably and acts on them by rules in Lua",
  detailed = [[
The command altinn-events: a webhook receiver with a durable inbox, rules in
Lua with budgets, effects sent once by key, dead letters with replay.
]],
  homepage = "https://github.com/altinn-events/altinn-events",
  issues_url = "https://github.com/altinn-events/altinn-events/issues",
  license = "MIT",
  labels = { "altinn", "cloudevents", "command-line", "norway", "rules", "sqlite", "webhook" },
}
supported_platforms = { "linux" }
dependencies = {
  "lua >= 5.4, < 5.5",
  "altinn-events == 0.1.0",
  "lua-cjson >= 2.1.0",
  "argparse >= 0.7",
  "luacheck >= 1.0",
  "busted >= 2.1",
}
-- Their folders can be given (MICROHTTPD_DIR=…, and so on). LuaRocks does not look for them: it finds no header in a
-- multiarch folder; the compiler does, and says which package is missing.
external_dependencies = { MICROHTTPD = {}, SQLITE = {} }
-- By the Makefile: LuaRocks' own way of building would install all of lua/ with either rock.
build = {
  type = "make",
  build_target = "modules",
  install_target = "rock-install",
  variables = { ROCK = "altinn-events-host", MODULES = "host", BUILD = "build/altinn-events-host-rock" },
  build_variables = {
    CC = "$(CC)",
    OPTIMIZE = "$(CFLAGS)",
    LUA_INCLUDE = "-I$(LUA_INCDIR)",
    LINK = "$(LIBFLAG)",
    HEADERS_IN = "$(MICROHTTPD_INCDIR) $(SQLITE_INCDIR)",
    LIBRARIES_IN = "$(MICROHTTPD_LIBDIR) $(SQLITE_LIBDIR)",
    BUILD_SETUP = "",
    WRAPPER = "",
  },
  install_variables = { LUADIR = "$(LUADIR)", LIBDIR = "$(LIBDIR)" },
  install = {
    bin = { ["altinn-events"] = "lua/altinn-events.lua" },
  },
}
