-- Findings as SARIF 2.1.0, the format in which code hosts and editors read them.
local codes = require "altinn.events.rules.finding_codes"
local finding = require "altinn.events.rules.finding"
local json = require "altinn.events.support.json"
local positions = require "altinn.events.support.positions"
local urls = require "altinn.events.support.url"

local M = {}

local SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

local LEVELS = { error = "error", warning = "warning", hint = "note" }

local function message(text) return { text = text } end

-- A path as a URI: relative to the folder in which the command runs where it lies in it.
local function uri_of(path, folder)
  path = path:gsub("^%./", "")
  if folder and path:sub(1, #folder + 1) == folder .. "/" then path = path:sub(#folder + 2) end
  local escaped = path:gsub("[^/]+", urls.escape)
  if escaped:sub(1, 1) == "/" then return "file://" .. escaped end
  return escaped:find("^[^/]*:") and "./" .. escaped or escaped
end

-- The column in code units of UTF-16, as SARIF counts: a character beyond U+FFFF has two.
local function unit_column(line, column)
  local byte = line and positions.byte(line, column)
  if not byte or not utf8.len(line) then return column end
  local units = 1
  for _, code in utf8.codes(line:sub(1, byte - 1)) do units = units + (code > 0xFFFF and 2 or 1) end
  return units
end

-- The driver's rules: the codes that occur, with their places in the list.
local function rules_of(list)
  local rules, place = json.list {}, {}
  for _, one in ipairs(list) do
    local row = not place[one.code] and codes.find(one.code)
    if row then
      rules[#rules + 1] = {
        id = one.code, shortDescription = message(row.summary), fullDescription = message(row.why),
        help = message(row.remedy), defaultConfiguration = { level = LEVELS[row.severity] },
      }
      place[one.code] = #rules - 1
    end
  end
  return rules, place
end

local function location_of(one, look)
  if not one.file then return nil end
  local place = { artifactLocation = { uri = uri_of(one.file, look.folder) } }
  if one.line then
    local line = look.line(one.file, one.line)
    place.region = { startLine = one.line, startColumn = one.column and unit_column(line, one.column) or nil }
  end
  return { physicalLocation = place }
end

local function replacement_of(edit, file, look)
  return {
    deletedRegion = {
      startLine = edit.line, startColumn = unit_column(look.line(file, edit.line), edit.column),
      endLine = edit.end_line, endColumn = unit_column(look.line(file, edit.end_line), edit.end_column),
    },
    insertedContent = message(edit.text),
  }
end

local function fixes_of(one, look)
  if not one.fix or not one.file then return nil end
  local replacements = json.list {}
  for index, edit in ipairs(one.fix) do replacements[index] = replacement_of(edit, one.file, look) end
  return json.list { {
    description = message(finding.remedy(one)),
    artifactChanges = json.list { {
      artifactLocation = { uri = uri_of(one.file, look.folder) }, replacements = replacements,
    } },
  } }
end

local function result_of(one, place, look)
  local location = location_of(one, look)
  return {
    ruleId = one.code, ruleIndex = place[one.code], level = LEVELS[one.severity],
    message = message(finding.told(one)), locations = json.list { location }, fixes = fixes_of(one, look),
  }
end

-- The lines of files, each file read once.
local function reader(read)
  local files = {}
  return function(file, number)
    if files[file] == nil then
      local text = read(file)
      files[file] = text and positions.lines((text:gsub("^\239\187\191", ""))) or false
    end
    local line = files[file] and files[file][number]
    return line and line.text
  end
end

--- Findings as a SARIF log.
---@param list altinn.events.finding[]
---@param options { version: string, folder: string|nil, read: fun(file: string): string|nil } folder: that paths are
---  relative to; read: gives the text of a file, for its columns
---@return table log for JSON
function M.of(list, options)
  local rules, place = rules_of(list)
  local look = { folder = options.folder, line = reader(options.read) }
  local results = json.list {}
  for index, one in ipairs(list) do results[index] = result_of(one, place, look) end
  return {
    ["$schema"] = SCHEMA, version = "2.1.0",
    runs = json.list { {
      tool = { driver = { name = "altinn-events", version = options.version, rules = rules } },
      columnKind = "utf16CodeUnits", results = results,
    } },
  }
end

return M
