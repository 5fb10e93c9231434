-- The report as JUnit's XML: a suite a file, a case a spec.
local outcome = require "altinn.events.test.runner.outcome"
local texts = require "altinn.events.support.text"

local M = {}

local Report = {}
Report.__index = Report

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["\n"] = "&#10;",
  ["\t"] = "&#9;" }

--- A report; see report_text.
---@param write fun(text: string)
---@param run { seed: integer, options: string[] }
---@return table
function M.new(write, run)
  return setmetatable({ write = write, run = run }, Report)
end

function Report:result() return self end

function Report:file() return self end

-- Characters that XML has no form for become visible; U+FFFE and U+FFFF are none either.
local function clean(text)
  return (texts.visible(outcome.shown(text)):gsub("\239\191[\190\191]", "\239\191\189"))
end

local function attribute(text) return (clean(text):gsub('[&<>"\n\t]', ENTITIES)) end

local function content(text) return (clean(text):gsub("[&<>]", ENTITIES)) end

local function class_of(file)
  return (file.name:gsub("^%./", ""):gsub("%.lua$", ""):gsub("/", "."))
end

local function write_problem(self, file, result)
  local element = result.state == "failed" and "failure" or "error"
  local message = result.message or "it failed"
  self.write(('      <%s type="%s" message="%s">%s</%s>\n'):format(element, element,
    attribute(message:match "[^\n]*"),
    content(("%s\n%s\nalone: %s"):format(message, outcome.place(file, result),
      outcome.command(file, result, self.run))), element))
end

local function write_case(self, file, result)
  self.write(('    <testcase name="%s" classname="%s" time="%.6f"'):format(attribute(outcome.name(result)),
    attribute(class_of(file)), result.seconds or 0))
  if result.state == "passed" then return self.write("/>\n") end
  self.write(">\n")
  if result.state == "pending" then self.write("      <skipped/>\n") else write_problem(self, file, result) end
  self.write("    </testcase>\n")
end

local function all_of(file, name)
  local parts = {}
  for _, result in ipairs(file.results) do parts[#parts + 1] = result[name] end
  return table.concat(parts)
end

local function write_suite(self, file, index, whole)
  local counts = outcome.counts { file }
  self.write(('  <testsuite name="%s" package="%s" id="%d" hostname="localhost" timestamp="%s" tests="%d" '
    .. 'failures="%d" errors="%d" skipped="%d" time="%.6f">\n'):format(attribute(file.name), attribute(class_of(file)),
    index - 1, os.date("!%Y-%m-%dT%H:%M:%S", whole.began), #file.results, counts.failed, counts.errors, counts.pending,
    file.seconds))
  self.write(('    <properties><property name="seed" value="%d"/></properties>\n'):format(self.run.seed))
  for _, result in ipairs(file.results) do write_case(self, file, result) end
  self.write(("    <system-out>%s</system-out>\n    <system-err>%s</system-err>\n  </testsuite>\n"):format(
    content(all_of(file, "output")), content(all_of(file, "errors"))))
end

--- All files have ended.
function Report:finish(files, whole)
  self.write('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n')
  for index, file in ipairs(files) do write_suite(self, file, index, whole) end
  self.write("</testsuites>\n")
end

return M
