-- The host's log in `dev`: what a rule logs, refusals and warnings become lines between the others; the rest, which the
-- inbox tells, is left out.
local cjson = require("cjson.safe").new()
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local lines = require "altinn.events.dev.lines"

local M = {}

local COLOUR = { warn = "yellow", error = "red" }
local TOLD = { verdict = true, abandoned = true, stopping = true, stopped = true, rules = true }

local Log = {}
Log.__index = Log

local function is_news(fact)
  if fact.msg == "rule" or fact.msg == "duplicate" then return true end
  return COLOUR[fact.level] ~= nil and not TOLD[fact.msg]
end

-- A number of the log, which JSON gives as a fraction.
local function number(value) return value and lines.clean(math.tointeger(value) or value) or "" end

local function parts_of(fact)
  local text = fact.reason and lines.clean(fact.reason) or ""
  if fact.msg == "duplicate" then text = "this event is here already: nothing happens (r sends it as a new one)" end
  local who = fact.msg == "rule" and fact.rule or fact.msg
  return { { fact.event and "#" .. number(fact.event) or "", "dim" }, { lines.clean(who) },
    { fact.msg == "rule" and "log" or "", "dim" }, { number(fact.status), COLOUR[fact.level] },
    { text, COLOUR[fact.level] } }
end

--- A fact as the parts of a line; nil: the inbox tells it, or nobody needs to know.
---@param fact table
---@return table[]|nil parts
function M.parts(fact)
  return is_news(fact) and parts_of(fact) or nil
end

--- What was logged since the last call, as the parts of lines. What is no line of the log is shown as it is.
---@return table[] list
function Log:take()
  local list = {}
  self.rest = self.rest .. host.caught_log()
  while true do
    local line, rest = self.rest:match "^([^\n]*)\n(.*)$"
    if not line then break end
    self.rest = rest
    local fact = cjson.decode(line)
    if type(fact) ~= "table" then list[#list + 1] = { { lines.masked(line), "red" } }
    else list[#list + 1] = M.parts(fact) end
  end
  return list
end

--- Catches what is written to standard error from now on.
---@return table|nil log
---@return string|nil message
function M.catch()
  local fine, message = host.catch_log()
  if not fine then return nil, message end
  return setmetatable({ rest = "" }, Log)
end

--- Standard error is as before.
function M.release() host.release_log() end

return M
