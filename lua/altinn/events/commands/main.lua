-- The command altinn-events: finds the verb, reads the configuration that it
-- needs, and runs it. Each verb has a file beside this one: { summary,
-- options = function(command), run = function(args, config) → status, needs =
-- the keys whose secrets it needs (nil: all), reads = "itself" or "nothing" when main reads no configuration for it,
-- begin = a function that is called before the configuration is read }.
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"
local words = require "altinn.events.support.words"

local M = {}

local VERBS = {
  "run", "dev", "tail", "check", "try", "test", "diff", "why", "explain", "send", "types", "inbox", "promote",
  "rollback", "replay", "plan", "apply", "subscriptions", "pull", "letter", "token", "doctor", "emulate", "version",
}

local function module_of(verb)
  return require("altinn.events.commands." .. verb)
end

-- The parser, and its part for each verb. When the first word is a verb the parser has only that one.
local function new_parser(word)
  local parser = require "argparse"("altinn-events",
    "Receives Altinn's events, stores them, and acts on them by rules.")
  local commands = {}
  parser:command_target "verb"
  parser:add_complete()
  parser:flag("--version", "print the version")
  local is_verb = false
  for _, verb in ipairs(VERBS) do is_verb = is_verb or verb == word end
  for _, verb in ipairs(VERBS) do
    if not is_verb or verb == word then
      commands[verb] = parser:command(verb, module_of(verb).summary)
      module_of(verb).options(commands[verb])
    end
  end
  return parser, commands
end

-- Turns `help [verb …]` into `[verb …] --help`, and --version into the verb.
local function normal(arguments)
  if arguments[1] == "--version" then return { "version" } end
  if arguments[1] ~= "help" then return arguments end
  local list = { table.unpack(arguments, 2) }
  list[#list + 1] = "--help"
  return list
end

local function inner(command, word)
  for _, one in ipairs(command and command._commands or {}) do
    if one._name == word then return one end
  end
end

-- The usage text of the verb that was meant: of `inbox list`, of `inbox`, or of the whole command.
local function usage(parser, commands, arguments)
  local command = commands[arguments[1]]
  command = inner(command, arguments[2]) or command or parser
  return command:get_usage()
end

-- A hint at our option for Altinn's word, such as --resourceFilter.
local function hint(message, used)
  local word = message:match("^unknown option '%-%-(%w+)'$")
  local ours = word and words.hint(word, {}, "option"):match("here it is (%S+)%)$")
  local option = ours and "--" .. ours:gsub("_", "-")
  return option and used:find(option, 1, true) and ("\nAltinn's word; here it is '%s'"):format(option) or ""
end

local function refuse(parser, commands, arguments, message)
  local used = usage(parser, commands, arguments)
  output.note(("%s\n\nError: %s%s"):format(used, message, hint(message, used)))
  return 2
end

local function load_config(verb, args)
  local config, problems = require("altinn.events.host.config").load {
    config = args.config, env_file = args.env_file, values = options.values(args), needs = verb.needs,
  }
  if config then return config end
  for _, problem in ipairs(problems) do output.complain(problem) end
end

local function perform(args)
  local verb = module_of(args.verb)
  if verb.begin then verb.begin() end
  if verb.reads then return verb.run(args) end
  local config = load_config(verb, args)
  if not config then return 2 end
  return verb.run(args, config)
end

--- Runs the command line.
---@param arguments string[]
---@return integer status 0 fine, 1 failed, 2 wrong usage
function M.main(arguments)
  arguments = normal(arguments)
  local parser, commands = new_parser(arguments[1])
  local ok, result = parser:pparse(arguments)
  if not ok then return refuse(parser, commands, arguments, tostring(result)) end
  local status = perform(result)
  local printed, why = output.finish()
  if printed then return status end
  output.complain("standard output: " .. why)
  return status == 0 and 1 or status
end

return M
