-- Events by number: the same in every Lua, half of them broken. No
-- math.random, whose numbers differ from Lua to Lua.
local M = {}

--- The generator of Park and Miller: exact in doubles and in integers.
---@param seed integer
---@return fun(most: integer): integer random from 1 to `most`
function M.random(seed)
  local state = seed % 2147483646 + 1
  return function(most)
    state = state * 16807 % 2147483647
    return state % most + 1
  end
end

local function pick(random, list) return list[random(#list)] end

local IDS = { "1", "0b6f6a1e-6d1f-4c4f-9a3b-0c1d2e3f4a5b", "x y", "åøæ", "a/b#c", "\226\130\172", "\240\159\152\128",
  "?" }
local SOURCES = {
  "/x", "https://platform.tt02.altinn.no/correspondence/api/v1/correspondence", "urn:altinn:x", "a/b:c", "//host",
  "https://[::1]:80/a?b#c", "%41", "mailto:a@b.no", "https://user@host/a'b(c)",
}
local TYPES = {
  "t", "no.altinn.correspondence.correspondencepublished", "platform.events.validatesubscription", "com.example.thing",
}
local TIMES = {
  "2026-08-20T07:22:19.4380391Z", "1970-01-01T00:00:00Z", "2026-08-20t07:22:19z", "2016-12-31T23:59:60Z",
  "2026-08-20T09:22:19+02:00", "2000-02-29T23:59:59.999999999-23:59", "0000-01-01T00:00:00Z",
}
local SUBJECTS = {
  "urn:altinn:organization:identifier-no:987654321", "urn:altinn:person:identifier-no:12345678901", "/party/50002108",
  "s", "å b",
}
local MEDIA = { "application/json", "text/plain", "application/vnd.x+json; charset=\"utf-8\"",
  "application/octet-stream" }
local VALUES = {
  '"v"', '""', "true", "false", "null", "0", "-1", "2147483647", "-2147483648", '"\195\165"', '"\\ud83d\\ude00"',
  '"\\u0041\\/\\"\\\\"', '"urn:altinn:resource:acme-letters"',
}
local OCTETS = { '"YWJj"', '"AP8="', '""', '"YQ=="' }
local PAYLOADS = {
  '{"a":[1,2,{"b":null}],"c":"\\n"}', "[]", "{}", "null", "5", "-0.5e-3", "9007199254740992", '"text"', "true",
  '[[[[[["deep"]]]]]]', '{"a":1,"a":2}', ' [ 1 , 2 ] ',
}

-- What breaks an event, or may.
local WRONG_MEMBERS = {
  '"id":""', '"id":5', '"id":"1"', '"Upper":"x"', '"with-hyphen":"x"', '"":"x"', '"x":1.5', '"x":2147483648', '"x":{}',
  '"x":[1]', '"x":1e3', '"time":"now"', '"time":"2026-02-30T00:00:00Z"', '"time":"2026-08-20T23:59:60Z"', '"time":5',
  '"source":"a b"', '"source":"%4"', '"source":"https://[::1"', '"dataschema":"/x"', '"dataschema":"https://x.no/s"',
  '"specversion":"0.3"', '"specversion":1', '"type":""', '"subject":""', '"subject":null', '"datacontenttype":"x"',
  '"data":1,"data":2', '"data":1,"data_base64":"YQ=="', '"data_base64":"YQ="', '"data_base64":"YWI="',
  '"data_base64":5',
  '"x":"\\u0000"', '"x":"\\ud800"', '"x":"\127"', '"x":"\\uffff"', '"x":"\255"', '"x":"\237\160\128"', '"x":"\1"',
  '"x":"a","x":"b"', '"\\u0069d":"2"', '"data":"\\udc00"', '"12345678901":{}',
  '"aVeryLongNameThatNobodyWouldGiveToAnything":1',
  '"x":tru', '"x":01', '"x":"\\x"', '"x":+1', "'x':1", '"x" "y"', '"x":', '"x":NaN', '"data":[1,]', '"data":{"a"}',
}
local MORE_WORDS = { "a", "b2", "traceparent", "resource", "resourceinstance", "alternativesubject", "n" }

-- A JSON string; sometimes with escapes that nobody needs.
local function quoted(random, text)
  if random(4) > 1 then return '"' .. text .. '"' end
  return '"' .. text:gsub("%a", function(letter)
    if random(3) > 1 then return letter end
    return ((random(2) == 1) and "\\u%04x" or "\\u%04X"):format(letter:byte())
  end) .. '"'
end

local function blank(random) return pick(random, { "", "", "", "", " ", "\n", "\r\n\t" }) end

local function member(random, name, text)
  return quoted(random, name) .. blank(random) .. ":" .. blank(random) .. text
end

local function shuffle(random, list)
  for i = #list, 2, -1 do
    local j = random(i)
    list[i], list[j] = list[j], list[i]
  end
end

local function payload(random, list)
  local media = pick(random, MEDIA)
  local kind = random(4)
  if kind == 1 then return end
  if random(2) == 1 then list[#list + 1] = member(random, "datacontenttype", '"' .. media:gsub('"', '\\"') .. '"') end
  if kind == 2 then list[#list + 1] = member(random, "data_base64", pick(random, OCTETS))
  else list[#list + 1] = member(random, "data", random(3) == 1 and '"text \195\165"' or pick(random, PAYLOADS)) end
end

local function members(random)
  local list = {
    member(random, "specversion", '"1.0"'), member(random, "id", quoted(random, pick(random, IDS))),
    member(random, "source", quoted(random, pick(random, SOURCES))),
    member(random, "type", quoted(random, pick(random, TYPES))),
  }
  if random(2) == 1 then list[#list + 1] = member(random, "time", quoted(random, pick(random, TIMES))) end
  if random(2) == 1 then list[#list + 1] = member(random, "subject", quoted(random, pick(random, SUBJECTS))) end
  for _, word in ipairs(MORE_WORDS) do
    if random(4) == 1 then list[#list + 1] = member(random, word, pick(random, VALUES)) end
  end
  payload(random, list)
  if random(50) == 1 then
    for i = 1, 40 do list[#list + 1] = ('"many%d":%d'):format(i, i) end
  end
  shuffle(random, list)
  return list
end

-- A text that is no event any more, as a rule.
local function broken(random, text)
  local kind, at = random(5), random(#text)
  if kind == 1 then return text:sub(1, at) end
  if kind == 2 then return text .. pick(random, { "x", "{}", "]", " \0", "," }) end
  if kind == 3 then return text:sub(1, at - 1) .. string.char(random(256) - 1) .. text:sub(at + 1) end
  if kind == 4 then return pick(random, { "", " ", "[]", "null", "5", "\239\187\191" .. text, "[" .. text .. "]",
    '"x"' }) end
  return text:sub(1, at) .. text:sub(random(#text))
end

--- The JSON text of the event of that number.
---@param number integer
---@return string text
function M.text(number)
  local random = M.random(number * 7919)
  local list = members(random)
  local what = random(4)
  if what == 1 then table.insert(list, random(#list + 1), pick(random, WRONG_MEMBERS)) end
  if what == 2 and random(2) == 1 then table.remove(list, random(#list)) end
  local text = "{" .. blank(random) .. table.concat(list, blank(random) .. "," .. blank(random)) .. blank(random) .. "}"
  if what == 2 then return text end
  return what == 3 and broken(random, text) or text
end

--- The event of that number as a Lua table, for encoding.
---@param number integer
---@return table event
function M.event(number)
  local random = M.random(number * 104729)
  local event = {
    specversion = "1.0", id = pick(random, IDS), source = pick(random, SOURCES), type = pick(random, TYPES),
  }
  if random(2) == 1 then event.time = pick(random, TIMES) end
  if random(2) == 1 then event.subject = pick(random, SUBJECTS) end
  for _, word in ipairs(MORE_WORDS) do
    if random(3) == 1 then event[word] = pick(random, { "x",
      'q"\\/', "\195\165", true, false, 0, -2147483648, 2147483647 }) end
  end
  local media = random(5)
  if media == 1 then
    event.datacontenttype, event.data = "application/octet-stream", "\0\1\255" .. pick(random, IDS)
  elseif media < 4 then
    event.data = pick(random, { "text", 0.5, 9007199254740991, -9007199254740992, false, { 1, 2, "x" },
      { a = { b = { true } } }, { { {} } } })
  end
  return event
end

return M
