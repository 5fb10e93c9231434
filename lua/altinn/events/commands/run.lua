-- altinn-events run: the host.
local options = require "altinn.events.commands.options"

local M = { summary = "run the host" }

--- Adds its options to the parser.
---@param run table
function M.options(run)
  options.add(run, "config", "inbox", "rules")
  run:option("--listen", "address of the webhook (default: 127.0.0.1:8480)"):argname "HOST:PORT"
  run:option("--admin", "address of health and metrics (default: 127.0.0.1:8481)"):argname "HOST:PORT"
  run:option("--secret", "the secret in the endpoint's address; other users see it in the list of processes, so that"
    .. " it belongs into the configuration"):argname "TEXT"
  run:option("--workers", "threads that run rules (default: the number of cores)"):argname "N"
    :convert(options.whole "--workers")
  run:flag("--once", "process what can run now, then end; what waits for a time stays")
end

--- What comes before the configuration is read: a SIGHUP while the host starts must not end it.
function M.begin()
  require("altinn.events.support.libraries").load("altinn.events.host").hold_reload()
end

--- Runs the verb.
---@param args table
---@param config table
---@return integer status
function M.run(args, config)
  config.once = args.once
  return require("altinn.events.host.run").run(config)
end

return M
