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
altinn.events.curl needs libcurl.
]],
  homepage = "https://github.com/altinn-events/altinn-events",
  license = "MIT",
  labels = { "altinn", "cloudevents", "webhook" },
}
supported_platforms = { "linux" }
dependencies = {
  "lua >= 5.1, < 5.5",
  "lua-cjson >= 2.1.0",
}
-- The header is found by the compiler: LuaRocks looks for it in no multiarch folder.
external_dependencies = {
  CURL = { library = "curl" },
}
build = {
  type = "builtin",
  modules = {
    ["altinn.events.core"] = {
      sources = {
        "csrc/core/base64.c",
        "csrc/core/batch.c",
        "csrc/core/encode.c",
        "csrc/core/event.c",
        "csrc/core/http.c",
        "csrc/core/json.c",
        "csrc/core/judge.c",
        "csrc/core/media.c",
        "csrc/core/order.c",
        "csrc/core/slice.c",
        "csrc/core/text.c",
        "csrc/core/timestamp.c",
      },
      defines = { "_GNU_SOURCE" },
    },
    ["altinn.events.curl"] = {
      sources = {
      },
      defines = { "_GNU_SOURCE" },
      libraries = { "curl" },
      incdirs = { "$(CURL_INCDIR)" },
      libdirs = { "$(CURL_LIBDIR)" },
    },
  },
  copy_directories = { "examples" },
}
test = {
  type = "command",
  command = "busted",
}
