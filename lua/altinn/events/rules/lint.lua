-- Finds mistakes in the texts of rules: what their bodies name, make, return and reach. No code of a rule runs. Each
-- file in lint/ looks for mistakes of one kind; a mistake has a code, whose severity and explanation stand in
-- finding_codes.lua.
local finding = require "altinn.events.rules.finding"
local powers = require "altinn.events.rules.lint.powers"
local reach = require "altinn.events.rules.lint.reach"
local sandbox = require "altinn.events.rules.sandbox"
local syntax = require "altinn.events.rules.syntax"
local tree = require "altinn.events.rules.lint.tree"

local M = {}

-- The rooms. `nodes`: functions by the tag of a node, called with each node of the functions that bodies reach;
-- `reached`: called with each such function; `rule`: called with each rule; `note`: called with each call beforehand.
local ROOMS = {}
for index, name in ipairs { "things", "returned", "paths", "conditions", "effects", "keys", "words", "bodies",
  "outside", "state", "privacy", "powers", "heads" } do
  ROOMS[index] = require("altinn.events.rules.lint." .. name)
end

local names = require "altinn.events.rules.lint.names"

local function handlers_of(rooms)
  local by_tag = {}
  for _, room in ipairs(rooms) do
    for tag, call in pairs(room.nodes or {}) do
      by_tag[tag] = by_tag[tag] or {}
      table.insert(by_tag[tag], call)
    end
    by_tag.Function = by_tag.Function or {}
    table.insert(by_tag.Function, room.reached)
  end
  return by_tag
end

local HANDLERS = handlers_of(ROOMS)

local NOTES = {}
for _, room in ipairs(ROOMS) do
  if room.note then NOTES[#NOTES + 1] = room end
end

-- Looking at a text: the methods of a run (a rule that is looked at), and of a file.
local Look = {}
Look.__index = Look

--- Adds a mistake.
---@param code string of finding_codes
---@param node table|nil where it is; nil: the rule
---@param message string what, and why it matters
---@param remedy string|nil what to do
---@param fix table|nil edits of the text
---@param severity string|nil instead of the code's own
function Look:add(code, node, message, remedy, fix, severity)
  local line, column = syntax.position(self.chunk, node or self.found.call)
  local place = ("%s\0%d\0%d\0%s\0%s"):format(self.path, line, column, code, message)
  if self.seen[place] then return end
  self.seen[place] = true
  local one = finding.new(code, { file = self.path, line = line, column = column, rule = self.rule and self.rule.name },
    message, remedy, fix or nil)
  one.severity = severity or one.severity
  self.findings[#self.findings + 1] = one
end

--- Where a node is, under a name.
---@param node table
---@param name string
---@return { name: string, line: integer, column: integer }
function Look:mark(node, name)
  local line, column = syntax.position(self.chunk, node)
  return { name = name, line = line, column = column, file = self.path }
end

--- The line of a node.
---@param node table
---@return integer
function Look:line_of(node) return (syntax.position(self.chunk, node)) end

-- Edits: { line, column, end_line, end_column, text }.

--- Writes a text in place of a node.
---@param node table
---@param text string
---@return table[] fix
function Look:replace(node, text)
  local line, column = syntax.position(self.chunk, node)
  local end_line, end_column = syntax.ending(self.chunk, node)
  return { { line = line, column = column, end_line = end_line, end_column = end_column, text = text } }
end

--- Writes a text before a node.
---@param node table
---@param text string
---@return table[] fix
function Look:insert(node, text)
  local line, column = syntax.position(self.chunk, node)
  return { { line = line, column = column, end_line = line, end_column = column, text = text } }
end

--- Writes texts before and behind a node.
---@param node table
---@param before string
---@param behind string
---@return table[] fix
function Look:wrap(node, before, behind)
  local fix = self:insert(node, before)
  local line, column = syntax.ending(self.chunk, node)
  fix[2] = { line = line, column = column, end_line = line, end_column = column, text = behind }
  return fix
end

--- Writes another name for the member of an Index or Invoke; nil where it is not a plain name.
---@param node table
---@param name string
---@return table[]|nil fix
function Look:name_fix(node, name)
  local key = node[2]
  if key.end_offset - key.offset + 1 ~= #key[1] then return nil end  -- ["name"]
  return self:replace(key, name)
end

--- Writes another character between the owner and the member of an Index or Invoke.
---@param node table
---@param character string "." or ":"
---@return table[]|nil fix
function Look:dot_fix(node, character)
  local key = node[2]
  if key.end_offset - key.offset + 1 ~= #key[1] or key.offset ~= node[1].end_offset + 2 then return nil end
  local line, column = syntax.position(self.chunk, key)
  return { { line = line, column = column - 1, end_line = line, end_column = column, text = character } }
end

-- The branch of an `if` in which a node stands.
local function branch_of(node, choice)
  while node.up ~= choice do node = node.up end
  return node
end

--- Whether two nodes stand in branches that exclude each other, or the first one's branch ends the body.
---@param first table
---@param second table
---@return boolean
function Look:are_alternatives(first, second)
  local up = first.up
  while up and up.tag ~= "Function" do
    if up.tag == "If" and tree.is_within(second, up) then
      return branch_of(first, up) ~= branch_of(second, up)
    end
    if up.is_block and up.up and up.up.tag == "If" and ROOMS.paths.ends(self, up) then return true end
    up = up.up
  end
  return false
end

for _, room in ipairs(ROOMS) do
  if room.ends then ROOMS.paths = room end
end

-- Calls the functions for the tags of a node and of all inside it.
local function visit(look, handlers, node)
  local own = handlers[node.tag or "list"]
  if own then
    for index = 1, #own do own[index](look, node) end
  end
  for index = 1, #node do
    local child = node[index]
    if type(child) == "table" then visit(look, handlers, child) end
  end
end

-- Files.

local NAMES = handlers_of { names }

-- What Lua cannot read either is told when it is loaded.
local function unread(whole, path)
  if not sandbox.chunk(whole.texts[path], "=" .. path, {}) then return end
  whole.findings[#whole.findings + 1] = finding.new("parser", { file = path }, "luacheck cannot read this file: what"
    .. " its bodies name was not looked at")
end

local function look_at_file(whole, path)
  local chunk = whole.chunk(path)
  if not chunk then return unread(whole, path) end
  local file = setmetatable({ chunk = chunk, path = path, text = whole.texts[path], findings = whole.findings,
    seen = whole.seen }, Look)
  names.file(file)
  visit(file, NAMES, chunk.tree)
end

-- Rules.

-- The rules of a set by their files, and by their names and lines there.
local function by_place(set)
  local files = {}
  for _, rule in ipairs(set) do
    local own = files[rule.file] or {}
    files[rule.file] = own
    own[rule.name], own[rule.line] = rule, own[rule.line] or rule
  end
  return files
end

local function note_calls(run)
  for _, one in ipairs(run.functions) do
    run.chunk = one.chunk
    for node in syntax.uses(one.chunk, one.node) do
      for _, room in ipairs(node.tag == "Call" and NOTES or {}) do room.note(run, node) end
    end
  end
end

local function look_at_functions(run)
  for _, one in ipairs(run.functions) do
    run.chunk, run.path = one.chunk, one.chunk.path
    visit(run, HANDLERS, one.node)
  end
end

local function look_at_rule(whole, path, chunk, rule, found)
  local run = reach.run(rule, found, function(name) return whole.module(path, name) end)
  run.path, run.chunk, run.findings, run.seen = path, chunk, whole.findings, whole.seen
  run.targets, run.texts, run.powers, run.steps, run.dropped = whole.targets, whole.texts, {}, {}, {}
  run.unreached = {}
  run.started = { timers = {}, probes = {}, open = run.is_open }
  setmetatable(run, Look)
  note_calls(run)
  look_at_functions(run)
  run.chunk, run.path = chunk, path
  for _, room in ipairs(ROOMS) do
    if room.rule then room.rule(run) end
  end
  local list, complete = powers.used(run)
  return { asks = run.asks, sets_timer = run.sets_timer, sends = run.sends, powers = list, complete = complete }
end

-- The rules of a file: `rules`, by their names and lines.
local function look_at_rules(whole, path, rules)
  local chunk = whole.chunk(path)
  for _, found in ipairs(chunk and reach.rules(chunk) or {}) do
    local rule = rules[found.name or syntax.position(chunk, found.call)]
    if rule then whole.facts[rule] = look_at_rule(whole, path, chunk, rule, found) end
  end
end

-- The texts of a set, each read once.
local function texts_of(set, targets)
  local whole = { texts = set.sources, targets = targets, findings = {}, seen = {}, facts = {} }
  local chunks = {}
  whole.kept = {}
  function whole.release(path)  -- many trees at once take much memory
    if not whole.kept[path] then chunks[path] = nil end
  end
  function whole.chunk(path)
    if chunks[path] == nil then
      local chunk = syntax.chunk(set.sources[path])
      chunks[path] = chunk or false
      if chunk then chunk.path, chunk.tree.chunk = path, chunk end
    end
    return chunks[path] or nil
  end
  function whole.module(file, name)
    local folder, inner = sandbox.folder_of(file), name:gsub("%.", "/")
    for _, place in ipairs { "/lib/%s.lua", "/lib/%s/init.lua", "/%s.lua", "/%s/init.lua" } do
      local path = folder .. place:format(inner)
      if set.sources[path] then
        whole.kept[path] = true
        return whole.chunk(path)
      end
    end
  end
  return whole
end

local function paths_of(set)
  local paths = {}
  for path in pairs(set.sources) do paths[#paths + 1] = path end
  table.sort(paths)
  return paths
end

---@class altinn.events.lint.facts
---What the bodies of a rule do, as far as their text tells it.
---@field asks { name: string, file: string, line: integer, column: integer }|nil a call that asks Altinn
---@field sets_timer { name: string, file: string, line: integer, column: integer }|nil a call of later
---@field powers string[] what they use, sorted
---@field complete boolean whether the text tells all powers

--- Looks at the texts of rules.
---@param set table of altinn.events.rules.loading
---@param targets table<string, table>|nil of the configuration; nil: targets are not checked
---@return altinn.events.finding[] findings in no order
---@return table<table, altinn.events.lint.facts> facts by rule
function M.of(set, targets)
  if not syntax.available() then
    return { finding.new("parser", {}, syntax.MISSING) }, {}
  end
  local whole = texts_of(set, targets)
  local rules = by_place(set)
  for _, path in ipairs(paths_of(set)) do
    look_at_file(whole, path)
    look_at_rules(whole, path, rules[path] or {})
    whole.release(path)
  end
  return whole.findings, whole.facts
end

--- The powers that the bodies of rules use.
---@param set table of altinn.events.rules.loading
---@return table<table, { powers: string[], complete: boolean }> used by rule; complete: the text tells them all
function M.powers(set)
  local used, _, facts = {}, M.of(set)
  for rule, one in pairs(facts) do used[rule] = { powers = one.powers, complete = one.complete } end
  return used
end

return M
