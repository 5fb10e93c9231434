-- Reads the answers of Maskinporten and of Altinn's exchange: a token and its lifetime, or the fault and the way out.
-- No message holds a token or a grant.
local cjson = require "cjson".new()
local http_date = require "altinn.events.support.http_date"
local texts = require "altinn.events.support.text"
local grant = require("altinn.events.support.libraries").load "altinn.events.grant"

local M = {}

local LARGEST = 64 * 1024  -- bytes of a reply
local FAR_OFF = 10         -- seconds by which Maskinporten lets a clock be wrong

--- How far the server's clock is ahead of this machine's, by its Date header.
---@param reply table
---@param from number this machine's clock before the request
---@param to number and after it
---@return number|nil seconds 0 when the date lies between the two
function M.skew(reply, from, to)
  local date = http_date.parse(reply.headers and reply.headers.date)
  if not date then return nil end
  if date < from - 1 then return date - from end  -- the header has whole seconds
  if date > to + 1 then return date - to end
  return 0
end

local function clock_sentence(skew)
  return ("this machine's clock is %d s %s Maskinporten's"):format(math.floor(math.abs(skew) + 0.5),
    skew > 0 and "behind" or "ahead of")
end

local function is_far_off(skew) return skew ~= nil and math.abs(skew) > FAR_OFF end

--- A server's text made fit for a message.
M.harmless = texts.harmless

-- lua-cjson gives every number as a float.
local to_integer = math.tointeger or function(number) return number end

local function whole(value)
  if type(value) == "number" then return to_integer(value) or value end
  if type(value) ~= "table" then return value end
  for name, member in pairs(value) do value[name] = whole(member) end
  return value
end

local function decode(text)
  local ok, value = pcall(cjson.decode, text)
  return ok and type(value) == "table" and whole(value) or nil
end

local function string_member(object, name)
  local value = object and object[name]
  return type(value) == "string" and value or nil
end

local function body_of(reply)
  return type(reply.body) == "string" and reply.body or ""
end

-- "HTML", "an empty body", …: never the body itself.
local function kind_of(reply)
  local body = body_of(reply)
  if body:find("^%s*$") then return "an empty body" end
  if body:find("^%s*<") then return "HTML" end
  if decode(body) then return "JSON without a token" end
  if body:find("^%s*{") then return "JSON that is damaged or cut off" end
  return "a text that is no token"
end

local function failure(message, code, detail) return nil, message, code, detail end

-- Refusals of Maskinporten: words of its description, its numbers (MP-…) and
-- the error's name, to the code, the reason and what to do. Words count
-- first, in this order; then the number, then the name.
local SELF_SERVICE = "in Digdir's self-service (Samarbeidsportalen)"
local REFUSALS = {
  { code = "auth", reason = "grant_reused", numbers = { "MP-012" }, words = { "used before" },
    advice = "the grant's jti was used before: two programs share it, or something sends requests twice" },
  { code = "auth", reason = "key_expired", numbers = { "MP-121" }, words = { "expired key", "key of the client has" },
    advice = "the key that is registered on the client has expired (after one year): register it, or a new one, "
      .. SELF_SERVICE },
  { code = "auth", reason = "audience", numbers = { "MP-110" }, words = { "claim aud", "aud must" },
    advice = "it does not take this aud: check environment, or issuer" },
  { code = "auth", reason = "clock", numbers = { "MP-130" },
    words = { "issue time", "jwt is expired", "has expired", "claim iat", "claim exp", "iat is", "clock" },
    advice = "it finds the grant too old or too new: check this machine's clock (NTP)" },
  { code = "auth", reason = "certificate_owner", numbers = { "MP-122" }, words = { "does not match certificate" },
    advice = "the certificate belongs to another organisation than the client: use that of the client's own" },
  { code = "auth", reason = "certificate", numbers = { "MP-120", "MP-123" },
    words = { "invalid certificate", "header x5c" },
    advice = "it does not take the certificate: it takes enterprise certificates that are valid, with their chain, "
      .. "those for tests in its test environment only" },
  { code = "auth", reason = "key_unknown", numbers = {},
    words = { "no key", "unknown key", "key not found", "key identifier" },
    advice = "it does not know the key: register its public half on the client, and give the kid shown there" },
  { code = "auth", reason = "signature", numbers = { "MP-124" }, words = { "signature" },
    advice = "the signature does not fit: the key is not the one that is registered under this kid, or the certificate "
      .. "is of the other environment" },
  { code = "auth", reason = "unknown_client", numbers = { "MP-100" }, name = "invalid_client",
    words = { "client not found", "unknown client", "no client" },
    advice = "it does not know the client: check client_id, and that it is registered in this environment" },
  { code = "forbidden", reason = "consumer_org", numbers = {}, words = { "consumer_org" },
    advice = "consumer_org does not go with this client: leave it out when it is the client's own organisation" },
  { code = "forbidden", reason = "not_delegated", numbers = { "MP-251" }, words = { "delegated" },
    advice = "the customer has not delegated the scope to this organisation: the customer does that in Altinn" },
  { code = "forbidden", reason = "scope_not_granted", numbers = { "MP-250" }, words = { "been granted access" },
    advice = "the organisation has not been given a scope that was asked for: ask its owner for it (for "
      .. "altinn:correspondence.read and .write that is servicedesk@altinn.no)" },
  { code = "forbidden", reason = "scope", numbers = { "MP-201" }, words = { "not allowed for maskinporten" },
    advice = "a scope that was asked for is not for machines: make a client for Maskinporten " .. SELF_SERVICE },
  { code = "forbidden", reason = "scope", numbers = { "MP-200" }, name = "invalid_scope",
    words = { "invalid scope", "the scope" },
    advice = "the client lacks a scope that was asked for: add it to the client " .. SELF_SERVICE
      .. ", and check its spelling" },
  { code = "forbidden", reason = "system_user", numbers = { "MP-301", "MP-302", "MP-303" },
    name = "invalid_altinn_customer_configuration", words = { "authorization details", "authorization_details" },
    advice = "there is no such system user: the customer approves it in Altinn, for a system that names this client; "
      .. "its reference must be the one it was made with" },
  { code = "auth", reason = "grant", numbers = { "MP-011" }, words = {},
    advice = "it cannot read the grant: check client_id and the other texts for blanks and line breaks" },
}

local function has(list, text)
  for _, word in ipairs(list) do
    if text:find(word, 1, true) then return true end
  end
  return false
end

local function find_refusal(name, description)
  local lower = description:lower()
  for _, refusal in ipairs(REFUSALS) do
    if has(refusal.words, lower) then return refusal end
  end
  for _, refusal in ipairs(REFUSALS) do
    if has(refusal.numbers, description) then return refusal end
  end
  for _, refusal in ipairs(REFUSALS) do
    if refusal.name == name then return refusal end
  end
  return nil
end

local GENERAL = { code = "auth", reason = "refused", advice = "check client_id, the key and its kid, and the scopes" }

local function refused(reply, object, skew)
  local kind, description = string_member(object, "error"), string_member(object, "error_description") or ""
  local refusal = find_refusal(kind, description) or GENERAL
  local reason, code, advice = refusal.reason, refusal.code, refusal.advice
  local is_clock = is_far_off(skew) and (reason == "clock" or reason == "refused")
  if is_clock then reason, advice = "clock", clock_sentence(skew) .. ": set it (NTP), 10 s are the most"
  elseif is_far_off(skew) then advice = advice .. "; also, " .. clock_sentence(skew) end
  if code == "auth" and reply.status == 403 then code = "forbidden" end
  local said = M.harmless(kind .. (description ~= "" and ", " .. description or ""))
  return failure(("Maskinporten refused the grant: %s (%s)"):format(advice, said), code, {
    status = reply.status, reason = reason, error = M.harmless(kind), description = M.harmless(description),
    number = description:match("MP%-%d+"), skew = skew,
    correlation = object.correlation_id and M.harmless(object.correlation_id),
  })
end

-- Answers that hold neither a token nor a refusal.
local function strange(who, option, reply, skew)
  local status, detail = reply.status, { status = reply.status, skew = skew }
  if status == 429 then
    detail.reason = "throttled"
    return failure(who .. " is asked too often (429): it is asked again later", "throttled", detail)
  elseif status >= 500 then
    detail.reason = "server"
    return failure(("%s is out of order (%d): it is asked again later"):format(who, status), "server", detail)
  elseif status == 404 or status == 405 or status == 410 or status >= 300 and status < 400 then
    detail.reason = "address"
    return failure(("%s is not at this address (%d): check %s"):format(who, status, option), "not_found", detail)
  end
  detail.reason = "not_understood"
  return failure(("%s answered %d with %s: is a proxy or another server in between, or is %s wrong?"):format(who,
    status, kind_of(reply), option), "server", detail)
end

local UNANSWERED = {
  tls = "%s cannot be trusted: %s", timeout = "%s does not answer in time: %s", too_large = "%s answered too much: %s",
}

--- Why a request had no answer.
---@param who string who was asked
---@param message any of the transport
---@param code any of the transport
---@return nil
---@return string message
---@return string code
---@return table detail
function M.unanswered(who, message, code)
  code = type(code) == "string" and code or "network"
  local sentence = UNANSWERED[code] or "%s cannot be reached: %s"
  return failure(sentence:format(who, M.harmless(message)), code, { reason = code })
end

--- A reply of any transport, with the names of its headers in lower case.
---@param reply any
---@return table reply raises when it is none
function M.normal(reply)
  if type(reply) ~= "table" or type(reply.status) ~= "number" then
    error("a transport gives { status=, headers=, body= }, or nil, message, code", 0)
  end
  local headers = {}
  for name, value in pairs(reply.headers or {}) do headers[tostring(name):lower()] = value end
  return { status = reply.status, headers = headers, body = reply.body }
end

local function check_reply(who, reply)
  if #body_of(reply) > LARGEST then
    return failure(who .. " answered more than 64 KiB: that is no token", "too_large",
      { status = reply.status, reason = "too_large" })
  end
  return true
end

-- b64token of RFC 6750 §2.1.
local function is_token(text)
  return type(text) == "string" and #text <= LARGEST and text:find("^[%w%-%._~+/]+=*$") ~= nil
end

--- The claims of a JWT that nobody has verified; nil when it is none.
---@param token string
---@return table|nil
function M.claims(token)
  local header, claims = grant.inspect(token)
  return header and decode(claims) or nil
end

-- The lifetime of a token in seconds: the exp of its JWT counts from its iat, or without iat by the server's clock.
local function lifetime_of(token, now, skew)
  local claims = M.claims(token)
  local expires, issued = claims and claims.exp, claims and claims.iat
  if type(expires) ~= "number" then return nil end
  return expires - (type(issued) == "number" and issued or now + (skew or 0))
end

--- Reads the answer of Maskinporten's token endpoint.
---@param reply table { status=, headers=, body= }
---@param from number this machine's clock before the request
---@param to number and after it
---@return string|nil token
---@return number|string lifetime seconds from `from`; or the message
---@return string|nil code
---@return table|nil detail
function M.token(reply, from, to)
  local fine, message, code, detail = check_reply("Maskinporten", reply)
  if not fine then return nil, message, code, detail end
  local skew = M.skew(reply, from, to)
  local object = decode(body_of(reply))
  if reply.status >= 400 and reply.status < 500 and reply.status ~= 429 and string_member(object, "error") then
    return refused(reply, object, skew)
  end
  local token = string_member(object, "access_token")
  if reply.status ~= 200 or not is_token(token) then return strange("Maskinporten", "token_url", reply, skew) end
  local lifetime = tonumber(object.expires_in) or lifetime_of(token, from, skew)
  if not lifetime or lifetime <= 0 or lifetime ~= lifetime then
    return failure("Maskinporten gave a token without a lifetime (expires_in)", "server",
      { status = 200, reason = "not_understood" })
  end
  return token, lifetime
end

--- Reads the answer of Altinn's exchange: a token as plain text, or as a
--- JSON string.
---@param reply table { status=, headers=, body= }
---@param from number this machine's clock before the request
---@param to number and after it
---@param lifetime number seconds: that of the token that was exchanged
---@return string|nil token
---@return number|string lifetime seconds from `from`; or the message
---@return string|nil code
---@return table|nil detail
function M.exchanged(reply, from, to, lifetime)
  local fine, message, code, detail = check_reply("Altinn's exchange", reply)
  if not fine then return nil, message, code, detail end
  local skew = M.skew(reply, from, to)
  if reply.status == 401 or reply.status == 403 or reply.status == 400 then
    return failure(("Altinn's exchange did not accept Maskinporten's token (%d): check that base_url and issuer are of "
      .. "the same environment"):format(reply.status), reply.status == 403 and "forbidden" or "auth",
      { status = reply.status, reason = "exchange", skew = skew })
  end
  local token = body_of(reply):match('^%s*"?([^"%s]*)"?%s*$')
  if reply.status ~= 200 or not is_token(token) then return strange("Altinn's exchange", "base_url", reply, skew) end
  local left = lifetime_of(token, from, skew) or lifetime
  if left <= 0 then
    return failure("Altinn's exchange gave a token that has expired", "server", { status = 200, reason = "expired" })
  end
  return token, left
end

return M
