-- Verifying the signature of a grant. The work is altinn.events.grant's; where a build lacks that module, no
-- signature can be verified and none is believed.
local M = {}

local ok, grant = pcall(require, "altinn.events.grant")

--- Whether signatures can be verified here.
M.available = ok and type(grant) == "table" and type(grant.verify) == "function"

--- Verifies a JWT by a public key.
---@param jwt string the compact form
---@param public_text string a public key or certificate in PEM, or a JWK
---@return string|nil header_json
---@return string|nil claims_json, or the message
---@return string|nil code
function M.verify(jwt, public_text)
  if not M.available then
    return nil, "this build cannot verify signatures: start the emulator with --accept-any-grant", "unsupported"
  end
  return grant.verify(jwt, public_text)
end

--- A certificate of a JWT header's x5c as PEM.
---@param base64 string DER as base64
---@return string
function M.certificate(base64)
  return "-----BEGIN CERTIFICATE-----\n" .. base64:gsub("%s", ""):gsub(("."):rep(64), "%0\n")
    .. "\n-----END CERTIFICATE-----\n"
end

return M
