-- Who may call the letters' API, and as what: by token, scope and party.
local errors = require "altinn.events.emulator.letters_errors"
local router = require "altinn.events.emulator.router"
local wire = require "altinn.events.emulator.wire"

local M = {}

local READ, WRITE, OWNER = "altinn:correspondence.read", "altinn:correspondence.write", "altinn:serviceowner"

-- The reply of recipients' calls to a token of Maskinporten.
local function not_exchanged()
  return router.json(403, wire.object { { "title", "IDX10205: Issuer validation failed" }, { "status", 403 },
    { "detail", "Maskinporten token is not valid. Exchange to Altinn token and try again. Read more at"
      .. " https://docs.altinn.studio/api/scenarios/authentication/#maskinporten-jwt-access-token-input" } },
    { ["WWW-Authenticate"] = 'Bearer error="invalid_token"' })
end

-- Whether a token passes a policy: "recipient", "sender" or "both".
local function passes(entry, reads, writes, owns, policy)
  local sends = writes and (entry.kind == "altinn" or owns)
  if policy == "recipient" then return reads end
  if policy == "sender" then return sends end
  return reads or sends
end

--- Who calls: { entry, party, consumer, reads, writes, owns(resource) }; or nil and the refusal.
---@param emulator table
---@param request table
---@param policy string "recipient", "sender" or "both"
---@return table|nil caller
---@return table|nil refusal
function M.caller(emulator, request, policy)
  local tokens = emulator.tokens
  local entry = tokens:bearer(request)
  if not entry then return nil, router.empty(401) end
  if entry.kind == "maskinporten" and policy == "recipient" then return nil, not_exchanged() end
  local function has(scope) return tokens.has_scope(entry, scope) end
  local reads, writes, owns = has(READ), has(WRITE), has(OWNER)
  if not passes(entry, reads, writes, owns, policy) then return nil, router.empty(403) end
  local party = tokens:party(entry)
  if not party then return nil, errors.problem(request, 4006) end
  local organisation = tokens:organisation(entry)
  return { entry = entry, party = party, consumer = tokens.consumer(entry) or "", reads = reads, writes = writes,
    owns = function(resource) return owns and emulator.world:owner(resource) == organisation end }
end

-- Whether one's own policy grants an action on a resource of a party's.
local function granted(emulator, caller, resource, action, party)
  local world = emulator.world
  return world.policy ~= nil and world:permits(caller.consumer, "urn:altinn:resource:" .. resource, action, party,
    caller.party)
end

--- Whether a caller may send on a resource: its owner, or whom a policy
--- grants that.
---@param emulator table
---@param caller table
---@param resource string
---@return boolean
function M.may_send(emulator, caller, resource)
  return caller.owns(resource) or emulator.world:owner(resource) == caller.party
    or granted(emulator, caller, resource, "write")
end

--- What a caller is to a letter: { recipient, sender, acts_as_recipient }.
--- The resource's owner is both, whatever its party.
---@param emulator table
---@param caller table
---@param letter table
---@return table roles
function M.roles(emulator, caller, letter)
  local world, owns = emulator.world, caller.owns(letter.resource)
  local recipient = owns or world.number(letter.recipient) == caller.party
    or granted(emulator, caller, letter.resource, "read", letter.recipient)
  local sender = owns or world.number(letter.sender) == caller.party
    or granted(emulator, caller, letter.resource, "write", letter.sender)
  return { recipient = recipient, sender = sender, acts_as_recipient = recipient and not caller.writes }
end

--- The id in a path; or nil and the refusal of a malformed one.
---@param request table
---@param name string of the parameter, as the server calls it
---@param text string
---@return string|nil id
---@return table|nil refusal
function M.id(request, name, text)
  local id = wire.guid(text)
  if id then return id end
  return nil, errors.invalid(request, name, ("The value '%s' is not valid."):format(text))
end

--- The letter of a call's path: the letter, nil, the caller's roles and the
--- caller; or nil and the refusal.
---@param emulator table
---@param request table
---@param policy string
---@return table|nil letter
---@return table|nil refusal
---@return table|nil roles
---@return table|nil caller
function M.letter(emulator, request, policy)
  local caller, refusal = M.caller(emulator, request, policy)
  if not caller then return nil, refusal end
  local id
  id, refusal = M.id(request, "correspondenceId", request.parameters.id)
  if not id then return nil, refusal end
  local letter = emulator.letters.by_id[id]
  if not letter then return nil, errors.problem(request, 1001) end
  local roles = M.roles(emulator, caller, letter)
  if not (roles.recipient or policy ~= "recipient" and roles.sender) then return nil, errors.problem(request, 4001) end
  return letter, nil, roles, caller
end

return M
