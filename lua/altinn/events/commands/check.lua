-- altinn-events check: finds the mistakes that `run` refuses, and warns of surprises.
local findings = require "altinn.events.rules.findings"
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"

local M = { summary = "load and check the configuration and the rules; silent when all is well", reads = "itself" }

--- Adds its options to the parser.
---@param check table
function M.options(check)
  options.add(check, "config", "json", "rules")
  check:flag("--list", "list the rules")
  check:flag("--strict", "fail also with warnings")
  check:option("--inbox", "also look at the timers and paused runs of this inbox: which versions and bodies they "
    .. "refer to, and which of these are not there"):argname "FILE"
  check:option("--format", "text (default) or json"):choices { "text", "json" }
end

-- The rules of the set that were put in force by hand; none where there is no inbox yet.
local function forced_of(prepared)
  if not prepared.set then return {} end
  return require("altinn.events.host.force").of(prepared.config.inbox, prepared.set) or {}
end

local function rows_of(set, forced)
  local rows = output.list()
  for index, rule in ipairs(set or {}) do
    local one = forced[rule.name]
    rows[index] = { name = rule.name, about = rule.about, file = rule.file, line = rule.line, enabled = rule.enabled,
      shadow = rule.shadow and not one or nil, by_hand = one, order = rule.order, on = rule.on }
  end
  return rows
end

local function print_text(prepared, list, args, forced)
  for _, finding in ipairs(list) do
    local prefix = finding.code == "configuration" and finding.severity == "error" and "altinn-events: " or ""
    output.note(prefix .. findings.text(finding))
  end
  for _, rule in ipairs(args.list and prepared.set or {}) do
    local one = forced[rule.name]
    output.line("%s:%d: %s%s%s", rule.file, rule.line, rule.name, rule.about and ": " .. rule.about or "",
      one and (" (%s)"):format(require("altinn.events.host.force").text(one)) or rule.shadow and " (in the shadow)"
      or "")
  end
end

-- With --inbox: the references of its runs; their findings are added to the list.
local function add_references(args, prepared, list)
  if not args.inbox or not prepared.set then return nil end
  local references = require "altinn.events.host.references"
  local found, message = references.of(args.inbox)
  if not found then
    list[#list + 1] = { severity = "error", code = "inbox", message = message }
    return nil
  end
  for _, finding in ipairs(references.findings(found, prepared.set)) do list[#list + 1] = finding end
  return found
end

local function print_references(found, set)
  local references = require "altinn.events.host.references"
  for _, one in ipairs(found) do
    output.line("%s%s, body %s%s", references.text(one), references.is_present(one, set) and " (the present one)" or "",
      one.body, one.due and ", due from " .. one.due or "")
  end
end

--- Runs the verb.
---@param args table
---@return integer status 0 fine, 1 a rule is wrong, 2 the configuration is
function M.run(args)
  local prepared, list = require("altinn.events.host.prepare").all {
    config = args.config, env_file = args.env_file, values = options.values(args), needs = {},
  }
  local found = add_references(args, prepared, list)
  local ok, forced = not findings.has(list, "error"), args.list and forced_of(prepared) or {}
  if args.json or args.format == "json" then
    output.json { ok = ok, rules = rows_of(prepared.set, forced), findings = output.list(list), references = found }
  else
    print_text(prepared, list, args, forced)
    print_references(found or {}, prepared.set)
  end
  if not ok then return prepared.config and 1 or 2 end
  return args.strict and findings.has(list, "warning") and 1 or 0
end

return M
