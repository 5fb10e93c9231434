-- altinn-events dev: Altinn in a box, the host, and a watcher of the rules, in one command.
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"

local M = { summary = "develop rules: Altinn in a box, the host and a watcher in one; effects are shown, not sent",
  reads = "itself" }

--- Adds its options to the parser.
---@param command table
function M.options(command)
  options.add(command, "config", "rules")
  command:flag("--real", "send effects to their targets for real")
  command:option("--state", "where events and letters are kept (default: .altinn-events beside the rules)")
    :argname "FOLDER"
end

--- What comes before: a SIGHUP while the host starts must not end it.
function M.begin() require("altinn.events.support.libraries").load("altinn.events.host").hold_reload() end

--- Runs the verb.
---@param args table
---@return integer status 0 fine, 1 failed, 2 the configuration is wrong
function M.run(args)
  local places = require "altinn.events.dev.place"
  local wanted = { config = args.config, env_file = args.env_file, values = options.values(args), real = args.real }
  local config, problems = places.config(wanted, { real = args.real })
  for _, problem in ipairs(problems or {}) do output.complain(problem) end
  if not config then return 2 end
  local folder, message = places.folder(config.rules, args.state)
  if not folder then return output.failure(message) end
  wanted.folder = folder
  local status
  status, message = require("altinn.events.dev.session").run(wanted)
  return message and output.failure(message) or status
end

return M
