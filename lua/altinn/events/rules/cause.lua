-- The cause of a failure: a short text that is the same for the same fault, whichever letter, attempt or moment it was,
-- so that dead letters can be listed by their causes.
local core = require "altinn.events.core"
local texts = require "altinn.events.support.text"

local M = {}

local MOST = 120  -- bytes
-- Of a reason only so many bytes are looked at: the patterns here need the square of a text's length, no budget of the
-- rule holds here, and a rule may raise a whole answer of a server.
local LOOKED_AT = 1000

--- The longest cause, in bytes.
M.most = MOST

-- A status of HTTP tells faults apart: its digits are kept as control characters until the others are gone.
local STATUS_WORDS = { http = true, status = true, answered = true }

local function keep_statuses(text)
  return (text:gsub("(%a+)( [345]%d%d)%f[^%d]", function(word, status)
    return STATUS_WORDS[word:lower()] and word .. status:gsub("%d", function(digit)
      return string.char(digit:byte() - 47)
    end) or nil
  end))
end

local function with_statuses(text)
  return (text:gsub("[\1-\10]", function(kept) return string.char(kept:byte() + 47) end))
end

-- A word with a digit in it, or an address, names one thing: an id, a number, a time, a letter's reference.
local function without_names(text)
  text = text:gsub("%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x+", "#")
  text = text:gsub("[^%s%(%)%[%]{}<>,;:='\"`|]+", function(word)
    if word:find("[%d@]") then return "#" end
  end)
  return (text:gsub("#[#:%.%-/]*#", "#"))
end

-- What stands in quotes is a name of the program ('reference', "send:print"), or data of a letter.
local function without_data(text)
  for _, quote in ipairs { "'", '"' } do
    text = text:gsub(quote .. "([^" .. quote .. "]*)" .. quote, function(inside)
      if not inside:find("^[%a_][%a_%.:%-%(%)]*$") then return quote .. "…" .. quote end
    end)
  end
  return text
end

local function stable(text) return with_statuses(without_names(keep_statuses(without_data(text)))) end

-- Places in files stay, without their folders: `rules/paper.lua:12` is paper.lua:12 wherever the rules stand.
local function of_text(reason)
  local line = core.mask(texts.visible(reason:sub(1, LOOKED_AT):match("^[^\r\n]*"), ""))
  local parts, at = {}, 1
  while true do
    local from, to, file, number = line:find("([^%s/\\:'\"]+%.lua):(%d+)", at)
    if not from then break end
    local before = line:sub(at, from - 1):gsub("[^%s'\"]*[/\\]$", "")
    parts[#parts + 1] = stable(before) .. file .. ":" .. number
    at = to + 1
  end
  parts[#parts + 1] = stable(line:sub(at))
  return (table.concat(parts):gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""))
end

local function of_altinn(failure)
  local number = failure.number or failure.status
  if failure.stage then return ("%s (%s)"):format(failure.kind, failure.stage) end
  return number and ("%s (%d)"):format(failure.kind, number) or nil
end

local function of_target(failure)
  if type(failure.kind) == "number" then return ("%s answered %d"):format(failure.target, failure.kind) end
  return ("%s: %s"):format(failure.target, tostring(failure.stage or failure.kind or "no answer"))
end

-- Kinds of failures whose text says what is wrong; of others the kind says it.
local TOLD = { error = true, limit = true, fail = true, host = true, usage = true }

--- The cause of a failure.
---@param failure { cause: string|nil, reason: string|nil, kind: any, status: integer|nil, number: integer|nil,
---  target: string|nil } what altinn.events.rules.retry_policy.failed takes; `cause`: when it is known already
---@return string cause UTF-8, at most 120 bytes, masked, one line
function M.of(failure)
  local cause = failure.cause
  if cause == nil and failure.target ~= nil then cause = of_target(failure)
  elseif cause == nil and failure.kind ~= nil and not TOLD[failure.kind] then
    cause = of_altinn(failure) or tostring(failure.kind)
  end
  cause = cause and core.mask(texts.visible(tostring(cause):sub(1, LOOKED_AT), ""))
    or of_text(tostring(failure.reason or "unknown"))
  if cause == "" then cause = "unknown" end
  return texts.cut(cause, MOST)
end

return M
