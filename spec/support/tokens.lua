-- A token server, and sources of tokens that ask it: what the specs of events.maskinporten share.
local cjson = require "cjson"
local curl = require "altinn.events.curl"
local events = require "altinn.events"
local grant = require "altinn.events.grant"
local json = require "altinn.events.support.json"
local process = require "spec.support.process"
local socket = require "socket"

local M = { PASSPHRASE = "hemmelig passord 1", offset = 0 }  -- offset: of the clock that the sources see, seconds

local server, url

function M.clock() return socket.gettime() + M.offset end

--- Runs openssl in the folder of the keys; gives what it prints.
function M.openssl(arguments)
  local pipe = assert(io.popen(("cd %s && openssl %s 2>&1"):format(M.folder, arguments)))
  local text = pipe:read("*a")
  assert(pipe:close(), text)
  return text
end

--- Makes keys and starts the server. For setup.
function M.start()
  local port
  M.folder = process.folder()
  M.openssl "genrsa -out rsa.pem 2048"
  M.openssl "rsa -in rsa.pem -pubout -out public.pem"
  M.openssl "req -x509 -key rsa.pem -subj /CN=Leaf -days 3 -out leaf.pem"
  M.openssl("pkcs12 -export -inkey rsa.pem -in leaf.pem -passout 'pass:" .. M.PASSPHRASE .. "' -out key.p12")
  server, port = process.serve(M.folder, "tokens", "lua5.4 spec/support/token_server.lua")
  url, M.other_url = "http://127.0.0.1:" .. port, "http://localhost:" .. port
end

--- For teardown.
function M.stop()
  server:stop()
  process.remove(M.folder)
end

local count = 0

--- Options against the server, whose behaviour `words` say, and its place. A value that is `json` takes an option away.
function M.options_for(words, more)
  count = count + 1
  local place = ("name=%d%s"):format(count, words and words ~= "" and "," .. words or "")
  local options = {
    client_id = "client-1", key_file = M.folder .. "/rsa.pem", kid = "key-1", scopes = "altinn:events.subscribe",
    issuer = url .. "/" .. place, base_url = url .. "/" .. place .. "/", clock = M.clock, timeout = 5,
  }
  for name, value in pairs(more or {}) do
    if value == json then options[name] = nil else options[name] = value end
  end
  return options, place
end

--- The requests that came to a place.
function M.seen(place)
  local multi = curl.new {}
  local reply = assert(multi:perform { url = url .. "/seen/" .. place })
  multi:close()
  return cjson.decode(reply.body).requests
end

--- A source, and a function that gives its requests.
function M.source_for(words, more)
  local options, place = M.options_for(words, more)
  return assert(events.maskinporten(options)), function() return M.seen(place) end
end

--- How often the token endpoint was asked, and the exchange.
function M.numbers(requests)
  local tokens, exchanges = 0, 0
  for _, request in ipairs(requests) do
    if request.path:find("/token$") then tokens = tokens + 1 else exchanges = exchanges + 1 end
  end
  return tokens, exchanges
end

function M.assertion_of(request)
  return request.body:match("^grant_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant%-type%%3Ajwt%-bearer&assertion=(.+)$")
end

--- The claims of the grant of a request, and its header; openssl's key verifies them.
function M.grant_of(request)
  local header, claims = assert(grant.verify(M.assertion_of(request), process.read(M.folder .. "/public.pem")))
  return cjson.decode(claims), cjson.decode(header)
end

--- A message that holds nothing that is secret.
function M.harmless(message)
  assert(type(message) == "string" and #message > 10 and #message < 600, message)
  for _, secret in ipairs { M.PASSPHRASE, "eyJ", "MII", "12057012345" } do
    assert(not message:find(secret, 1, true), message)
  end
  return message
end

--- A source that fails with that code and reason: its message, detail, the source, its requests.
function M.fails(code, reason, words, more)
  local source, requests = M.source_for(words, more)
  local token, message, got, detail = source()
  assert(token == nil and got == code and detail.reason == reason, message)
  M.harmless(cjson.encode(detail))
  return M.harmless(message), detail, source, requests
end

return M
