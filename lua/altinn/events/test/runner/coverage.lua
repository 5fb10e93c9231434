-- Which lines of the rule files the specs have run.
local disk = require "altinn.events.support.files"
local lines = require "altinn.events.test.runner.lines"
local paths = require "altinn.events.support.path"
local sorted = require("altinn.events.support.names").sorted

local M = {}

local Coverage = {}
Coverage.__index = Coverage

local function plain(self, path) return paths.plain(path, self.folder) end

--- Nothing has run yet.
---@param files string[] the rule files
---@return table coverage
function M.new(files)
  local self = setmetatable({ folder = paths.folder(), counts = {}, files = {}, libraries = {} }, Coverage)
  for _, file in ipairs(files) do
    local path = plain(self, file)
    self.files[path] = true
    self.libraries[(path:match "^(.*/)" or "") .. "lib/"] = true
  end
  return self
end

--- Whether a file is one of the rule files, or a module of theirs.
---@param path string
---@return boolean
function Coverage:wants(path)
  path = plain(self, path)
  if self.files[path] then return true end
  for folder in pairs(self.libraries) do
    if path:sub(1, #folder) == folder then return true end
  end
  return false
end

local function add_counts(self, path, counts)
  local own = self.counts[path] or {}
  self.counts[path] = own
  for line, count in pairs(counts) do
    line = math.tointeger(tonumber(line))
    if line then own[line] = (own[line] or 0) + count end
  end
end

--- Adds counts of runs; those of other files are passed over.
---@param counts table<string, table<integer|string, integer>> file -> line -> count
function Coverage:add(counts)
  for file, of_file in pairs(counts or {}) do
    if self:wants(file) then add_counts(self, plain(self, file), of_file) end
  end
end

-- The count of each line that can be run.
local function judged(self, path)
  local counts, list = self.counts[path] or {}, {}
  for index, line in ipairs(lines.of(disk.read(path) or "")) do
    list[index] = { line = line, count = counts[line] or 0 }
  end
  return list
end

local function summary(list, first, last)
  local part = { lines = 0, hit = 0, missed = {} }
  for _, one in ipairs(list) do
    if one.line >= first and one.line <= last then
      part.lines = part.lines + 1
      if one.count > 0 then part.hit = part.hit + 1 else part.missed[#part.missed + 1] = one.line end
    end
  end
  part.percent = part.lines == 0 and 100 or part.hit * 100 / part.lines
  return part
end

-- Rules of a file, each with its lines: from its own to the next one's.
local function rules_of(list, rules)
  local parts = {}
  table.sort(rules, function(a, b) return a.line < b.line end)
  for index, rule in ipairs(rules) do
    local part = summary(list, rule.line, rules[index + 1] and rules[index + 1].line - 1 or math.huge)
    part.rule, part.line = rule.name, rule.line
    parts[index] = part
  end
  return parts
end

--- What was run of the rule files, and of the modules that they require.
---@param set { name: string, file: string, line: integer }[]|nil the rules of the files
---@return table[] parts in the order of the paths: { file, lines, hit, percent, missed = lines, rules = { … }, list }
function Coverage:parts(set)
  local all, parts, rules = {}, {}, {}
  for path in pairs(self.files) do all[path] = true end
  for path in pairs(self.counts) do all[path] = true end
  for _, rule in ipairs(set or {}) do
    local path = plain(self, rule.file)
    rules[path] = rules[path] or {}
    table.insert(rules[path], rule)
  end
  for index, path in ipairs(sorted(all)) do
    local list = judged(self, path)
    local part = summary(list, 1, math.huge)
    part.file, part.list, part.rules = path, list, rules_of(list, rules[path] or {})
    parts[index] = part
  end
  return parts
end

--- Lines as people read them: "3, 7-9".
---@param list integer[] sorted
---@return string
function M.ranges(list)
  local ranges, index = {}, 1
  while index <= #list do
    local last = index
    while list[last + 1] == list[last] + 1 do last = last + 1 end
    ranges[#ranges + 1] = last > index and ("%d-%d"):format(list[index], list[last]) or ("%d"):format(list[index])
    index = last + 1
  end
  return table.concat(ranges, ", ")
end

--- The parts in the format of lcov.
---@param parts table[]
---@return string
function M.lcov(parts)
  local text = {}
  for _, part in ipairs(parts) do
    text[#text + 1] = "TN:\nSF:" .. part.file
    for _, one in ipairs(part.list) do text[#text + 1] = ("DA:%d,%d"):format(one.line, one.count) end
    text[#text + 1] = ("LF:%d\nLH:%d\nend_of_record"):format(part.lines, part.hit)
  end
  text[#text + 1] = ""
  return table.concat(text, "\n")
end

return M
