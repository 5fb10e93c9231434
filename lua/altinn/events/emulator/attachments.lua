-- The sender's attachments: registering, uploading, looking, deleting.
local access = require "altinn.events.emulator.letters_access"
local errors = require "altinn.events.emulator.letters_errors"
local files = require "altinn.events.emulator.files"
local letters = require "altinn.events.emulator.letters"
local letters_events = require "altinn.events.emulator.letters_events"
local router = require "altinn.events.emulator.router"
local shape = require "altinn.events.emulator.shape"
local view = require "altinn.events.emulator.letters_view"
local wire = require "altinn.events.emulator.wire"

local M = {}

local members = { resourceId = "name", sender = "name" }
for name, kind in pairs(files.members) do members[name] = kind end
members.fileName = "text"

-- An attachment that the caller may handle; or nil and the refusal.
local function find(emulator, request)
  local caller, refusal = access.caller(emulator, request, "sender")
  if not caller then return nil, refusal end
  local id
  id, refusal = access.id(request, "attachmentId", request.parameters.id)
  if not id then return nil, refusal end
  local one = emulator.files.by_id[id]
  if not one then return nil, errors.problem(request, 2001) end
  local is_sender = emulator.world.number(one.sender) == caller.party
  if not is_sender and not access.may_send(emulator, caller, one.resource) then
    return nil, errors.problem(request, 4001)
  end
  return one
end

local function show(emulator, request, with_history)
  local one, refusal = find(emulator, request)
  return refusal or router.json(200, view.attachment(one, with_history), { ["Cache-Control"] = "no-store" })
end

-- The fault in the shape: the member and the message; or nil.
local function shape_fault(spec)
  for _, name in ipairs { "resourceId", "fileName", "sendersReference" } do
    if not spec[name] or name ~= "fileName" and not spec[name]:find("%S") then
      return name, ("The %s field is required."):format(name:sub(1, 1):upper() .. name:sub(2))
    end
  end
  if #spec.fileName > 255 then
    return "fileName", "The field FileName must be a string with a maximum length of 255."
  end
  local checksum = spec.checksum or ""
  if checksum:find("%S") and #checksum ~= 32 then
    return "checksum", "The checksum, if used, must be a MD5 hash with a length of 32 characters"
  end
  if checksum ~= checksum:lower() then return "checksum", "The checksum, if used, must be a MD5 hash in lower case" end
end

-- The attachment that the call registers; or nil and the refusal.
local function read(request)
  if not router.is_json(request) then return nil, router.problem(415) end
  local spec, message, member = shape.read(wire.decode(request.body), members, "drop")
  if spec then member, message = shape_fault(spec) end
  if member then return nil, errors.invalid(request, member, message) end
  spec.resourceId = spec.resourceId:gsub("^urn:altinn:resource:", "")
  return spec
end

-- The number of the error in a registration, and the text it is about; or nil.
local function registration_fault(emulator, caller, spec)
  if not emulator.world:owner(spec.resourceId) then return 1036 end
  if not access.may_send(emulator, caller, spec.resourceId) then return 4001 end
  local kind = emulator.world:resource(spec.resourceId).type or "CorrespondenceService"
  if kind ~= "CorrespondenceService" and kind ~= "GenericAccessResource" then return 4009 end
  local fault, least = files.name_fault(spec.fileName), files.least_days(emulator)
  if fault then return fault end
  if spec.expirationInDays and spec.expirationInDays < least then return 2017, tostring(least) end
end

local function register(emulator, request)
  local caller, refusal = access.caller(emulator, request, "sender")
  if not caller then return refusal end
  local spec
  spec, refusal = read(request)
  if not spec then return refusal end
  local number, about = registration_fault(emulator, caller, spec)
  if number then return errors.problem(request, number, about) end
  local sender = emulator.world:owner(spec.resourceId)
  local message = letters_events.fault(emulator, { resource = spec.resourceId, sender = sender, recipient = sender })
  if message then return errors.invalid(request, "resourceId", message) end
  return router.json(200, emulator.files:register(spec, spec.resourceId, emulator.world:urn(sender)).id,
    { ["Cache-Control"] = "no-store" })
end

local function upload(emulator, request)
  local one, refusal = find(emulator, request)
  if not one then return refusal end
  local media = router.media_type(request)
  if media ~= "" and media ~= "application/octet-stream" then return router.problem(415) end
  local fault = emulator.files:upload(one, request.body)
  if fault then return errors.problem(request, fault, "50GB") end
  return router.json(200, view.attachment(one), { ["Cache-Control"] = "no-store" })
end

-- Gives the sender its own copy; refused once a published letter holds the attachment.
local function download(emulator, request)
  local one, refusal = find(emulator, request)
  if not one then return refusal end
  local fault = files.download_fault(one)
  for id in pairs(one.letters) do
    fault = fault or letters.has_been(emulator.letters.by_id[id], "Published") and 2016
  end
  if fault then return errors.problem(request, fault) end
  return view.senders_download(one) or router.problem(500)
end

-- The real one answers without content, whatever its description says.
local function delete(emulator, request)
  local one, refusal = find(emulator, request)
  if not one then return refusal end
  local fault = files.has_been(one, "Purged") and 2006 or files.has_been(one, "Expired") and 2018
    or next(one.letters) and 2007
  if fault then return errors.problem(request, fault) end
  emulator.files:purge(one, "Attachment has been purged")
  return router.empty(204, { ["Cache-Control"] = "no-store" })
end

--- Adds its routes to an emulator's.
---@param emulator table
---@param routes table
function M.routes(emulator, routes)
  local base = "/correspondence/api/v1/attachment"
  routes:add("POST", base, function(request) return register(emulator, request) end)
  routes:add("GET", base .. "/{id}", function(request) return show(emulator, request) end)
  routes:add("GET", base .. "/{id}/details", function(request) return show(emulator, request, true) end)
  routes:add("GET", base .. "/{id}/download", function(request) return download(emulator, request) end)
  routes:add("POST", base .. "/{id}/upload", function(request) return upload(emulator, request) end)
  routes:add("DELETE", base .. "/{id}", function(request) return delete(emulator, request) end)
end

return M
