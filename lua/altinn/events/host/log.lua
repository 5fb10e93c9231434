-- The log of the host's Lua code: one line for each fact, made in C (csrc/host/log_line.c).
local M = {}

---A function that writes facts. Identity numbers in texts are masked, long texts are cut.
---@param options { format: string }|nil
---@param fact fun(json: boolean, level: string, message: string, fields: table) takes the line; must not wait
---@return fun(level: string, message: string, fields: table)
function M.new(options, fact)
  local json = options ~= nil and options.format == "json"
  return function(level, message, fields) fact(json, level, message, fields) end
end

return M
