-- The command altinn-events: its verbs and options.
local output = require "altinn.events.commands.output"

local M = {}

local out, complain, print_json = output.out, output.complain, output.json

local function load_config(args, values)
  local config, problems = require("altinn.events.host.config").load { config = args.config, values = values }
  if config then return config end
  for _, problem in ipairs(problems) do complain(problem) end
  return nil
end

local function values_of(args)
  local values = {
    listen = args.listen, admin = args.admin, inbox = args.inbox, secret = args.secret, workers = args.workers,
    environment = args.environment, base_url = args.base_url, endpoint = args.endpoint, narrow = args.narrow,
  }
  if args.rules and #args.rules > 0 then values.rules = args.rules end
  return values
end

local function failure(message)
  complain(message or "failed")
  return 1
end

local verbs = {}

function verbs.run(args)
  local config = load_config(args, values_of(args))
  if not config then return 2 end
  config.once = args.once
  return require("altinn.events.host.run").run(config)
end

local function rules_of(args)
  local config = load_config(args, values_of(args))
  if not config then return nil, 2 end
  local set, problems = require("altinn.events.rules.loading").load(config.rules)
  return set, 1, problems
end

local function rule_row(rule)
  return { name = rule.name, about = rule.about, file = rule.file, line = rule.line, enabled = rule.enabled,
    order = rule.order, on = rule.on }
end

function verbs.check(args)
  local set, status, problems = rules_of(args)
  if not set and not problems then return status end
  local describe = require("altinn.events.rules.loading").describe_problem
  if args.json then
    local list = require("altinn.events.support.json").list
    local rows = list {}
    for index, rule in ipairs(set or {}) do rows[index] = rule_row(rule) end
    print_json { ok = set ~= nil, rules = rows, problems = list(problems or {}) }
  else
    for _, problem in ipairs(problems or {}) do io.stderr:write(describe(problem), "\n") end
    for _, rule in ipairs(args.list and set or {}) do
      out(("%s:%d: %s%s"):format(rule.file, rule.line, rule.name, rule.about and ": " .. rule.about or ""))
    end
  end
  return set and 0 or 1
end

local function report_reply(file, reply, message)
  local events = require "altinn.events"
  file = events.mask(file)
  if not reply then
    io.stderr:write(("%s: %s\n"):format(file, events.mask(message)))
    return
  end
  local detail = reply.body ~= "" and " " .. events.mask(reply.body:sub(1, 500):gsub("%c", " ")) or ""
  out(("%s: %d%s"):format(file, reply.status, detail))
end

function verbs.send(args)
  local ok = require("altinn.events.host.send").files {
    files = args.files, to = args.to, raw = args.raw, content_type = args.type, report = report_reply,
  }
  return ok and 0 or 1
end

function verbs.inbox(args)
  local inbox = require "altinn.events.commands.inbox"
  if not args.inbox_verb then return inbox.help() end
  local config = load_config(args, { inbox = args.inbox })
  if not config then return 2 end
  return inbox.run(args, config.inbox)
end

local function event_of(word, config)
  local events = require "altinn.events"
  local file = io.open(word, "rb")
  if file then
    local text, why = file:read("a")  -- a folder opens, and does not read
    file:close()
    if not text then return nil, ("%s: %s"):format(word, why) end
    return events.parse(text)
  end
  local inbox = require "altinn.events.host.inbox"
  local sequence, message = inbox.find(config.inbox, word)
  if not sequence then return nil, message end
  local body
  body, message = inbox.body(config.inbox, sequence)
  if not body then return nil, message end
  return events.parse(body, { max_bytes = #body })
end

function verbs.why(args)
  local config = load_config(args, values_of(args))
  if not config then return 2 end
  local loader, why = require "altinn.events.rules.loading", require "altinn.events.rules.why"
  local set, problems = loader.load(config.rules)
  if not set then
    for _, problem in ipairs(problems) do io.stderr:write(loader.describe_problem(problem), "\n") end
    return 1
  end
  local event, message = event_of(args.event, config)
  if not event then return failure(message) end
  local list
  list, message = why.explain(set, event, args.rule)
  if not list then return failure(message) end
  if args.json then
    print_json { event = tostring(event), rules = list }
    return 0
  end
  out(tostring(event))
  for _, explanation in ipairs(list) do out(why.text(explanation)) end
  return 0
end

function verbs.emulate(args) return require("altinn.events.emulator.command").run(args) end

function verbs.types(args) return require("altinn.events.commands.types").run(args) end

function verbs.version()
  out(("altinn-events %s (%s)"):format(require("altinn.events")._VERSION, _VERSION))
  return 0
end

-- The commands of Altinn's side: verb -> module and function.
for verb, place in pairs { subscriptions = { "subscriptions", "run" }, plan = { "plan", "plan" },
  apply = { "plan", "apply" }, pull = { "pull", "run" }, letter = { "letter", "run" }, token = { "token", "run" },
  doctor = { "doctor", "run" } } do
  verbs[verb] = function(args)
    local config = load_config(args, values_of(args))
    if not config then return 2 end
    return require("altinn.events.commands." .. place[1])[place[2]](args, config)
  end
end

local function whole_number(text)
  local value = math.tointeger(tonumber(text))
  if value and value > 0 then return value end
  return nil, ("'%s' is no whole number above 0"):format(text)
end

local function add_options(command, ...)
  local known = {
    config = function()
      command:option("--config", "the configuration file (default: altinn-events.lua, if it is there)"):argname "FILE"
    end,
    inbox = function() command:option("--inbox", "the inbox file (default: altinn-events.db)"):argname "FILE" end,
    json = function() command:flag("--json", "print JSON") end,
    rule = function() command:option("--rule", "only this rule"):argname "NAME" end,
    rules = function() command:argument("rules", "rule files or folders (default: rules/)"):args "*" end,
    event = function() command:argument("event", "its number in the inbox, or its id") end,
  }
  for _, name in ipairs { ... } do known[name]() end
  return command
end

local function add_run(parser)
  local run = add_options(parser:command("run", "run the host"), "config", "inbox", "rules")
  run:option("--listen", "address of the webhook (default: 127.0.0.1:8480)"):argname "HOST:PORT"
  run:option("--admin", "address of health and metrics (default: 127.0.0.1:8481)"):argname "HOST:PORT"
  run:option("--secret", "the secret in the endpoint's address (better: in the configuration)"):argname "TEXT"
  run:option("--workers", "threads that run rules (default: the number of cores)"):argname "N":convert(whole_number)
  run:flag("--once", "process what is there, then end")
end

local function new_parser()
  local parser = require "argparse"("altinn-events",
    "Receives Altinn's events, stores them, and acts on them by rules.")
  parser:command_target "verb"
  parser:add_complete()
  add_run(parser)
  local check = add_options(parser:command("check", "load and check rules; silent when all is well"),
    "config", "json", "rules")
  check:flag("--list", "list the rules")
  local send = parser:command("send", "post events exactly as Altinn does")
  send:argument("files", "events: JSON or JSON Lines; - is standard input"):args "+"
  send:option("--to", "the endpoint's address"):argname "URL":count(1)
  send:option("--type", "the Content-Type"):argname "TYPE"
  send:flag("--raw", "post the bytes of each file as they are, also broken ones")
  require("altinn.events.commands.inbox").add(parser)
  local why = add_options(parser:command("why", "why a rule wants an event, or not"), "config", "inbox", "json", "rule")
  why:argument("event", "its number in the inbox, its id, or a file")
  require("altinn.events.commands.parser").add(parser)
  local emulator = require "altinn.events.emulator.command"
  emulator.options(parser:command("emulate", emulator.summary))
  parser:command("version", "print the version")
  return parser
end

--- Runs the command line.
---@param arguments string[]
---@return integer status 0 fine, 1 failed, 2 wrong usage
function M.main(arguments)
  local parser = new_parser()
  local ok, result = parser:pparse(arguments)
  if not ok then
    io.stderr:write(parser:get_usage(), "\n\nError: ", tostring(result), "\n")
    return 2
  end
  local status = verbs[result.verb](result)
  local printed, why = output.finish()
  if printed then return status end
  complain("standard output: " .. why)
  return status == 0 and 1 or status
end

return M
