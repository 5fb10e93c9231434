-- The log in nginx. While a request is handled nginx adds its request line to each line of the log, and the address
-- of the endpoint holds the secret. So a timer, which has no request, writes the lines a moment later.
-- luacheck: globals ngx
local logfmt = require "altinn.events.support.logfmt"

local M = {}

local LEVELS = { debug = "DEBUG", info = "INFO", warn = "WARN", warning = "WARN", error = "ERR" }

-- State of this nginx worker.
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
  if not waiting then write() end  -- nginx gives no timer now: write at once, although nginx adds the request
end

--- The rule and the event that the present request is working on.
---@return { rule: string|nil, event: string|nil }
function M.present()
  local ok, run = pcall(function() return ngx.ctx.altinn_events end)
  return ok and run or {}  -- while nginx starts there is no request
end

--- The names of the levels.
M.levels = LEVELS

return M
