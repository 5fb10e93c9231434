-- The vectors for reading events: ours, and those of another folder, where
-- ALTINN_EVENTS_VECTORS names one.
local cjson = require "cjson"
local events = require "altinn.events"

local other_folder = os.getenv "ALTINN_EVENTS_VECTORS"

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local function decode64(text)
  local out, bits, count = {}, 0, 0
  for c in text:gmatch("[%w+/]") do
    bits, count = (bits * 64 + alphabet:find(c, 1, true) - 1) % 2 ^ 20, count + 6
    if count >= 8 then
      count = count - 8
      local scale = 2 ^ count
      out[#out + 1] = string.char(math.floor(bits / scale) % 256)
      bits = bits % scale
    end
  end
  return table.concat(out)
end

local function lines(path)
  local file = assert(io.open(path, "r"))
  local list = {}
  for line in file:lines() do list[#list + 1] = cjson.decode(line) end
  file:close()
  return list
end

local function read(vector)
  local body = vector.body or decode64(vector.body_base64)
  if vector.mode == "batch" then return events.parse_batch(body) end
  if vector.mode == "binary" then return events.from_http(vector.headers, body) end
  local event, message, code, detail = events.parse(body)
  return event and { event }, message, code, detail
end

local function same_value(want, got)
  if type(want) == "table" and type(got) == "table" then
    for key, value in pairs(want) do if not same_value(value, got[key]) then return false end end
    for key in pairs(got) do if want[key] == nil then return false end end
    return true
  end
  return want == got
end

local function check_attributes(name, want, event)
  local got = {}
  for key, value in events.pairs(event) do if key ~= "data" then got[key] = value end end
  if want.datacontenttype and not got.datacontenttype then got.datacontenttype = want.datacontenttype end
  assert(same_value(want, got), name .. ": the attributes differ")
end

local function check_data(name, want, event)
  if want.kind == "none" then assert.is_nil(event.data, name)
  elseif want.kind == "binary" then assert.are.equal(decode64(want.base64), event.data, name)
  else assert(same_value(want.value, event.data), name .. ": the payload differs") end
end

local function check(vector)
  local list, message, code = read(vector)
  local expected = vector.expect
  if expected == "implementation-defined" then
    expected = ({ accept = "valid", reject = "invalid" })[vector.advice] or list and "valid" or "invalid"
  end
  if expected == "invalid" then
    assert(not list, vector.name .. ": accepted, though " .. vector.why)
    assert.is_string(message)
    assert.is_string(code)
    return
  end
  assert(list, vector.name .. ": " .. tostring(message))
  local wanted = vector.mode == "batch" and vector.attributes or { vector.attributes }
  for index, want in ipairs(wanted) do check_attributes(vector.name, want, list[index]) end
  if vector.data and list[1] then check_data(vector.name, vector.data, list[1]) end
end

local shell = '{"specversion":"1.0","id":"1","source":"/x","type":"t","data":%s}'

local function check_all(path)
  local vectors = lines(path)
  assert.is_true(#vectors > 100)
  for _, vector in ipairs(vectors) do check(vector) end
end

describe("the vectors", function()
  it("of CloudEvents get the verdicts that the specifications ask for", function()
    check_all "spec/vectors/cloudevents.jsonl"
  end)

  if not other_folder then return end

  it("of another folder get theirs", function() check_all(other_folder .. "/cloudevents.jsonl") end)

  it("of JSON are accepted and refused as RFC 8259 says", function()
    local suite = lines(other_folder .. "/jsontestsuite.jsonl")
    assert.is_true(#suite > 0)
    for _, vector in ipairs(suite) do
      local text = shell:gsub("%%s", function() return decode64(vector.body_base64) end)
      local event, message = events.parse(text)
      if vector.expect == "valid" then assert(event, vector.name .. ": " .. tostring(message)) end
      if vector.expect == "invalid" then assert(not event, vector.name .. ": accepted") end
    end
  end)
end)
