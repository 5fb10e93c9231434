-- 10,000 events, valid and broken, the same in every run and every Lua, and
-- what is said of each as text. Any Lua from 5.1 on.
local M = {}

M.COUNT = 10000

-- Park and Miller's generator: its products are whole in a double.
local state
local function random(n)
  state = state * 16807 % 2147483647
  return state % n + 1
end

local function pick(list) return list[random(#list)] end

local STRINGS = {
  '""', '" "', '"a"', '"\\u00e6\\u00f8\\u00e5"', '"\195\166"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\u0000"', '"\\n"',
  '"\\/"', '"' .. ("x"):rep(300) .. '"', '"\\q"', '"unclosed', '"\255"', '"\\u12"', '"12345678901"', '"a\tb"',
  '"\\u0032024-01-01T00:00:00Z"',
}
local OTHERS = {
  "null", "true", "false", "0", "-1", "2147483647", "2147483648", "-2147483648", "-2147483649", "1.5", "1e3", "01",
  "-", "[]", "{}", '{"a":[1,2,{"b":null}]}', "[[[[[]]]]]", "nul", "", "NaN", "[1,]", "9007199254740993", "1e400",
}
local VALUES = {
  specversion = { '"1.0"', '"1.0"', '"1.0"', '"1.0.2"', '"0.3"', '"\\u0031.0"', '1.0' },
  id = { '"1"', '"0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"', '"\195\166\195\184"', '""' },
  source = {
    '"https://platform.altinn.no/correspondence/api/v1/correspondence"', '"/x"', '"urn:a:b"', '"//h/p"', '"a b"',
    '"http://[::1]:80/"', '"http://[::1"', '"%zz"', '"mailto:a@b"', '"#f"', '"http://h:99999/x"', '"\195\166"', '":"',
  },
  type = { '"no.altinn.correspondence.correspondencepublished"', '"platform.events.validatesubscription"',
    '"no.altinn.correspondence.correspondencereceiverneverread"', '"dialogporten.dialog.created.v1"', '"t"', '""' },
  datacontenttype = { '"application/json"', '"text/plain"', '"application/xml; charset=utf-8"', '"json"', '"a/b;c"',
    '"application/vnd.x+json"', '"a/b; c=\\"d"' },
  dataschema = { '"https://example.org/s"', '"/relative"', '"urn:x:y"', '""' },
  subject = { '"urn:altinn:organization:identifier-no:987654321"', '"urn:altinn:person:identifier-no:01020312345"',
    '"/party/50001"', '"x"' },
  time = {
    '"2026-08-20T07:22:19.4380391Z"', '"2026-08-20t07:22:19z"', '"2016-12-31T23:59:60Z"',
    '"2015-12-31T23:59:60Z"',
    '"2026-02-29T00:00:00Z"', '"2024-02-29T24:00:00Z"', '"2026-08-20T07:22:19+14:00"',
    '"2026-08-20T07:22:19+24:00"',
    '"2026-08-20 07:22:19Z"', '"2026-08-20T07:22:19"', '"0000-01-01T00:00:00Z"', '"9999-12-31T23:59:59.999999999999Z"',
  },
  resource = { '"urn:altinn:resource:acme-letters"', '"acme-letters"' },
  resourceinstance = { '"0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"', '"x"' },
  alternativesubject = { '"/organisation/987654321"', '"/person/01020312345"' },
  data = { '"text"', '{"n":1,"s":"\\u00e6"}', "[]", "null", '"\195\166"' },
  data_base64 = { '"YQBi"', '"YQ=="', '"YQ"', '"Y Q="', '""' },
  Bad = { '"x"' }, ["two_words"] = { '"x"' }, [""] = { '"x"' }, ["\195\166"] = { '"x"' }, comexampleextension = OTHERS,
  averyveryverylongnameofanextension = { '"x"' },
}
local REQUIRED = { "specversion", "id", "source", "type" }
local OPTIONAL = { "datacontenttype", "dataschema", "subject", "time", "resource", "resourceinstance",
  "alternativesubject", "data", "data_base64", "comexampleextension", "Bad", "two_words", "", "\195\166",
  "averyveryverylongnameofanextension" }
local BLANKS = { "", "", "", " ", "\n", "\t \r\n" }

local function value(name, wild)
  if random(wild) == 1 then return pick(random(2) == 1 and STRINGS or OTHERS) end
  return pick(random(5) > 1 and { VALUES[name][1] } or VALUES[name])
end

local function member(name, wild)
  return pick(BLANKS) .. '"' .. name .. '"' .. pick(BLANKS) .. ":" .. pick(BLANKS) .. value(name, wild)
end

-- Now and then one thing is wrong with the text.
local function spoiled(text)
  local kind, at = random(20), random(#text)
  if kind == 1 then return text:sub(1, at) end
  if kind == 2 then return text:sub(1, at - 1) .. string.char(random(256) - 1) .. text:sub(at + 1) end
  if kind == 3 then return text .. pick { " ", "x", "{}", "\0", "," } end
  if kind == 4 then return "\239\187\191" .. text end
  return text
end

local function one()
  local used = {}
  local wild, parts = pick { 8, 60, 1000, 1000 }, {}
  for _, name in ipairs(REQUIRED) do
    if random(100) > 1 then parts[#parts + 1] = member(name, wild) end
  end
  for _ = 1, random(7) - 1 do
    -- The names that are wrong in themselves come more seldom.
    local name = random(12) > 1 and OPTIONAL[random(8)] or pick(OPTIONAL)
    if not used[name] or random(20) == 1 then parts[#parts + 1] = member(name, wild) end
    used[name] = true
  end
  for i = #parts, 2, -1 do
    local j = random(i)
    parts[i], parts[j] = parts[j], parts[i]
  end
  return spoiled("{" .. table.concat(parts, ",") .. pick(BLANKS) .. "}")
end

--- All texts, in order: call(text, number).
function M.each(call)
  state = 20261125
  for number = 1, M.COUNT do call(one(), number) end
end

local function sorted(map)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function shown(what)
  if type(what) == "number" then return ("%.17g"):format(what) end
  if type(what) ~= "table" then return tostring(what) end
  local parts = {}
  for _, name in ipairs(sorted(what)) do parts[#parts + 1] = name .. "=" .. shown(what[name]) end
  return "{" .. table.concat(parts, ",") .. "}"
end

--- What altinn.events says of a text: the event with its meaning, or code, message and all faults.
function M.verdict(events, text)
  local event, message, code, detail = events.parse(text)
  if not event then
    local lines = { code .. " " .. message .. " " .. shown(detail.position) .. " " .. shown(detail.attribute) }
    for _, fault in ipairs(detail.faults or {}) do
      lines[#lines + 1] = ("%s %s %s"):format(fault.code, tostring(fault.attribute), fault.message)
    end
    return table.concat(lines, "\n"), false
  end
  local attributes = {}
  for name, one_value in events.pairs(event) do
    if name ~= "data" then attributes[name] = one_value end
  end
  local seconds, nanoseconds = events.time(event)
  return ("ok %s %s %s %s %s"):format(shown(attributes), shown(events.describe(event)), shown(seconds),
    shown(nanoseconds), events.encode(event)), true
end

--- A number of 48 bits for texts that are given one after the other.
function M.digest()
  local low, high = 7, 11
  local bytes = string.byte
  return function(text)
    for at = 1, #text do
      local byte = bytes(text, at)
      low, high = (low * 31 + byte) % 16777213, (high * 37 + byte) % 16777199
    end
    return ("%06x%06x"):format(high, low)
  end
end

return M
