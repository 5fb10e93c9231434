-- Maskinporten and Altinn's exchange as a spec wants them: what comes in is
-- remembered, what goes out the address says. Usage: lua5.4 token_server.lua;
-- prints its port on 127.0.0.1. Addresses: /WORDS/token and
-- /WORDS/authentication/api/v1/exchange/maskinporten, WORDS as "a=1,b=2":
--   lifetime=N     expires_in (599; "no": left out)
--   token=WHAT     html, cut, empty, large, type, lifeless; or a status
--   error=NAME     a refusal with the answer of that name (see below)
--   exchange=WHAT  plain, quoted, opaque, html, expired, noiat; or a status
--   life=N         seconds of the exchanged token (1800)
--   date=N         seconds that the Date header is ahead ("no": left out)
--   wait=SECONDS   before each answer    fail=N   so many 503 first
--   retry=N        Retry-After of what fails
--   name=X         nothing: tells one spec's requests from another's
-- /seen/WORDS gives as JSON what came to /WORDS.
local cjson = require "cjson"
local mime = require "mime"
local serve = require "spec.support.serve"
local socket = require "socket"

local ERRORS = {
  client = { 400, "invalid_grant", "Invalid assertion. Client authentication failed. Client not found (MP-100)" },
  scope = { 400, "invalid_scope", "Invalid scope - Token request contains invalid scopes for client (MP-200)" },
  access = { 403, "access_denied", "Consumer has not been granted access to the scope altinn:x (MP-250)" },
  key = { 400, "invalid_grant", "Invalid assertion. Client authentication failed. Expired key (MP-121)" },
  reuse = { 400, "invalid_grant", "Grant is used before (MP-012)" },
  clock = { 400, "invalid_grant", "Validation of JWT Bearer grant failed: JWT is expired (MP-130)" },
  bare = { 401, "invalid_grant", "Invalid assertion" },
  system = { 400, "invalid_altinn_customer_configuration", "No system user for 12057012345 (MP-303)" },
  signature = { 400, "invalid_grant",
    "Invalid assertion. Client authentication failed. Invalid JWT signature (MP-124)" },
  certificate = { 400, "invalid_grant",
    "Invalid assertion. Client authentication failed. The JWT is signed with an invalid certificate. (MP-120)" },
  aud = { 400, "invalid_grant", "Invalid assertion. Client authentication failed. Invalid JWT claim aud (MP-110)" },
  number = { 400, "invalid_grant", "Invalid assertion. Client authentication failed. (MP-100)" },
  name = { 401, "invalid_client", "go away" },
  kid = { 400, "invalid_grant", "The client requires pre-registered jwk and no key identifier (kid) provided" },
  delegation = { 403, "access_denied", "Consumer 1 has not delegated access to the scope x to supplier 2 (MP-251)" },
  claims = { 400, "invalid_request", "Invalid assertion. Invalid parameter value (MP-011)" },
}

local seen, issued = {}, 0

local function url64(text)
  return (mime.b64(text):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" }))
end

local function jwt(claims)
  issued = issued + 1
  claims.jti = "token-" .. issued
  return url64 '{"alg":"RS256","typ":"JWT"}' .. "." .. url64(cjson.encode(claims)) .. "." .. url64 "signature"
end

local function send(client, words, status, kind, body)
  local lines = { ("HTTP/1.1 %d Whatever"):format(status), "Content-Type: " .. kind, "Content-Length: " .. #body }
  if words.date ~= "no" then
    lines[#lines + 1] = os.date("!Date: %a, %d %b %Y %H:%M:%S GMT", os.time() + (tonumber(words.date) or 0))
  end
  if words.retry then lines[#lines + 1] = "Retry-After: " .. words.retry end
  lines[#lines + 1] = "Connection: close"
  client:send(table.concat(lines, "\r\n") .. "\r\n\r\n" .. body)
end

-- 100 MB, or what the other side takes of it.
local function send_large(client)
  client:send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n")
  local block = ("x"):rep(1 << 20)
  for _ = 1, 100 do
    if not client:send(block) then return end
  end
end

local function token(client, words)
  if words.error then
    local answer = ERRORS[words.error]
    return send(client, words, answer[1], "application/json",
      cjson.encode { error = answer[2], error_description = answer[3], correlation_id = "c-1" })
  end
  local access = jwt { iss = "https://maskinporten.test/", scope = "x", exp = os.time() + 120, iat = os.time() }
  local text = cjson.encode { access_token = access, token_type = "Bearer", scope = "x",
    expires_in = words.lifetime ~= "no" and (tonumber(words.lifetime) or 599) or nil }
  if tonumber(words.token) then return send(client, words, tonumber(words.token), "text/html", "<h1>No</h1>") end
  if words.token == "large" then return send_large(client) end
  if words.token == "html" then return send(client, words, 200, "text/html", "<!DOCTYPE html><h1>Log in</h1>") end
  if words.token == "cut" then text = text:sub(1, -20) end
  if words.token == "empty" then text = "" end
  if words.token == "type" then text = '{"access_token":5,"expires_in":599}' end
  if words.token == "lifeless" then text = '{"access_token":"abc"}' end
  return send(client, words, 200, "application/json", text)
end

local function exchange(client, words)
  local life = tonumber(words.life) or 1800
  local now, what = os.time(), words.exchange or "plain"
  if tonumber(what) then return send(client, words, tonumber(what), "text/plain", "") end
  if what == "html" then return send(client, words, 200, "text/html", "<html>") end
  if what == "opaque" then return send(client, words, 200, "text/plain", "an-opaque-token") end
  local claims = { exp = now + life, iat = now, scope = "x", pid = "12057012345", iss = "altinn" }
  if what == "noiat" then claims.iat = nil end
  if what == "expired" then claims.exp, claims.iat = now - 10, nil end
  local text = jwt(claims)
  if what == "quoted" then return send(client, words, 200, "application/json", '"' .. text .. '"') end
  return send(client, words, 200, "text/plain", text)
end

serve.one_by_one(function(client, request)
  request.fields = nil
  local asked = request.path:match("^/seen/([^/]*)$")
  if asked then return send(client, {}, 200, "application/json", cjson.encode(seen[asked] or { requests = {} })) end
  local key, rest = request.path:match("^/([^/]*)/(.*)$")
  local words = {}
  for name, value in key:gmatch("([^=,]+)=([^=,]+)") do words[name] = value end
  seen[key] = seen[key] or { requests = {} }
  table.insert(seen[key].requests, request)
  if words.wait then socket.sleep(tonumber(words.wait)) end
  if #seen[key].requests <= (tonumber(words.fail) or 0) then return send(client, words, 503, "text/plain", "") end
  if rest == "token" then return token(client, words) end
  return exchange(client, words)
end)
