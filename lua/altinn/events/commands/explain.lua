-- altinn-events explain: the words that the host and its rules use: what each means, and what follows from it.
local events = require "altinn.events"
local codes = require "altinn.events.rules.finding_codes"
local duration = require "altinn.events.support.duration"
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"
local policy = require "altinn.events.rules.retry_policy"
local retry_table = require "altinn.events.rules.retry_table"
local sorted = require("altinn.events.support.names").sorted
local suggest = require "altinn.events.support.suggest"
local words = require "altinn.events.commands.explain_words"

local M = {
  summary = "what a word means: a code of check, a state, a verdict, a power, a failure, an event type; and the table"
    .. " of retries",
  reads = "itself",
}

--- Adds its options to the parser.
---@param command table
function M.options(command)
  options.add(command, "config", "json")
  command:argument("word", "retry (the table of retries), findings (the codes of check), one of them,"
    .. " a state, a verdict, a power, a status, a class of failures,"
    .. " an error number of Altinn, an event type; left out: all words"):args "?"
  command:option("--rule", "the table of retries as this rule changes it"):argname "NAME"
  options.add(command, "rules")
end

-- The rule that --rule names; nil and the exit status when it cannot be had.
local function rule_of(args)
  local findings = require "altinn.events.rules.findings"
  local prepared, list = require("altinn.events.host.prepare").all {
    config = args.config, env_file = args.env_file, values = options.values(args), needs = {},
  }
  local names = {}
  for _, rule in ipairs(prepared.set or {}) do
    if rule.name == args.rule then return rule end
    names[#names + 1] = rule.name
  end
  if prepared.set then
    return nil, output.failure(("there is no rule '%s'%s"):format(output.masked(args.rule),
      suggest.hint(args.rule, names)), "usage")
  end
  for _, finding in ipairs(list) do output.note(findings.text(finding)) end
  return nil, prepared.config and 1 or 2
end

-- The rows of the table, as a rule changes them.
local function rows_for(rule, rows)
  local list = output.list()
  for index, row in ipairs(rows) do
    local verdict, changed = row.verdict, nil
    if rule and row.what ~= "host" then
      local own, why = policy.judge(rule, row.failure)
      if own ~= verdict then verdict, changed = own, why:gsub("^ %(", ""):gsub("%)$", "") end
    end
    list[index] = { kind = row.kind, what = row.what, from = row.from, verdict = verdict, why = row.why,
      rule = changed }
  end
  return list
end

local TITLES = {
  { "status", "Statuses of HTTP" }, { "class", "Classes of failures" }, { "rule", "What befalls a rule" },
  { "error", "Error numbers of Altinn (before the status)" },
}

local function print_row(row)
  output.line("  %-14s %-6s %-7s %s%s", row.what, row.from, row.verdict, row.why,
    row.rule and (" [%s]"):format(row.rule) or "")
end

local function limits_of(rule)
  local retry = rule and rule.retry or {}
  return retry.within or policy.within, retry.attempts
end

local function print_table(rule, rows)
  local within, attempts = limits_of(rule)
  output.line("A failure is tried again after a random time below 1 s, 2 s, 4 s … 1 h, or later when the server asks"
    .. " for it, for %s%s.", duration.text(within), attempts and (" and %d attempts"):format(attempts) or "")
  output.line("again: another attempt. never: a dead letter at once. refresh: a new token once, then again.")
  for _, title in ipairs(TITLES) do
    output.line("")
    output.line("%s", title[2])
    for _, row in ipairs(rows) do
      if row.kind == title[1] then print_row(row) end
    end
  end
end

local function explain_retry(args)
  local rule, status
  if args.rule then
    rule, status = rule_of(args)
    if not rule then return status end
  end
  local rows = rows_for(rule, retry_table.rows)
  local within, attempts = limits_of(rule)
  if args.json then
    output.json { rule = args.rule, within = within, attempts = attempts, count = #rows, rows = rows }
  else
    print_table(rule, rows)
  end
  return 0
end

local function explain_all(args)
  local list = words.all()
  if args.json then
    output.json { count = #list, words = output.list(list) }
    return 0
  end
  for _, one in ipairs(list) do output.line("%-14s %-18s %s", one.word, one.kind, one.text) end
  output.line("")
  output.line("More: 'altinn-events explain retry', 'altinn-events explain findings', 'altinn-events types'.")
  return 0
end

-- All words that can be explained, for suggestions.
local function known()
  local set = { retry = true, findings = true }
  for _, code in ipairs(codes.names()) do set[code] = true end
  for _, one in ipairs(words.all()) do set[one.word] = true end
  for _, row in ipairs(retry_table.rows) do set[row.what] = true end
  for name in pairs(events.types) do set[name] = true end
  return set
end

-- A code of findings for JSON.
local function shown(code)
  local row = codes.find(code)
  local example = row.example
  return { code = code, severity = row.severity, summary = row.summary, why = row.why, remedy = row.remedy,
    example = example and { wrong = example.wrong, right = example.right, file = example.file
      or "rules/example.lua", line = example.line, column = example.column } }
end

local function print_text(text)
  for line in text:gmatch("([^\n]*)\n") do output.line("    %s", line) end
end

-- The texts of an example: one, or several by their paths.
local function print_texts(texts)
  if type(texts) == "string" then return print_text(texts) end
  for _, name in ipairs(sorted(texts)) do
    output.line("  %s:", name)
    print_text(texts[name])
  end
end

local function print_code(code)
  local row = codes.find(code)
  output.line("%s (%s of check): %s", code, row.severity, row.summary)
  output.line("  why:  %s", row.why)
  output.line("  what to do:  %s", row.remedy)
  local example = row.example
  if not example then return end
  output.line("Wrong%s:", example.line and ("%s, in line %d"):format(example.file and " " .. example.file or "",
    example.line) or "")
  print_texts(example.wrong)
  output.line("Right:")
  print_texts(example.right)
end

local function explain_findings(args)
  local names = codes.names()
  if args.json then
    local list = output.list()
    for index, code in ipairs(names) do list[index] = shown(code) end
    output.json { count = #list, findings = list }
    return 0
  end
  for _, code in ipairs(names) do
    local row = codes.find(code)
    output.line("%-18s %-8s %s", code, row.severity, row.summary)
  end
  return 0
end

local function print_found(args, found, rows)
  local is_code = codes.find(args.word) ~= nil
  if args.json then
    output.json { word = args.word, words = output.list(found), rows = rows_for(nil, rows),
      finding = is_code and shown(args.word) or nil }
    return 0
  end
  if is_code then print_code(args.word) end
  for _, one in ipairs(found) do output.line("%s (%s): %s", one.word, one.kind, one.text) end
  for _, row in ipairs(rows) do
    output.line("%s (%s, of %s): %s: %s", row.what, words.row_kinds[row.kind], row.from, row.verdict, row.why)
  end
  return 0
end

local function is_type(word)
  for name, type in pairs(events.types) do
    if name == word or type.type == word then return true end
  end
  return false
end

--- Runs the verb.
---@param args table
---@return integer status 0, 1 a rule is wrong, 2 nobody knows the word
function M.run(args)
  if args.word == nil then return explain_all(args) end
  if args.word == "retry" then return explain_retry(args) end
  if args.word == "findings" then return explain_findings(args) end
  if args.rule then return output.failure("--rule goes with 'explain retry'", "usage") end
  local found, rows = words.find(args.word), retry_table.find(args.word)
  if #found + #rows > 0 or codes.find(args.word) then return print_found(args, found, rows) end
  if is_type(args.word) then
    return require("altinn.events.commands.types").run { names = { args.word }, json = args.json }
  end
  output.complain(("there is no word '%s'%s; 'altinn-events explain' lists them"):format(output.masked(args.word),
    suggest.hint(args.word, known())))
  return 2
end

return M
