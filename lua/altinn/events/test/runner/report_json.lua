-- The report as one value of JSON.
local json = require "altinn.events.support.json"
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

function Report:result() return self end

function Report:file() return self end

local function shown(text) return text and texts.readable(outcome.shown(text)) end

local function row_of(self, file, result)
  local is_wrong = result.state == "failed" or result.state == "error"
  return {
    name = shown(outcome.name(result)), line = result.line, at = result.at, state = result.state,
    seconds = result.seconds, message = shown(result.message), trace = shown(result.trace),
    output = shown(result.output), errors = shown(result.errors),
    alone = is_wrong and shown(outcome.command(file, result, self.run)) or nil,
  }
end

local function coverage_of(parts)
  local rows = json.list {}
  for index, part in ipairs(parts) do
    local rules = json.list {}
    for at, rule in ipairs(part.rules) do
      rules[at] = { rule = rule.rule, line = rule.line, lines = rule.lines, hit = rule.hit, percent = rule.percent,
        missed = json.list(rule.missed) }
    end
    rows[index] = { file = part.file, lines = part.lines, hit = part.hit, percent = part.percent,
      missed = json.list(part.missed), rules = rules }
  end
  return rows
end

--- All files have ended.
function Report:finish(files, whole)
  local counts, rows = outcome.counts(files), json.list {}
  for index, file in ipairs(files) do
    local specs = json.list {}
    for at, result in ipairs(file.results) do specs[at] = row_of(self, file, result) end
    rows[index] = { file = file.name, seconds = file.seconds, specs = specs }
  end
  counts.specs = nil
  self.write(assert(json.encode {
    ok = outcome.is_fine(counts) and not whole.interrupted, seed = self.run.seed, seconds = whole.seconds,
    interrupted = whole.interrupted, counts = counts, files = rows,
    coverage = whole.parts and coverage_of(whole.parts) or nil,
  }) .. "\n")
end

return M
