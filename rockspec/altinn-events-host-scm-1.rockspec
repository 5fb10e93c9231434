rockspec_format = "3.0"
package = "altinn-events-host"
version = "scm-1"
source = {
  url = "git+https://github.com/altinn-events/altinn-events",
}
description = {
  summary = "Receives Altinn's events durably and acts on them by rules in Lua",
  detailed = [[
The command altinn-events: a webhook receiver with a durable inbox, rules in
Lua with budgets, effects sent once by key, dead letters with replay.
]],
  homepage = "https://github.com/altinn-events/altinn-events",
  license = "MIT",
  labels = { "altinn", "cloudevents", "webhook" },
}
supported_platforms = { "linux" }
dependencies = {
  "lua >= 5.4, < 5.5",
  "altinn-events",
  "lua-cjson >= 2.1.0",
  "argparse >= 0.7",
}
external_dependencies = {
  MICROHTTPD = { library = "microhttpd" },
  SQLITE = { library = "sqlite3" },
  CRYPTO = { library = "crypto" },
}
build = {
  type = "builtin",
  modules = {
    ["altinn.events.host"] = {
      sources = {
        "csrc/core/base64.c",
        "csrc/core/batch.c",
        "csrc/core/catalogue.c",
        "csrc/core/encode.c",
        "csrc/core/event.c",
        "csrc/core/http.c",
        "csrc/core/json.c",
        "csrc/core/judge.c",
        "csrc/core/match.c",
        "csrc/core/match_table.c",
        "csrc/core/media.c",
        "csrc/core/order.c",
        "csrc/core/slice.c",
        "csrc/core/text.c",
        "csrc/core/timestamp.c",
        "csrc/core/urn.c",
        "csrc/host/admin.c",
        "csrc/host/fingerprints.c",
        "csrc/host/inbox.c",
        "csrc/host/inbox_check.c",
        "csrc/host/inbox_group.c",
        "csrc/host/inbox_runs.c",
        "csrc/host/inbox_store.c",
        "csrc/host/lanes.c",
        "csrc/host/listen.c",
        "csrc/host/map.c",
        "csrc/host/receiver.c",
        "csrc/host/receiver_body.c",
        "csrc/host/receiver_head.c",
        "csrc/host/receiver_reply.c",
        "csrc/host/receiver_loop.c",
        "csrc/host/receiver_watch.c",
        "csrc/host/server.c",
        "csrc/host/server_loop.c",
        "csrc/lua/budget.c",
        "csrc/lua/host.c",
        "csrc/lua/host_heads.c",
        "csrc/lua/host_life.c",
        "csrc/lua/host_metrics.c",
        "csrc/lua/host_query.c",
        "csrc/lua/host_queue.c",
        "csrc/lua/host_server.c",
        "csrc/lua/worker.c",
        "csrc/lua/worker_jobs.c",
      },
      defines = { "_GNU_SOURCE" },
      libraries = { "microhttpd", "sqlite3", "crypto", "pthread" },
      incdirs = { "$(MICROHTTPD_INCDIR)", "$(SQLITE_INCDIR)", "$(CRYPTO_INCDIR)" },
      libdirs = { "$(MICROHTTPD_LIBDIR)", "$(SQLITE_LIBDIR)", "$(CRYPTO_LIBDIR)" },
    },
    ["altinn.events.command"] = "lua/altinn/events/command.lua",
    ["altinn.events.commands.connection"] = "lua/altinn/events/commands/connection.lua",
    ["altinn.events.commands.doctor"] = "lua/altinn/events/commands/doctor.lua",
    ["altinn.events.commands.letter"] = "lua/altinn/events/commands/letter.lua",
    ["altinn.events.commands.output"] = "lua/altinn/events/commands/output.lua",
    ["altinn.events.commands.parser"] = "lua/altinn/events/commands/parser.lua",
    ["altinn.events.commands.plan"] = "lua/altinn/events/commands/plan.lua",
    ["altinn.events.commands.pull"] = "lua/altinn/events/commands/pull.lua",
    ["altinn.events.commands.subscriptions"] = "lua/altinn/events/commands/subscriptions.lua",
    ["altinn.events.commands.token"] = "lua/altinn/events/commands/token.lua",
    ["altinn.events.config"] = "lua/altinn/events/config.lua",
    ["altinn.events.inbox"] = "lua/altinn/events/inbox.lua",
    ["altinn.events.run"] = "lua/altinn/events/run.lua",
    ["altinn.events.scheduler"] = "lua/altinn/events/scheduler.lua",
    ["altinn.events.send"] = "lua/altinn/events/send.lua",
    ["altinn.events.settlement"] = "lua/altinn/events/settlement.lua",
    ["altinn.events.why"] = "lua/altinn/events/why.lua",
    ["altinn.events.worker"] = "lua/altinn/events/worker.lua",
  },
  install = {
    bin = { ["altinn-events"] = "lua/altinn-events.lua" },
  },
}
