-- What Maskinporten and Altinn's exchange answer: a token and its lifetime,
-- or what was wrong and what to do. No message holds a token or a grant.
local cjson = require "cjson".new()
local core = require "altinn.events.core"
local grant = require "altinn.events.grant"

local M = {}

local LARGEST = 64 * 1024  -- bytes of a reply
local FAR_OFF = 10         -- seconds that Maskinporten lets a clock be wrong

-- Times.

local MONTHS = {
  Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11, Dec = 12,
}

-- Days since 1970 of the proleptic Gregorian calendar.
local function days(year, month, day)
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
    + math.floor((153 * month - 457) / 5) + day - 719469
end

--- Seconds since 1970 of an HTTP date (RFC 9110 §5.6.7, the usual form).
---@param text string|nil
---@return number|nil
function M.http_date(text)
  if type(text) ~= "string" then return nil end
  local day, name, year, hour, minute, second = text:match("^%a+, (%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT$")
  local month = MONTHS[name]
  if not month then return nil end
  return days(tonumber(year), month, tonumber(day)) * 86400 + tonumber(hour) * 3600 + tonumber(minute) * 60
    + tonumber(second)
end

--- How far the server's clock is ahead of this machine's, by its Date header.
---@param reply table
---@param from number this machine's clock before the request
---@param to number and after it
---@return number|nil seconds 0 when the date lies between the two
function M.skew(reply, from, to)
  local date = M.http_date(reply.headers and reply.headers.date)
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

--- Seconds to wait by a Retry-After header (RFC 9110 §10.2.3).
---@param reply table
---@param now number
---@return number|nil
function M.retry_after(reply, now)
  local text = reply.headers and reply.headers["retry-after"]
  local seconds = type(text) == "string" and text:match("^%d+$") and tonumber(text)
  local date = not seconds and M.http_date(text)
  return seconds or date and math.max(0, date - now) or nil
end

-- Texts of others.

--- A text of somebody else, fit for a message: one short line, identity
--- numbers masked, nothing as long as a token or a key.
---@param text any
---@return string
function M.harmless(text)
  text = tostring(text):sub(1, 1000):gsub("[%w_%-%.=+/~]+", function(word)
    return #word > 60 and "…" or nil
  end)
  text = text:gsub("%c+", " "):gsub("^%s+", ""):gsub("%s+$", "")
  if #text > 200 then text = text:sub(1, 200):gsub("[\128-\255]*$", "") .. "…" end
  return core.mask(text)
end

local function decode(text)
  local ok, value = pcall(cjson.decode, text)
  return ok and type(value) == "table" and value or nil
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

-- Refusals of Maskinporten: its code, or words of its description, to the
-- code, the reason and what to do. In order: the first that fits counts.
local SELF_SERVICE = "in Digdir's self-service (Samarbeidsportalen)"
local REFUSALS = {
  { "MP-012", "used before", code = "auth", reason = "grant_reused",
    "the grant's jti was used before: two programs share it, or something sends requests twice" },
  { "MP-121", "expired key", code = "auth", reason = "key_expired",
    "the key that is registered on the client has expired (after one year): register it, or a new one, "
      .. SELF_SERVICE },
  { "MP-110", "claim aud", code = "auth", reason = "audience",
    "it does not take this aud: check environment, or issuer" },
  { "MP-130", "issue time", "jwt is expired", "claim iat", "claim exp", code = "auth", reason = "clock",
    "it finds the grant too old or too new: check this machine's clock (NTP)" },
  { "MP-120", "invalid certificate", code = "auth", reason = "certificate",
    "it does not take the certificate: it takes enterprise certificates that are valid, those for tests in its test "
      .. "environment only" },
  { "MP-122", "does not match certificate", code = "auth", reason = "certificate_owner",
    "the certificate belongs to another organisation than the client: use that of the client's own" },
  { "MP-123", "header x5c", code = "auth", reason = "certificate",
    "it cannot read the certificate chain: give the enterprise certificate itself, with its chain" },
  { "MP-124", "jwt signature", code = "auth", reason = "signature",
    "the signature does not fit: the key is not the one that is registered under this kid, or the certificate is "
      .. "of the other environment" },
  { "no key identifier", "unknown key", "key not found", code = "auth", reason = "key_unknown",
    "it does not know the key: register its public half on the client, and give the kid that is shown there" },
  { "MP-200", "invalid scopes", "invalid_scope", code = "forbidden", reason = "scope",
    "the client lacks a scope that was asked for: add it to the client " .. SELF_SERVICE
      .. ", and check its spelling" },
  { "MP-201", code = "forbidden", reason = "scope",
    "a scope that was asked for is not for machines: make a client of the type Maskinporten " .. SELF_SERVICE },
  { "MP-250", code = "forbidden", reason = "scope_not_granted",
    "the organisation has not been given a scope that was asked for: ask its owner (for Altinn's, Digdir) for it" },
  { "MP-251", "delegated", code = "forbidden", reason = "not_delegated",
    "the customer has not delegated the scope to this organisation: the customer does that in Altinn" },
  { "MP-301", "MP-302", "MP-303", "authorization details", "invalid_altinn_customer_configuration",
    code = "forbidden", reason = "system_user",
    "there is no such system user: the customer approves it in Altinn, for a system that names this client; its "
      .. "reference must be the one it was made with" },
  { "consumer_org", code = "forbidden", reason = "consumer_org",
    "consumer_org does not go with this client: leave it out when it is the client's own organisation" },
  { "MP-100", "client not found", "invalid_client", code = "auth", reason = "unknown_client",
    "it does not know the client: check client_id, and that it is registered in this environment" },
  { "MP-011", code = "auth", reason = "grant",
    "it cannot read the grant: check client_id and the other texts for blanks and line breaks" },
}

local function find_refusal(text)
  local lower = text:lower()
  for pass = 1, 2 do  -- a number says more than words
    for _, refusal in ipairs(REFUSALS) do
      for i = 1, #refusal - 1 do
        local word = refusal[i]
        if (word:find("^MP%-") ~= nil) == (pass == 1) and lower:find(word:lower(), 1, true) then return refusal end
      end
    end
  end
  return nil
end

local GENERAL = { code = "auth", reason = "refused", "check client_id, the key and its kid, and the scopes" }

local function refused(reply, object, skew)
  local kind, description = string_member(object, "error"), string_member(object, "error_description") or ""
  local refusal = find_refusal(kind .. " " .. description) or GENERAL
  local reason, code, advice = refusal.reason, refusal.code, refusal[#refusal]
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

-- Answers that neither give a token nor refuse one.
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
    return failure(("nothing that gives tokens is there (%d): check %s"):format(status, option), "not_found", detail)
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

-- Seconds that a token lives: what its JWT says is counted from its own iat
-- or, without one, by the server's clock.
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
