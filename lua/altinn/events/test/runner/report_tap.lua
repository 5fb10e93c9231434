-- The report as TAP 14 (https://testanything.org/tap-version-14-specification.html): one point a spec.
local coverage = require "altinn.events.test.runner.coverage"
local outcome = require "altinn.events.test.runner.outcome"
local texts = require "altinn.events.support.text"

local M = {}

local Report = {}
Report.__index = Report

--- A report; see report_text.
---@param write fun(text: string)
---@param run { seed: integer, options: string[] }
---@return table
function M.new(write, run)
  return setmetatable({ write = write, run = run }, Report)
end

function Report:result() return self end  -- all is told at the end, in the order of the files

function Report:file() return self end

local function line(text) return (texts.visible(outcome.shown(text), "")) end

local function description(file, result)
  local text = ("%s: %s"):format(outcome.place(file, result), outcome.name(result))
  return (line(text):gsub("[\\#]", "\\%0"))
end

-- A text as YAML. One that begins with a blank has no plain form of several lines.
local function yaml(name, text)
  text = texts.visible(outcome.shown(text)):gsub("\n+$", "")
  if text == "" or text:find "^%s" or not text:find "\n" then
    return ('  %s: "%s"\n'):format(name, text:gsub('["\\]', "\\%0"):gsub("\n", "\\n"):gsub("\t", "\\t"))
  end
  return ("  %s: |\n    %s\n"):format(name, text:gsub("\n", "\n    "))
end

local function write_details(self, file, result)
  self.write("  ---\n")
  self.write(yaml("message", result.message or "it failed"))
  self.write(("  severity: %s\n"):format(result.state == "failed" and "fail" or "error"))
  local at = result.at or result.line
  if at then self.write(yaml("at", ("%s:%d"):format(file.name, at))) end
  self.write(yaml("alone", outcome.command(file, result, self.run)))
  self.write("  ...\n")
end

local function write_comment(self, text)
  for one in (text:gsub("\n+$", "") .. "\n"):gmatch "(.-)\n" do self.write("# " .. line(one) .. "\n") end
end

local function write_point(self, number, file, result)
  local is_wrong = result.state == "failed" or result.state == "error"
  local skipped = result.state == "pending" and (" # SKIP %s"):format(line(result.message or "pending")) or ""
  self.write(("%s %d - %s%s\n"):format(is_wrong and "not ok" or "ok", number, description(file, result), skipped))
  if is_wrong then write_details(self, file, result) end
  for _, printed in ipairs { result.output or "", result.errors or "" } do
    if printed ~= "" then write_comment(self, printed) end
  end
end

--- All files have ended.
function Report:finish(files, whole)
  self.write(("TAP version 14\n# seed %d\n"):format(self.run.seed))
  local number = 0
  for _, file in ipairs(files) do
    for _, result in ipairs(file.results) do
      number = number + 1
      write_point(self, number, file, result)
    end
  end
  for _, part in ipairs(whole.parts or {}) do
    local missed = #part.missed > 0 and ", never run: " .. coverage.ranges(part.missed) or ""
    write_comment(self, ("coverage %s: %.1f %%%s"):format(part.file, part.percent, missed))
  end
  if whole.interrupted then return self.write("Bail out! interrupted\n") end
  self.write(("1..%d\n"):format(number))
end

return M
