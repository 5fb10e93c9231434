-- Effects of the kind `send.file`: a file in a folder, or a line at the end of a file.
local core = require "altinn.events.core"
local digest = require "altinn.events.support.digest"
local json = require "altinn.events.support.json"
local octets = require "altinn.events.support.octets"
local place = require "altinn.events.rules.effects.place"
local sftp = require "altinn.events.rules.effects.sftp"
local target_keys = require "altinn.events.rules.effects.target"
local texts = require "altinn.events.support.text"

local M = {}

local NAME_BYTES = 200
local KEY_BYTES = 120     -- of the key, in a name that is made of it
local LOCK_SECONDS = 10   -- that a line waits for other writers of its file

M.about = "a file, or a line of a file"
M.sent = "the file has its name, or the line stands at the end of its file, and the disk has stored it"
M.carrier, M.takes = "aside", { "folder", "append" }
M.sample = { folder = "/" }
M.stand_ins = { name = "name", text = "", body = "", json = true, line = "line" }

M.words = {
  { "name", "string|nil", "of the file in the folder, which replaces one of that name; left out: made of the key" },
  { "text", "string|nil", "the content" },
  { "json", "any", "a value: the content, or the line, as JSON" },
  { "body", "string|nil", "octets, instead of text" },
  { "line", "string|nil", "of a target with `append`: no line break, and something that no other line has" },
}

--- A target for trying constants of a rule's text.
---@param fields table
---@return table
function M.sample_for(fields)
  return fields.line ~= nil and { append = "/lines" } or M.sample
end

local function header_fault(value)
  local message = target_keys.one_text(value)
  if message then return message end
  if value:find("[%z\r\n]") then return "must be one line" end
end

local function folder_fault(value)
  return target_keys.file_name(value) or sftp.is_remote(value) and sftp.folder_fault(value) or nil
end

M.keys = {
  { name = "folder", check = folder_fault, type = "string", nginx = place.NGINX,
    about = "where send.file puts a file for each effect; also `sftp://host/folder`, where libcurl has SFTP" },
  { name = "append", check = target_keys.file_name, type = "string", nginx = place.NGINX,
    about = "the file to which send.file adds a line for each effect" },
  { name = "header", of = "append", check = header_fault, type = "string", nginx = place.NGINX,
    about = "first line of a new file of lines" },
}

for _, key in ipairs(sftp.keys) do
  key.nginx = place.NGINX
  M.keys[#M.keys + 1] = key
end

--- What a target lacks.
---@param target table
---@return string|nil message
function M.complete(target) return target.folder and sftp.complete(target) or nil end

M.target_problem = M.complete

local CONTENTS = { "text", "json", "body", "line" }

--- Checks the fields when the effect is made.
---@param fields table
---@return string|nil message
function M.check(fields)
  local found = {}
  for _, name in ipairs(CONTENTS) do
    if fields[name] ~= nil then found[#found + 1] = name end
  end
  if #found == 0 then return "the content is missing: text, json or body of a file, line or json of a line" end
  if #found > 1 then return ("%s and %s exclude each other"):format(found[1], found[2]) end
end

local function name_fault(name)
  if type(name) ~= "string" then return ("the name must be a text, not a %s"):format(type(name)) end
  if name == "" or #name > NAME_BYTES then return ("the name must have 1 to %d bytes"):format(NAME_BYTES) end
  if texts.visible(name, "") ~= name then
    return "the name holds a control character, a mark that turns the direction of writing, or is not UTF-8"
  end
  if name:find("/", 1, true) then return "the name holds a slash: the folder is the target's to say" end
  if name:sub(1, 1) == "." or name:find("..", 1, true) then return "the name begins with a point, or holds two" end
  if core.mask(name) ~= name then
    return ("the name holds an identity number (%s), which everybody who lists the folder would read: put it into the"
      .. " content"):format(core.mask(name))
  end
end

local function text_fault(effect, name)
  if effect[name] ~= nil and type(effect[name]) ~= "string" then
    return ("%s must be a text, not a %s"):format(name, type(effect[name]))
  end
end

-- What is wrong with the fields for this target.
local function misfit(effect, target)
  if target.append then
    if effect.line == nil and effect.json == nil then return "the target appends lines: write line = …, or json = …" end
    if effect.name ~= nil then return "the target has one file for all: name is for targets with folder" end
  elseif effect.line ~= nil then
    return "the target has a folder, a file for each effect: line is for targets with append"
  end
end

local function line_fault(line)
  if line:find("[%z\r\n]") then return "the line holds a line break or a NUL" end
  if line == "" then return "the line is empty" end
end

local function set_content(record, effect)
  if effect.json ~= nil then
    local text, message = json.encode(effect.json)
    if not text then return "json: " .. message end
    record.body, record.ending = text, ".json"
    return nil
  end
  if effect.text ~= nil then record.ending = ".txt" end
  return octets.store(record, effect.text or effect.body or effect.line)
end

--- The record of an effect.
---@param effect table made by send.file(target) { … }
---@param target table
---@return { name: string|nil, body: string|nil, octets: string|nil, ending: string|nil }|nil record ending: of a name
---  that is made of the key
---@return string|nil message
function M.record(effect, target)
  local message = M.check(effect) or misfit(effect, target)
  for _, name in ipairs { "text", "body", "line" } do message = message or text_fault(effect, name) end
  if not message and effect.line then message = line_fault(effect.line) end
  if not message and effect.name ~= nil then message = name_fault(effect.name) end
  local record = { name = effect.name }
  message = message or set_content(record, effect)
  if message then return nil, message end
  return record
end

-- A name for the file of a key: the key's letters for people, its digest so that no two keys have one name.
local function name_of(key, ending)
  local text = key:gsub("^[^:]*:", "", 1):gsub("[^%w%-_.]+", "-"):gsub("%.%.+", "."):gsub("^[.%-]+", "")
  text = text:sub(1, KEY_BYTES)
  if core.mask(text) ~= text then text = "" end
  return (text == "" and "" or text .. "-") .. digest.hex(key) .. (ending or "")
end

--- The request that carries a record to its target.
---@param record table
---@param target table
---@param key string
---@param again boolean|nil an earlier attempt may have been carried out
---@return table|nil request of jobs:aside, or of altinn.events.curl
---@return string|nil message
function M.request(record, target, key, again)
  local body = octets.content(record)
  if sftp.is_remote(target.folder) then
    return sftp.request(target, key, record.name or name_of(key, record.ending), body)
  elseif target.folder then
    return { carrier = M.carrier, kind = "file", key = key, place = target.folder, body = body,
      name = record.name or name_of(key, record.ending) }
  elseif line_fault(body) then
    return nil, "it was made for a folder, and holds no line to append"
  end
  return { carrier = M.carrier, kind = "append", key = key, place = target.append, header = target.header, body = body,
    timeout = LOCK_SECONDS, at_once = 1, again = again }
end

--- The outcome of an effect, by the reply to its request.
---@param name string the target's
---@param target table
---@param reply altinn.events.aside_reply|table
---@return altinn.events.effect_outcome outcome
function M.judge(name, target, reply)
  if sftp.is_remote(target.folder) then return sftp.judge(name, target, reply) end
  return place.judge(name, reply, "file")
end

--- Tries a target: whether this user can write there.
---@param target table
---@param tools table
---@return "ok"|"failed" status
---@return string message
---@return string|nil fix
function M.try(target, tools)
  if sftp.is_remote(target.folder) then return sftp.try(target, tools) end
  return place.try(tools, target.folder and "file" or "append", target.folder or target.append)
end

return M
