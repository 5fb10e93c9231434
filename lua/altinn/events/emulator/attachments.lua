-- The sender's attachments: registering, uploading, looking, deleting.
local api = require "altinn.events.emulator.letters_api"
local errors = require "altinn.events.emulator.letters_errors"
local letters = require "altinn.events.emulator.letters"
local router = require "altinn.events.emulator.router"
local shape = require "altinn.events.emulator.shape"
local view = require "altinn.events.emulator.letters_view"
local wire = require "altinn.events.emulator.wire"

local M = {}

local members = { resourceId = "name", sender = "name" }
for name, kind in pairs(letters.attachment_members) do members[name] = kind end

-- An attachment of the caller's; or nil and the refusal.
local function find(emulator, request)
  local caller, refusal = api.caller(emulator, request, "sender")
  if not caller then return nil, refusal end
  local one = emulator.letters.attachments[request.parameters.id]
  if not one then return nil, errors.problem(2001, request.path) end
  if emulator.world.number(one.sender) ~= caller.party and not caller.owner(one.resource) then
    return nil, errors.problem(4001, request.path)
  end
  return one
end

local function show(emulator, request, with_history)
  local one, refusal = find(emulator, request)
  return refusal or router.json(200, view.attachment(one, with_history), { ["Cache-Control"] = "no-store" })
end

local function register(emulator, request)
  local caller, refusal = api.caller(emulator, request, "sender")
  if not caller then return refusal end
  if not router.is_json(request) then return router.problem(415) end
  local spec, message, member = shape.read(wire.decode(request.body), members, "drop")
  if not spec then return api.invalid(request, member, message) end
  if not spec.resourceId then return api.invalid(request, "resourceId", "The ResourceId field is required.") end
  local sender = spec.sender or caller.party
  message = emulator.letters:fault { resource = spec.resourceId, sender = sender, recipient = sender }
  if message then return api.invalid(request, "resourceId", message) end
  local one = emulator.letters:add_attachment(spec, spec.resourceId, emulator.world:urn(sender))
  return router.json(200, one.id, { ["Cache-Control"] = "no-store" })
end

local function upload(emulator, request)
  local one, refusal = find(emulator, request)
  if not one then return refusal end
  emulator.letters:upload_attachment(one, request.body)
  return router.json(200, view.attachment(one), { ["Cache-Control"] = "no-store" })
end

-- The sender's own copy, until a published letter has it.
local function download(emulator, request)
  local one, refusal = find(emulator, request)
  if not one then return refusal end
  for id in pairs(one.letters) do
    local letter = emulator.letters.by_id[id]
    if letter and letter.published then return errors.problem(2016, request.path) end
  end
  if one.status == "Purged" then return errors.problem(2019, request.path) end
  if one.status ~= "Published" then return errors.problem(1018, request.path) end
  return view.download(one)
end

-- The real one answers without content, whatever its description says.
local function delete(emulator, request)
  local one, refusal = find(emulator, request)
  if not one then return refusal end
  if next(one.letters) then return errors.problem(2007, request.path) end
  if one.status == "Purged" then return errors.problem(2006, request.path) end
  emulator.letters:purge_attachment(one)
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
