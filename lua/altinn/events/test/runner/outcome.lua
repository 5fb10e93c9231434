-- What came of a run of specs, as all reports need it.
local core = require "altinn.events.core"

local M = {}

local COUNTED = { passed = "passed", failed = "failed", error = "errors", pending = "pending" }

--- The results of the files, counted.
---@param files table[] as the pool gives them
---@return { passed: integer, failed: integer, errors: integer, pending: integer, specs: integer }
function M.counts(files)
  local counts = { passed = 0, failed = 0, errors = 0, pending = 0, specs = 0 }
  for _, file in ipairs(files) do
    for _, result in ipairs(file.results) do
      local name = COUNTED[result.state]
      counts[name] = counts[name] + 1
      if result.kind == "spec" then counts.specs = counts.specs + 1 end
    end
  end
  return counts
end

--- Whether nothing went wrong.
---@param counts table of M.counts
---@return boolean
function M.is_fine(counts)
  return counts.failed == 0 and counts.errors == 0
end

--- The name of a result. What is no spec is named by its hook.
---@param result altinn.events.test.result
---@return string
function M.name(result)
  if result.kind == "spec" then return result.name end
  if not result.hook or result.hook == "file" then return "the file itself" end
  return result.name == "" and result.hook or ("%s of %s"):format(result.hook, result.name)
end

--- The place of a result: "rules/paper_spec.lua:12".
---@param file table
---@param result altinn.events.test.result
---@return string
function M.place(file, result)
  return result.line and ("%s:%d"):format(file.name, result.line) or file.name
end

local function quoted(text)
  if text:find "^[%w_./:=-]+$" then return text end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- The command line that runs a spec alone, with the same random numbers.
---@param file table
---@param result altinn.events.test.result
---@param run { seed: integer, options: string[] }
---@return string
function M.command(file, result, run)
  local words = { "altinn-events", "test", quoted(file.name) }
  if result.kind == "spec" then
    local pattern = result.name:gsub("[%^%$%(%)%%%.%[%]%*%+%-%?]", "%%%0")
    words[#words + 1] = "--filter " .. quoted("^" .. pattern .. "$")
  end
  words[#words + 1] = ("--seed %d"):format(run.seed)
  for _, option in ipairs(run.options) do words[#words + 1] = option end
  return table.concat(words, " ")
end

--- A text of a spec for a report: identity numbers are masked.
---@param text string
---@return string
function M.shown(text)
  return (core.mask(text))
end

return M
