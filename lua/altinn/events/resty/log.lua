-- The log in nginx. nginx adds the request's line to whatever is logged while
-- the request is at work, and an endpoint's address holds its secret: so
-- lines are written a moment later, by a timer, which has no request.
-- luacheck: globals ngx
local logfmt = require "altinn.events.support.logfmt"

local M = {}

local LEVELS = { debug = "DEBUG", info = "INFO", warn = "WARN", warning = "WARN", error = "ERR" }

-- Of this worker.
local lines, waiting = {}, false

local function write()
  local list = lines
  lines, waiting = {}, false
  for _, line in ipairs(list) do ngx.log(ngx[LEVELS[line.level]], "altinn-events: ", line.text) end
end

--- One fact, one line of nginx's error log; texts are masked.
---@param level "debug"|"info"|"warn"|"warning"|"error"
---@param message string
---@param fields table<string, any> see altinn.events.support.logfmt
function M.say(level, message, fields)
  local texts = {}
  for name, value in pairs(fields) do texts[name] = logfmt.short(value) end
  lines[#lines + 1] = { level = level, text = logfmt.line(message, texts) }
  if waiting then return end
  if ngx.get_phase() == "init" then return write() end
  waiting = ngx.timer.at(0, write) and true or false
  if not waiting then write() end  -- no timer is to be had: late is worse than long
end

--- What the present request is at: its rule and event.
---@return { rule: string|nil, event: string|nil }
function M.present()
  local ok, run = pcall(function() return ngx.ctx.altinn_events end)
  return ok and run or {}  -- while nginx starts there is no request
end

--- The names of the levels.
M.levels = LEVELS

return M
