-- Events of the specs, as Altinn writes them.
local cjson = require "cjson"

local M = {}

local LETTER = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"

--- A published letter, with changes; `false` leaves an attribute out.
function M.event(changes)
  local event = {
    specversion = "1.0", id = "da4ceacc-ad44-4e54-99b6-b58e3c13c785",
    source = "https://platform.altinn.no/correspondence/api/v1/correspondence",
    type = "no.altinn.correspondence.correspondencepublished", time = "2026-08-20T07:22:19.4380391Z",
    resource = "urn:altinn:resource:acme-letters", resourceinstance = LETTER,
    subject = "urn:altinn:organization:identifier-no:987654321",
  }
  for name, value in pairs(changes or {}) do event[name] = value or nil end
  return event
end

--- The same as JSON text.
function M.text(changes) return cjson.encode(M.event(changes)) end

M.validation = '{"specversion":"1.0","id":"694caa35-8b25-4cd7-b800-f6eeb93c56ed",' ..
  '"source":"https://platform.altinn.no/events/api/v1/subscriptions/1234",' ..
  '"type":"platform.events.validatesubscription"}'

return M
