-- The log of the host's Lua code: one line for each fact.
local logfmt = require "altinn.events.support.logfmt"

local M = {}

-- Fields whose values need neither masking nor cutting: names of rules, which were checked, and words of our own.
local OURS = { rule = true, verdict = true }

local second, stamp = nil, nil  -- the time of the last line, and its text

local function now()
  local time = os.time()
  if time ~= second then second, stamp = time, os.date("!%Y-%m-%dT%H:%M:%SZ", time) end
  return stamp
end

local function line(format, level, message, fields)
  local time = now()
  if format == "json" then return logfmt.json(time, level, message, fields) end
  return ("time=%s level=%s %s"):format(time, level, logfmt.line(message, fields))
end

---A function that writes facts.
---@param options { format: string }|nil
---@param write fun(line: string) takes a line without its end; must not wait
---@return fun(level: string, message: string, fields: table)
function M.new(options, write)
  local format = options and options.format
  return function(level, message, fields)
    for name, value in next, fields do
      if type(value) == "string" and not OURS[name] then fields[name] = logfmt.short(value) end
    end
    write(line(format, level, message, fields))
  end
end

return M
