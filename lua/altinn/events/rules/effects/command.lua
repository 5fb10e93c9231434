-- Effects of the kind `send.command`: a program, without a shell.
local core = require "altinn.events.core"
local json = require "altinn.events.support.json"
local lists = require "altinn.events.support.lists"
local octets = require "altinn.events.support.octets"
local place = require "altinn.events.rules.effects.place"
local target_keys = require "altinn.events.rules.effects.target"

local M = {}

local TIMEOUT = 30       -- seconds, when the target names none
local TRY_AGAIN = 75     -- exit status of sysexits.h: EX_TEMPFAIL
local AT_ONCE_MOST = 12  -- as in csrc/host/aside.h

M.about = "a call of a program on this machine, without a shell"
M.sent = "it ends with status 0; with 75 it is tried again, with any other it is not"
M.carrier, M.takes = "aside", { "command" }
M.sample = { command = { "true" } }
M.stand_ins = { arguments = {}, text = "", body = "", json = true }

M.words = {
  { "arguments", "(string|number)[]|nil", "after those of the target" },
  { "json", "any", "a value, as JSON on the program's standard input" },
  { "text", "string|nil", "on the program's standard input" },
  { "body", "string|nil", "octets, instead of text" },
}

local function command_fault(value)
  if type(value) ~= "table" or type(value[1]) ~= "string" or value[1] == "" then
    return "must be a list: the program, then its arguments"
  end
  local fault = lists.fault(value)
  if fault then return "must be a list of texts: " .. fault end
  for _, one in ipairs(value) do
    if type(one) ~= "string" or one:find("%z") then
      return "must be a list of texts: the program, then its arguments"
    end
  end
end

M.keys = {
  { name = "command", check = command_fault, type = "string[]", nginx = place.NGINX,
    about = "the program that send.command starts, and its first arguments; there is no shell" },
  { name = "directory", check = target_keys.file_name, type = "string", nginx = place.NGINX,
    about = "the program's working folder; the host's when it is left out" },
  { name = "at_once", check = target_keys.whole(1, AT_ONCE_MOST), type = "integer", number = true, nginx = place.NGINX,
    about = "programs of the target at the same time; 4 when it is left out" },
  target_keys.timeout,
}

--- Checks the fields when the effect is made.
---@param fields table
---@return string|nil message
function M.check(fields)
  local found
  for _, name in ipairs { "json", "text", "body" } do
    if fields[name] ~= nil then
      if found then return ("%s and %s exclude each other"):format(found, name) end
      found = name
    end
  end
end

local function argument_of(value, index)
  if type(value) == "number" and value % 1 == 0 and math.abs(value) < 2 ^ 53 then return ("%d"):format(value) end
  if type(value) ~= "string" and type(value) ~= "number" then
    return nil, ("argument %d must be a text or a number, not a %s"):format(index, type(value))
  end
  value = tostring(value)
  if value:find("%z") or not core.is_utf8(value) then
    return nil, ("argument %d holds a NUL, or is not UTF-8"):format(index)
  end
  if core.mask(value) ~= value then
    return nil, ("argument %d holds an identity number (%s), which everybody on the machine would see in the list of"
      .. " processes: put it into json or text"):format(index, core.mask(value))
  end
  return value
end

local function arguments_of(list)
  local found = {}
  if list == nil then return found end
  if type(list) ~= "table" or getmetatable(list) ~= nil then return nil, "arguments must be a list of texts" end
  local fault = lists.fault(list)
  if fault then return nil, "arguments must be a list of texts: " .. fault end
  for index = 1, #list do
    local message
    found[index], message = argument_of(list[index], index)
    if not found[index] then return nil, message end
  end
  return found
end

local function set_input(record, effect)
  if effect.json ~= nil then
    local text, message = json.encode(effect.json)
    if not text then return "json: " .. message end
    record.body = text
    return nil
  end
  local input = effect.text == nil and effect.body or effect.text
  if input == nil then return nil end
  if type(input) ~= "string" then return ("%s must be a text"):format(effect.text == nil and "body" or "text") end
  return octets.store(record, input)
end

--- The record of an effect.
---@param effect table made by send.command(target) { … }
---@return { arguments: string[], body: string|nil, octets: string|nil }|nil record
---@return string|nil message
function M.record(effect)
  local record = {}
  local message
  record.arguments, message = arguments_of(effect.arguments)
  message = message or M.check(effect) or set_input(record, effect)
  if message then return nil, message end
  return record
end

--- The request that carries a record to its target.
---@param record table
---@param target table
---@param key string which the program gets in the variable ALTINN_EVENTS_KEY
---@return table request of jobs:aside
function M.request(record, target, key)
  local arguments = {}
  for index, one in ipairs(target.command) do arguments[index] = one end
  for _, one in ipairs(record.arguments or {}) do arguments[#arguments + 1] = one end
  return { carrier = M.carrier, kind = "command", key = key, arguments = arguments, body = octets.content(record),
    place = target.directory, timeout = tonumber(target.timeout) or TIMEOUT, at_once = tonumber(target.at_once) }
end

--- The outcome of an effect, by the reply to its request.
---@param name string the target's
---@param _ table the target
---@param reply altinn.events.aside_reply
---@return altinn.events.effect_outcome outcome
function M.judge(name, _, reply)
  local refused = reply.outcome == "refused"
  return place.judge(name, reply, refused and (reply.code == TRY_AGAIN and "tempfail" or "exit") or "command")
end

--- Tries a target: whether this user may start the program. It is not started.
---@param target table
---@param tools table
---@return "ok"|"failed" status
---@return string message
---@return string|nil fix
function M.try(target, tools) return place.try(tools, "command", target.command[1]) end

return M
