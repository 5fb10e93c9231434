-- Folders on another machine, by SFTP: a file is uploaded under another name and then renamed, so that nobody sees a
-- part of it.
local digest = require "altinn.events.support.digest"
local libraries = require "altinn.events.support.libraries"
local targets = require "altinn.events.rules.effects.target"
local text = require "altinn.events.support.text"
local urls = require "altinn.events.support.url"

local M = {}

local TIMEOUT = 60  -- seconds, when the target names none

--- Whether a folder of a target is on another machine.
---@param folder any
---@return boolean
function M.is_remote(folder) return type(folder) == "string" and folder:find("^sftp:") ~= nil end

local function parts_of(folder)
  local host, path = folder:match("^sftp://([%w%-._%[%]:]+)(/.*)$")
  if host and path:find("[%c]") then return nil end
  return host, path and path:gsub("/+$", "")
end

--- What is wrong with the address of a folder.
---@param folder string
---@return string|nil message
function M.folder_fault(folder)
  local host, path = parts_of(folder)
  if not host then return "must be sftp://host/folder, with the folder's whole path and without a user" end
  for step in (path .. "/"):gmatch("([^/]*)/") do
    if step == "." or step == ".." then return "holds '" .. step .. "': write the folder's whole path" end
  end
end

--- Keys of targets whose folder is on another machine. (Their `timeout` is an entry of its own: file.lua marks all of
--- these as the host's.)
M.keys = {
  { name = "timeout", of = "folder", check = targets.timeout.check, type = "integer", number = true,
    about = targets.timeout.about },
  { name = "user", of = "folder", check = targets.one_text, type = "string", about = "who signs in at the server" },
  { name = "password", of = "folder", check = targets.one_text, type = "string", about = "of the user" },
  { name = "key_file", of = "folder", check = targets.file_name, type = "string",
    about = "the user's private key for `sftp://`, instead of a password; password is then the key's" },
  { name = "known_hosts", of = "folder", check = targets.file_name, type = "string",
    about = "the keys of servers for `sftp://`, as OpenSSH keeps them: another key is refused" },
}

--- What a target with a folder lacks.
---@param target table
---@return string|nil message
function M.complete(target)
  if not M.is_remote(target.folder) then
    for _, key in ipairs(M.keys) do
      if target[key.name] ~= nil then return ("has %s, which is for folders of sftp://"):format(key.name) end
    end
    return nil
  end
  if not target.known_hosts then
    return "lacks known_hosts: ssh-keyscan HOST writes the server's keys; compare them before you trust them"
  end
  if not target.user then return "lacks user" end
  if not target.password and not target.key_file then return "lacks key_file, or password" end
  if not libraries.load("altinn.events.curl").has_sftp() then
    return "has a folder of sftp://, and this libcurl knows no SFTP: install one that does (Debian: libcurl4)"
  end
end

local function escaped(path) return (path:gsub("[^/]+", urls.escape)) end

--- The request that uploads a file.
---@param target table
---@param key string of the effect
---@param name string|nil of the file; nil: the folder is listed, and nothing is written
---@param body string|nil
---@return table request of altinn.events.curl
function M.request(target, key, name, body)
  local host, path = parts_of(target.folder)
  local written = name and ("/.%s.part"):format(digest.hex(key)) or "/"
  return {
    carrier = "curl", url = ("sftp://%s%s"):format(host, escaped(path .. written)), body = body,
    timeout = tonumber(target.timeout) or TIMEOUT, upload = {
      rename = name and path .. "/" .. name or nil, user = target.user, password = target.password,
      key_file = target.key_file, known_hosts = target.known_hosts,
    },
  }
end

local function hidden(message, target)
  if target.password and #target.password >= 4 then message = text.replace(message, target.password, "…") end
  return text.harmless(message)
end

--- The outcome of an upload.
---@param name string the target's
---@param target table
---@param reply { error: string|nil, code: string|nil, not_sent: boolean|nil }
---@return altinn.events.effect_outcome outcome
function M.judge(name, target, reply)
  if not reply.error then return { state = "sent" } end
  return { state = reply.not_sent and "not_sent" or "unknown", kind = reply.code or "network",
    reason = ("target '%s': %s"):format(name, hidden(reply.error, target)) }
end

local FIXES = {
  auth = "correct user, and key_file or password, in the target",
  tls = "compare known_hosts of the target with the server's keys (ssh-keyscan)",
  not_found = "make the folder, or correct it in the target",
}

--- Tries a target: connects, checks the server's key, signs in and lists the folder.
---@param target table
---@param tools { send: fun(request: table): table }
---@return "ok"|"failed" status
---@return string message
---@return string|nil fix
function M.try(target, tools)
  local reply = tools.send(M.request(target, "doctor"))
  if not reply.error then return "ok", "the server has its known key, lets the user in, and has the folder" end
  return "failed", hidden(reply.error, target), FIXES[reply.code] or targets.REACH
end

return M
