-- Odd requests get the same answers from nginx as from the host, byte by byte.
local host = require "spec.support.host"
local http = require "spec.support.http"
local nginx = require "spec.support.nginx"
local sample = require "spec.support.sample"

local SECRET = "a-long-secret"
local PATH = "/events/" .. SECRET
local CE = "Content-Type: application/cloudevents+json\r\n"
local BINARY = "ce-specversion: 1.0\r\nce-id: b1\r\nce-source: /x\r\nce-type: t\r\n"
local GOOD = sample.text()
local LIMIT = 256 * 1024

local function media(text) return "Content-Type: " .. text .. "\r\n" end

-- Lines of the head.
local HEADS = {
  CE .. CE, CE .. media "text/plain", media "text/plain" .. CE, CE .. "Content-Encoding: identity\r\n",
  CE .. "Content-Encoding: identity\r\nContent-Encoding: identity\r\n",
  CE .. "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n", CE .. "Content-Encoding:\r\n",
  CE .. "Content-Encoding: gzip\r\nContent-Encoding:\r\n", CE .. "Content-Encoding: , Identity,\r\n",
  CE .. "Content-Encoding: identity, br\r\n",
  media "application/json" .. "ce-id: x\r\n", media "application/cloudevents-batch+json; charset=utf-8",
  media "application/cloudevents+json;charset=iso-8859-1", media "application/cloudevents+xml",
  media "  application/cloudevents+json  ", media "application/json;charset=utf-16",
  media "application/cloudevents+json; charset=utf-16", media "application/cloudevents+json; garbage",
  BINARY, BINARY .. "ce-id: b2\r\n", BINARY .. "ce-subject: a%20b\r\n", BINARY .. "ce-subject: a%2\r\n",
  BINARY .. "ce-subject: \xff\r\n", BINARY .. "ce-Upper: x\r\n", BINARY .. "ce-a-b: x\r\n", BINARY .. "ce-: x\r\n",
  BINARY .. "ce-empty:\r\n", BINARY .. 'ce-subject: "q"\r\n', BINARY .. CE, BINARY .. media "application/json",
}

-- (What is no path or no method nginx refuses itself.)
local TARGETS = {
  "http://x" .. PATH, "https://x" .. PATH, "/" .. PATH, "/events//" .. SECRET, PATH .. "/", PATH .. "//",
  "/x/.." .. PATH, "/events/.." .. PATH, "/events%2F" .. SECRET, PATH .. "%2Fname", "/%65vents/" .. SECRET, "/eventsx",
  "/events;x/" .. SECRET, PATH .. "%3Fx", PATH .. "%23x", PATH .. "#frag", PATH .. "?a=/../b", PATH .. "/+a%2Bb",
  "/EVENTS/" .. SECRET, PATH .. "/%E2%82", PATH .. "/%7F",
}

local function requests()
  local list = {}
  local function add(head, body, target, method)
    list[#list + 1] = { head = head, body = body or GOOD, target = target or PATH, method = method or "POST" }
  end
  for _, head in ipairs(HEADS) do add(head) end
  for _, target in ipairs(TARGETS) do add(CE, nil, target) end
  for _, origin in ipairs { "", "WebHook-Request-Origin: a\r\nWebHook-Request-Origin: b\r\n",
    "WebHook-Request-Origin:\r\n" } do add(origin, "", nil, "OPTIONS") end
  add("", "", "/events/other", "OPTIONS")
  add(CE, nil, nil, "HEAD")
  for _, body in ipairs { "\xef\xbb\xbf" .. GOOD, GOOD .. " ", GOOD .. "x", ("["):rep(600), ("x"):rep(LIMIT),
    ("x"):rep(LIMIT + 1), "" } do add(CE, body) end
  for _, body in ipairs { ("x"):rep(LIMIT), ("x"):rep(LIMIT + 1), "" } do add(BINARY, body) end
  add(media "application/json", "[" .. GOOD .. "]")
  return list
end

local function answer(port, request)
  local head = ("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %d\r\n\r\n"):format(request.method,
    request.target, request.head, #request.body)
  local text = http.raw(port, head .. request.body)
  local status, fields, body = text:match("^HTTP/1.1 (%d+).-\r\n(.-\r\n)\r\n(.*)$")
  local shown = { status = status, body = body }
  for _, name in ipairs { "allow", "webhook-allowed-origin", "webhook-allowed-rate", "retry-after" } do
    shown[name] = fields and ("\n" .. fields):lower():match("\n" .. name:gsub("%-", "%%-") .. ": ([^\r]*)")
  end
  if tonumber(status or 0) >= 400 then shown.type = fields:lower():match("content%-type: ([^\r]*)") end
  return shown
end

describe("odd requests", function()
  it("get the host's answers in nginx", function()
    local one = host.start { arguments = { "--secret", SECRET } }
    local two = nginx.start { server = "location / { content_by_lua_block { receive() } }", http = [[
      lua_shared_dict altinn_events 16m; init_by_lua_block { receive = require("altinn.events.resty").handler {
        dict = "altinn_events", secret = "a-long-secret", on_event = function() end } }]] }
    finally(function()
      one:close()
      two:close()
    end)
    for number, request in ipairs(requests()) do
      local wanted = answer(one.port, request)
      assert.is_truthy(wanted.status, "the host gives no answer to request " .. number)
      assert.are.same(wanted, answer(two.port, request), ("request %d: %s %s\n%s%s"):format(number, request.method,
        request.target, request.head, request.body:sub(1, 200)))
    end
  end)
end)
