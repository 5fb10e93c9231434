-- Findings about the configuration: each at the line of its key. No value of the configuration stands in them.
local finding = require "altinn.events.rules.finding"
local head_places = require "altinn.events.rules.head_places"
local syntax_faults = require "altinn.events.rules.syntax_faults"

local M = {}

-- What the reading of the file raises: a pattern of the message, its code, and the remedy.
local RAISED = {
  { "^No such file", "config-missing", "name a file that is there, or leave --config out" },
  { "^Permission denied", "config-missing", "give this user the right to read it" },
  { "^Is a directory", "config-missing", "name the file in it" },
  { "this is [JYIN]", "not-lua" }, { "return is missing", "config-form", "write return { … }" },
  { "the file must return a table", "config-form", "write return { listen = \"127.0.0.1:8480\", … }" },
  { "a word that is not defined", "config-word" },
  { "is no value: write", "config-word" }, { "is not here: ", "config-word" },
  { "is not defined", "config-word" }, { "stands outside of the table", "config-form", "write return { … }" },
  { "^env wants", "config-word" }, { "^file wants", "config-word" },
}

-- What may be said of a text that Lua cannot read, without a word of it.
local SYNTAX = {
  comma = { "a comma is missing, or there is one too many", "write one comma between two keys" },
  ["colon-key"] = { "a name and its value are joined by an equals sign", "write name = …" },
  ["quoted-key"] = { "the name of a key stands without quotes", "write name = …" },
}

local function may_be_shown(fix)
  for _, edit in ipairs(fix or {}) do
    if not edit.text:find("^[%p%s]*$") then return false end
  end
  return fix ~= nil
end

local function of_syntax(problem)
  local one = syntax_faults.of(problem.source, problem.raw)
  if one.code == "syntax" or one.code == "not-lua" then return nil end
  local words = SYNTAX[one.code] or { one.message:gsub("'[^']*'", function(quoted)
    return #quoted <= 5 and quoted or "'…'"
  end), one.remedy }
  return finding.new(one.code, { file = problem.file, line = one.line, column = one.column }, words[1], words[2],
    may_be_shown(one.fix) and one.fix or nil)
end

local function of_reading(problem)
  if problem.raw and problem.source then
    local one = of_syntax(problem)
    if one then return one end
  end
  local code, remedy = "syntax", problem.remedy
  for _, one in ipairs(RAISED) do
    if problem.message:find(one[1]) then code, remedy = one[2], remedy or one[3] break end
  end
  if code == "syntax" and not problem.raw then code = "config-word" end
  local message, own = problem.message, nil
  if code ~= "syntax" then message, own = message:match("^(.-): (.*)$") end
  local is_whole = not problem.line and (code == "config-form" or code == "not-lua")
  return finding.new(code, { file = problem.file, line = problem.line or is_whole and 1 or nil,
    column = is_whole and 1 or nil }, message or problem.message, own or remedy)
end

-- The places of the keys of a file, each text read once.
local function reader()
  local read = {}
  return function(text)
    if text and read[text] == nil then read[text] = head_places.returned(text) or false end
    return text and read[text] or nil
  end
end

local function of_fault(problem, look)
  if problem.code == "config-unread" then return of_reading(problem) end
  local places = look(problem.source)
  local place, fix = { file = problem.file, line = problem.line }, nil
  local node, is_exact
  if places and #problem.part > 0 then node, is_exact = places:node(places.table, problem.part, problem.at_key) end
  if node and (is_exact or node ~= places.table.call) then
    place.line, place.column = places:position(node)
    if is_exact and problem.word then fix = places:replaced(node, problem.part[#problem.part], problem.word) end
  end
  -- A value of an option or a variable has no place in the file.
  if problem.is_bare and not place.line then place.file = nil end
  return finding.new(problem.code, place, problem.message, problem.remedy, fix)
end

local function of_missing(one)
  local file, line, message = one.message:match("^(%S+):(%d+): (.*)$")
  return finding.new("secret-missing", { file = file, line = tonumber(line) }, message or one.message,
    one.message:find(": file ", 1, true) and "'run' needs it, as the user that it runs as"
      or "'run' needs it; --env-file FILE reads what systemd gives the host")
end

--- The problems of a configuration, or its warnings and missing secrets.
---@param problems altinn.events.fault[]|nil each with `file` and `source`, the file's text
---@param config table|nil
---@return altinn.events.finding[]
function M.of(problems, config)
  local list, look = {}, reader()
  for _, one in ipairs(problems or {}) do list[#list + 1] = of_fault(one, look) end
  for _, one in ipairs(config and config.missing or {}) do list[#list + 1] = of_missing(one) end
  for _, one in ipairs(config and config.warned or {}) do
    list[#list + 1] = of_fault(one, look)
  end
  return list
end

return M
