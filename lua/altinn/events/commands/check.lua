-- altinn-events check: finds the mistakes that `run` refuses, and warns of surprises.
local files = require "altinn.events.support.files"
local findings = require "altinn.events.rules.findings"
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"
local paths = require "altinn.events.support.path"

local M = { summary = "find mistakes in the configuration and the rules; silent when all is well", reads = "itself" }

local SEVERITIES = { "error", "warning", "hint" }
local FORMATS = { "text", "json", "sarif" }

--- Adds its options to the parser.
---@param check table
function M.options(check)
  options.add(check, "config", "json", "rules")
  check:flag("--list", "list the rules")
  check:flag("--strict", "fail also with warnings")
  check:option("--severity", "the least that is told: error, warning or hint (default)"):choices(SEVERITIES)
  check:option("--format", "text (default), json or sarif"):choices(FORMATS)
  check:flag("--fix", "mend what is certain, in the files")
  check:flag("--dry-run", "with --fix: print what would be mended, and write nothing")
  check:option("--inbox", "also look at the timers and paused runs of this inbox: which versions and bodies they "
    .. "refer to, and which of these are not there"):argname "FILE"
end

-- The rules that were put in force by hand; none where there is no inbox yet.
local function forced_of(prepared)
  return require("altinn.events.host.force").of(prepared.config.inbox, prepared.set) or {}
end

local function rows_of(prepared, args)
  local rows, forced = output.list(), args.list and prepared.set and forced_of(prepared) or {}
  for index, rule in ipairs(prepared.set or {}) do
    local by_hand = forced[rule.name]
    rows[index] = { name = rule.name, about = rule.about, file = rule.file, line = rule.line, enabled = rule.enabled,
      shadow = rule.shadow and not by_hand or nil, by_hand = by_hand, order = rule.order, on = rule.on }
  end
  return rows
end

-- The findings, as --severity asks.
local function severe(list, least)
  if not least or least == "hint" then return list end
  local kept = {}
  for _, one in ipairs(list) do
    if one.severity == "error" or one.severity == least then kept[#kept + 1] = one end
  end
  return kept
end

local function counted(list)
  local count, fixes, parts = {}, 0, {}
  for _, one in ipairs(list) do
    count[one.severity] = (count[one.severity] or 0) + 1
    if one.fix then fixes = fixes + 1 end
  end
  for _, severity in ipairs(SEVERITIES) do
    local number = count[severity]
    parts[#parts + 1] = number and ("%d %s%s"):format(number, severity, number == 1 and "" or "s") or nil
  end
  return table.concat(parts, ", "), fixes
end

local function print_rules(set, forced)
  for _, rule in ipairs(set) do
    local by_hand = forced[rule.name]
    output.line("%s:%d: %s%s%s", rule.file, rule.line, rule.name, rule.about and ": " .. rule.about or "",
      by_hand and (" (%s)"):format(require("altinn.events.host.force").text(by_hand))
        or rule.shadow and " (in the shadow)" or "")
  end
end

local function print_text(prepared, list, args)
  for _, one in ipairs(list) do output.note(findings.line(one)) end
  if #list > 0 then
    local what, fixes = counted(list)
    output.note(("%s; 'altinn-events explain CODE' says more%s"):format(what,
      fixes > 0 and not args.fix and (", --fix mends %d"):format(fixes) or ""))
  end
  if args.list and prepared.set then print_rules(prepared.set, forced_of(prepared)) end
end

-- With --inbox: the references of its runs; their findings are added to the list.
local function add_references(args, prepared, list)
  if not args.inbox or not prepared.set then return nil end
  local references = require "altinn.events.host.references"
  local found, message = references.of(args.inbox)
  if not found then
    list[#list + 1] = findings.new("inbox", { file = args.inbox }, message)
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

local function print_sarif(list)
  output.json(require("altinn.events.rules.sarif").of(list, {
    version = require("altinn.events")._VERSION:match("%d[%w.-]*") or "0", folder = paths.folder(),
    read = files.read,
  }))
end

-- Reads the configuration and the rules; texts stand for files that are mended already.
local function judge(args, texts)
  return require("altinn.events.host.prepare").all {
    config = args.config, env_file = args.env_file, values = options.values(args), needs = {}, overlay = texts,
  }
end

-- Writes the mended files, or prints what would change.
local function carry_out(work, args)
  local fix = require "altinn.events.rules.fix"
  local names = {}
  for name in pairs(work.texts) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if args.dry_run then output.out((fix.diff(name, work.before[name], work.texts[name]):gsub("\n$", "")))
    else
      local ok, message = fix.write(name, work.texts[name], work.before[name])
      if not ok then return nil, message end
    end
  end
  return true
end

-- With --fix: mends what is certain; gives what is left.
local function mended(args)
  local prepared
  local fix = require "altinn.events.rules.fix"
  local work = fix.mend(function(texts)
    local list
    prepared, list = judge(args, texts)
    return list
  end, files.read)
  local ok, message = carry_out(work, args)
  if not ok then return nil, message end
  return prepared, work.left, work.fixed
end

local function print_fixed(fixed, args)
  for _, one in ipairs(fixed) do
    output.note(findings.line(one):gsub(": " .. one.severity .. ": ", args.dry_run and ": would be mended: "
      or ": mended: ", 1))
  end
end

-- The findings for JSON: each says what to do.
local function with_remedies(list)
  for _, one in ipairs(list) do one.remedy = findings.remedy(one) end
  return output.list(list)
end

local function print_found(args, prepared, list, fixed, found)
  local format = args.json and "json" or args.format
  if format == "json" then
    output.json { ok = not findings.has(list, "error"), rules = rows_of(prepared, args), findings = with_remedies(list),
      references = found, fixed = fixed and with_remedies(fixed) }
  elseif format == "sarif" then print_sarif(list)
  else
    print_fixed(fixed or {}, args)
    print_text(prepared, list, args)
    print_references(found or {}, prepared.set)
  end
end

--- Runs the verb.
---@param args table
---@return integer status 0 fine, 1 a rule is wrong, 2 the configuration is
function M.run(args)
  if args.dry_run and not args.fix then return output.failure("--dry-run goes with --fix", "usage") end
  local prepared, list, fixed
  if args.fix then prepared, list, fixed = mended(args) else prepared, list = judge(args) end
  if not prepared then return output.failure(list) end
  local found = add_references(args, prepared, list)
  list = severe(list, args.severity)
  print_found(args, prepared, list, fixed, found)
  if findings.has(list, "error") then return prepared.config and 1 or 2 end
  return args.strict and findings.has(list, "warning") and 1 or 0
end

return M
