-- Turns what loading refuses into findings: names the cause of what Lua says, and its place in the file.
local characters = require "altinn.events.support.characters"
local edits = require "altinn.events.rules.edits"
local faults = require "altinn.events.support.faults"
local finding = require "altinn.events.rules.finding"
local positions = require "altinn.events.support.positions"
local syntax_faults = require "altinn.events.rules.syntax_faults"

local M = {}

-- What the loading of a file raises: a pattern of the message, its code, and the remedy when the message has none.
local RAISED = {
  { "^'[^']*' is not for rules", "forbidden", "leave it out: rules use events, and what is in scope" },
  { "^the module '[^']*' is", "forbidden", "leave it out: rules use events, and what is in scope" },
  { "is not for rules", "forbidden", "leave it out" },
  { "^'[^']*' is not defined", "undefined" }, { "^'[^']*' is not declared", "assigned" },
  { "^%w+ has no '", "undefined" },
  { "does no I/O when loaded", "io-at-load", "do it in a body" },
  { "^loading takes more than", "load-slow", "a rule file only says what its rules are: do the work in a body" },
  { "^module '.-' not found", "module-missing", "put it into the folder lib/ beside the rules, or install the rock" },
  { "^prefix wants", "when-value", "write prefix \"…\"" }, { "^no wants", "when-value", "write no(\"…\")" },
  { "this is a binary chunk", "not-lua", "give the text of the file" },
  { "binary", "not-lua", "give the text of the file" },
  { "^No such file or directory", "file-missing", "name a file that is there, or a folder with rule files" },
  { "^the folder holds no rule file", "folder-empty", "put rule files (*.lua) there, or name another folder" },
  { "^the folder cannot be read", "file-unreadable", "give the host's user the right to read it" },
  { "^this is a folder", "file-unreadable", "give the folder another name than *.lua" },
  { "^this is no regular file", "file-unreadable", "put a file in its place" },
  { "^Permission denied", "file-unreadable", "give the host's user the right to read it" },
  { "^Too many levels of symbolic links", "file-unreadable", "let the link point to a file" },
}

local function add(list, problem, one)
  list[#list + 1] = finding.new(one.code, { file = one.file or problem.file, line = one.line or problem.line,
    column = one.column, rule = problem.rule }, one.message, one.remedy, one.fix)
end

local function raised(problem)
  local message, remedy = faults.apart(problem.message)
  for _, one in ipairs(RAISED) do
    if problem.message:find(one[1]) then
      return { code = one[2], message = message, remedy = remedy or one[3], line = problem.line }
    end
  end
  return { code = "rule", message = message, remedy = remedy }
end

-- The words of messages that stand in the line that they are about.
local NAMES = { "^'([%w_]+)' is not", "^%w+ has no '([%w_]+)'", "^([%w_.]+): a rule file does no", "^(prefix) wants",
  "^(no) wants" }
local MODULES = { "^module '([%w_.-]+)' not found", "^the module '([%w_.-]+)' is" }

-- Where the word that a message is about stands in a line.
local function column_of(text, number, message)
  local line = text and positions.lines(text)[number]
  for _, pattern in ipairs(line and NAMES or {}) do
    local name = message:match(pattern)
    local at = name and line.text:find("%f[%w_]" .. name:gsub("%p", "%%%0") .. "%f[^%w_]")
    if at then return positions.column(line.text, at) end
  end
  for _, pattern in ipairs(line and MODULES or {}) do
    local name = message:match(pattern)
    local at = name and line.text:find("[\"']" .. name:gsub("%p", "%%%0") .. "[\"']")
    if at then return positions.column(line.text, at) end
  end
end

-- The mistake of a module in lib/, which is raised at the line that requires it.
local function inner_of(problem, sources)
  local file, line, message = problem.message:match("^(.-%.lua):(%d+): (.*)$")
  if not file or not sources[file] then return nil end
  local one = syntax_faults.of(sources[file], problem.message)
  if one.code == "syntax" then one.message, one.line = message, tonumber(line) end
  one.file = file
  return one
end

-- A file that holds no rule, though something like one.
local SHAPES = {
  { "return%s*{", "the file returns a table, and holds no rule", "write rule { … }, without return", "return%s*",
    "rule " },
  { "rule%s*=%s*{", "rule = { … } is an assignment, and makes no rule", "write rule { … }, without the equals sign",
    "rule%s*=%s*", "rule " },
  { "return%s*%[", "the file returns something, and holds no rule", "write rule { … }" },
}

local function no_rule(problem, text)
  for _, shape in ipairs(SHAPES) do
    local from = ("\n" .. text):find("[\n;]%s*" .. shape[1])
    local at = from and text:find(shape[1], math.max(1, from - 1))
    if at then
      local line, column = positions.of(text, at)
      local _, stop = text:find(shape[4] or shape[1], at)
      local is_rule = shape[4] and text:find("run%s*=%s*function") and not text:sub(at, stop):find("\n")
      return { code = "no-rule", message = shape[2], remedy = shape[3], line = line, column = column,
        fix = is_rule and edits.one(line, column, column + stop - at + 1, shape[5]) or nil }
    end
  end
  return { code = "no-rule", message = problem.message:match("^[^;]*"), line = 1, column = 1,
    remedy = problem.message:match("; (.*)$") or "write rule { … }" }
end

local function of_problem(problem, sources)
  local text = sources[problem.file]
  if problem.syntax and text then return syntax_faults.of(text, problem.syntax) end
  if problem.holds_no_rule and text then return no_rule(problem, text) end
  local inner = inner_of(problem, sources)
  if inner then return inner end
  local one = raised(problem)
  one.column = problem.line and column_of(text, problem.line, one.message) or nil
  return one
end

-- Warns of a byte order mark inside of a file, which Lua takes for a part of a name or a text.
local function check_marks(list, file, text)
  local at = text:find("\239\187\191", 2, true)
  if not at then return end
  local line, column = positions.of(text, at)
  list[#list + 1] = finding.new("mark-inside", { file = file, line = line, column = column },
    "a byte order mark stands in the middle of the file, where nobody sees it", "delete it",
    edits.one(line, column, column + 1, ""))
end

-- Warns of typographic quotation marks inside of texts that are no sentences: "“acme-letters”".
local function check_quotes(list, file, text)
  for number, line in ipairs(positions.lines(text)) do
    local from, to, inner = line.text:find("[\"']([^%s\"']+)[\"']")
    while from do
      local odd = characters.next(inner)
      if odd and odd.kind == "quote" and odd.at == 1 and odd.bytes ~= "`" then
        list[#list + 1] = finding.new("quotes-inside", { file = file, line = number,
          column = positions.column(line.text, from) }, ("typographic quotation marks are a part of this text: %s")
          :format(inner), "remove them")
      end
      from, to, inner = line.text:find("[\"']([^%s\"']+)[\"']", to + 1)
    end
  end
end

--- The findings about problems of loading.
---@param problems table[] of altinn.events.rules.loading, those with a `fault` aside
---@param sources table<string, string> the texts by path
---@return altinn.events.finding[]
function M.of(problems, sources)
  local list = {}
  for _, problem in ipairs(problems) do add(list, problem, of_problem(problem, sources)) end
  return list
end

--- The findings about the characters of files that Lua can read.
---@param sources table<string, string>
---@return altinn.events.finding[]
function M.of_texts(sources)
  local list = {}
  for file, text in pairs(sources) do
    check_marks(list, file, text)
    check_quotes(list, file, text)
  end
  return list
end

return M
