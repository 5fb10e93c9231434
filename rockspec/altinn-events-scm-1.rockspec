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
  CRYPTO = { library = "crypto" },
}
build = {
  type = "builtin",
  modules = {
    ["altinn.events.core"] = {
      sources = {
        "csrc/core/altinn.c",
        "csrc/core/altinn_check.c",
        "csrc/core/altinn_reply.c",
        "csrc/core/altinn_shape.c",
        "csrc/core/base64.c",
        "csrc/core/batch.c",
        "csrc/core/catalogue.c",
        "csrc/core/encode.c",
        "csrc/core/event.c",
        "csrc/core/http.c",
        "csrc/core/json.c",
        "csrc/core/judge.c",
        "csrc/core/marks.c",
        "csrc/core/match.c",
        "csrc/core/match_table.c",
        "csrc/core/media.c",
        "csrc/core/order.c",
        "csrc/core/slice.c",
        "csrc/core/text.c",
        "csrc/core/timestamp.c",
        "csrc/core/urn.c",
        "csrc/lua/altinn.c",
        "csrc/lua/core.c",
        "csrc/lua/data.c",
        "csrc/lua/event.c",
        "csrc/lua/matcher.c",
        "csrc/lua/webhook.c",
      },
      defines = { "_GNU_SOURCE" },
    },
    ["altinn.events.curl"] = {
      sources = {
        "csrc/net/curl.c",
        "csrc/lua/curl.c",
      },
      defines = { "_GNU_SOURCE" },
      libraries = { "curl" },
      incdirs = { "$(CURL_INCDIR)" },
      libdirs = { "$(CURL_LIBDIR)" },
    },
    ["altinn.events.grant"] = {
      sources = {
        "csrc/core/base64.c",
        "csrc/core/json.c",
        "csrc/core/slice.c",
        "csrc/net/grant_chain.c",
        "csrc/net/grant_der.c",
        "csrc/net/grant_jwk.c",
        "csrc/net/grant_load.c",
        "csrc/net/grant_sign.c",
        "csrc/net/grant_text.c",
        "csrc/net/grant_verify.c",
        "csrc/lua/grant.c",
      },
      defines = { "_GNU_SOURCE" },
      libraries = { "crypto" },
      incdirs = { "$(CRYPTO_INCDIR)" },
      libdirs = { "$(CRYPTO_LIBDIR)" },
    },
    ["altinn.events"] = "lua/altinn/events.lua",
    ["altinn.events.call"] = "lua/altinn/events/call.lua",
    ["altinn.events.client"] = "lua/altinn/events/client.lua",
    ["altinn.events.duration"] = "lua/altinn/events/duration.lua",
    ["altinn.events.effects"] = "lua/altinn/events/effects.lua",
    ["altinn.events.endpoint"] = "lua/altinn/events/endpoint.lua",
    ["altinn.events.head"] = "lua/altinn/events/head.lua",
    ["altinn.events.json"] = "lua/altinn/events/json.lua",
    ["altinn.events.letter"] = "lua/altinn/events/letter.lua",
    ["altinn.events.logfmt"] = "lua/altinn/events/logfmt.lua",
    ["altinn.events.maskinporten"] = "lua/altinn/events/maskinporten.lua",
    ["altinn.events.paging"] = "lua/altinn/events/paging.lua",
    ["altinn.events.plan"] = "lua/altinn/events/plan.lua",
    ["altinn.events.resty"] = "lua/altinn/events/resty.lua",
    ["altinn.events.resty.http"] = "lua/altinn/events/resty/http.lua",
    ["altinn.events.resty.log"] = "lua/altinn/events/resty/log.lua",
    ["altinn.events.resty.memory"] = "lua/altinn/events/resty/memory.lua",
    ["altinn.events.resty.runner"] = "lua/altinn/events/resty/runner.lua",
    ["altinn.events.retry"] = "lua/altinn/events/retry.lua",
    ["altinn.events.rule"] = "lua/altinn/events/rule.lua",
    ["altinn.events.rules"] = "lua/altinn/events/rules.lua",
    ["altinn.events.sink"] = "lua/altinn/events/sink.lua",
    ["altinn.events.suggest"] = "lua/altinn/events/suggest.lua",
    ["altinn.events.thing"] = "lua/altinn/events/thing.lua",
    ["altinn.events.token_reply"] = "lua/altinn/events/token_reply.lua",
    ["altinn.events.transport"] = "lua/altinn/events/transport.lua",
    ["altinn.events.wants"] = "lua/altinn/events/wants.lua",
    ["altinn.events.webhook"] = "lua/altinn/events/webhook.lua",
  },
  copy_directories = { "examples" },
}
test = {
  type = "command",
  command = "busted",
}
