-- The output of the commands: lines, JSON, and complaints with a way out.
local events = require "altinn.events"
local json = require "altinn.events.support.json"
local texts = require "altinn.events.support.text"

local M = {}

-- Why standard output refused a text; nil when it has refused none.
local broken

local function write(text)
  local ok, why = io.stdout:write(texts.visible(text), "\n")
  if not ok then broken = broken or why end
end

--- Prints a text. Characters that control a terminal are made visible.
---@param text string
function M.out(text) write(text) end

--- Prints a filled-in format as one line; line breaks in the texts are made visible.
---@param format string
---@param ... any
function M.line(format, ...)
  local values = table.pack(...)
  for index = 1, values.n do
    if type(values[index]) == "string" then values[index] = texts.visible(values[index], "") end
  end
  write(format:format(table.unpack(values, 1, values.n)))
end

--- Prints a value as JSON.
---@param value any
function M.json(value) write(assert(json.encode(value))) end

local PROGRESS_SECONDS = 0.1  -- between two changes of the line

--- Shows on a terminal how far a long work is; nothing in a pipe.
---@param label string
---@return fun(count: integer|nil) progress called with how much is done; without a count it clears the line
function M.progress(label)
  local host = require("altinn.events.support.libraries").load "altinn.events.host"
  if not host.terminal(io.stderr) then return function() end end
  local next_at = 0
  return function(count)
    local now = os.clock()
    if count and now < next_at then return end
    next_at = now + PROGRESS_SECONDS
    io.stderr:write("\r", count and ("%s: %d"):format(label, count) or "", "\27[K")
    io.stderr:flush()
  end
end

--- Whether standard output took everything that was printed. To be called once, at the end.
---@return boolean ok
---@return string|nil message
function M.finish()
  local ok, why = io.stdout:flush()
  if not ok then broken = broken or why end
  local message = broken
  broken = nil
  return message == nil, message
end

--- Complains on standard error.
---@param text string
function M.complain(text)
  io.stderr:write("altinn-events: ", texts.visible(text), "\n")
end

--- Prints a text on standard error as it is: findings, usage.
---@param text string
function M.note(text)
  io.stderr:write(texts.visible(text), "\n")
end

--- Seconds since 1970 as people and programs read them.
---@param seconds number|nil
---@return string|nil
function M.moment(seconds)
  return seconds and os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(seconds)) or nil
end

-- What to do about a failure that Altinn's side caused.
local remedies = {
  auth = "'altinn-events doctor' says what is wrong with the credentials",
  forbidden = "the token lacks a scope, or the resource's policy does not grant this; see 'altinn-events doctor'",
  network = "is the address right, and may this machine reach it? See 'altinn-events doctor'",
  timeout = "try again; if it stays so, see 'altinn-events doctor'",
  tls = "the certificate could not be verified; see 'altinn-events doctor'",
  throttled = "wait a minute, then try again",
  server = "Altinn is in trouble; try again later",
}

--- A failure as one line: masked, with the way out when there is one.
---@param message any
---@param code string|nil
---@return string
function M.explained(message, code)
  local text = events.mask(tostring(message or "failed"))
  return remedies[code] and ("%s (%s): %s"):format(text, code, remedies[code]) or text
end

--- Complains about a failure.
---@param message any
---@param code string|nil
---@return integer status 1, or 2 when the code is "usage"
function M.failure(message, code)
  M.complain(M.explained(message, code))
  return code == "usage" and 2 or 1
end

--- A list that is an array in JSON also when it is empty.
---@param list table|nil
---@return table
function M.list(list)
  return json.list(list or {})
end

--- A text from outside for a listing: identity numbers masked, no control characters (C1 included); nil stays nil.
---@param value any
---@return string|nil
function M.masked(value)
  if value == nil then return nil end
  return (texts.visible(events.mask(tostring(value)):gsub("%c", " ")))
end

return M
