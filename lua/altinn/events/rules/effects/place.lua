-- What effects on the host's own machine (files, programs) have in common: the host carries them out aside.
local text = require "altinn.events.support.text"

local M = {}

--- Why the handler in nginx does not take their targets.
M.NGINX = "is for the host: nginx must not wait for files and programs"

---@class altinn.events.aside_reply
---@field outcome "sent"|"not_sent"|"refused"|"unknown"
---@field code integer exit status of a program
---@field text string why the outcome is not "sent", and what to do
---@field answer string the first output of a program

--- The outcome of an effect.
---@param name string the target's
---@param reply altinn.events.aside_reply
---@param kind string class of a failure; see altinn.events.rules.retry_table
---@return altinn.events.effect_outcome outcome
function M.judge(name, reply, kind)
  local answer = reply.answer and text.excerpt((reply.answer:gsub("%s+$", ""))) or ""
  if answer == "" then answer = nil end
  if reply.outcome == "sent" then
    return { state = "sent", status = reply.code, answer = answer }
  end
  return { state = reply.outcome, status = reply.code, answer = answer, kind = kind,
    cause = ("%s: %s"):format(name, reply.text),
    reason = ("target '%s': %s%s"):format(name, reply.text, answer and ": " .. text.cut(answer, 200) or "") }
end

-- Whether a file is not there. A file that this user may not read is there.
local function is_absent(path)
  local file, message = io.open(path, "rb")
  if file then file:close() end
  return not file and message:find("No such file", 1, true) ~= nil
end

--- Tries a target: whether this user could carry its effects out just now.
---@param tools { is_fit: fun(kind: string, place: string): boolean, string|nil }
---@param kind "file"|"append"|"command"
---@param where string folder, file or program
---@return "ok"|"failed" status
---@return string message
---@return string|nil fix
function M.try(tools, kind, where)
  local fit, message = tools.is_fit(kind, where)
  if fit and kind == "append" and is_absent(where) then
    return "ok", ("%s is not there yet, and this user may make it"):format(where)
  end
  if fit then return "ok", ("%s is there, and this user may use it"):format(where) end
  return "failed", message, "effects for it wait until then; run this as the user that 'run' runs as"
end

return M
