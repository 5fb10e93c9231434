-- Writes the first texts that the fuzzers start from: generated events, and
-- messages of HTTP. Usage: lua5.4 spec/fuzz/seeds.lua FOLDER
local generator = require "spec.support.generator"

local folder = assert((...), "the folder is missing")

local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  assert(file:write(text))
  assert(file:close())
end

for number = 1, 200 do write(("event-%d"):format(number), generator.text(number)) end

for number = 1, 60 do
  local lines = {}
  for name, value in pairs(generator.event(number)) do
    if name == "datacontenttype" then lines[#lines + 1] = "Content-Type: " .. value
    elseif name ~= "data" then
      lines[#lines + 1] = ("ce-%s: %s"):format(name, tostring(value):gsub("[^%w:/.#-]", "%%20"))
    end
  end
  table.sort(lines)
  local body = tostring(generator.event(number).data or "")
  write(("message-%d"):format(number), table.concat(lines, "\n") .. "\n\n" .. body)
end

-- Wishes for each call to Altinn: fields that end with NUL, "-" is none.
local LETTER, RESOURCE = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f", "urn:altinn:resource:acme-letters"
local wishes = {
  { RESOURCE, LETTER, "https://hooks.example.org/a", "-", LETTER, "Recipient", "-", "-", "correspondencepublished",
    "-" },
  { RESOURCE, "1234", "-", "/party/50002108", "0", "sender", "2026-01-01T00:00:00Z", "Read", "no.altinn.*", "app.x" },
  { "acme", LETTER, "http://127.0.0.1:1/", "urn:altinn:organization:identifier-no:987654321", "-", "-", "-", "-", "-",
    "-" },
  { "urn:altinn:resource:app_ttd_x", "-", "-", "/party/1", "-", "-", "-", "-", "app.instance.created", "-" },
}
local padding = { "", "x", "xy" }
for call = 0, 14 do
  for index, fields in ipairs(wishes) do
    for more, tail in ipairs(padding) do
      local text = string.char(call) .. table.concat(fields, "\0") .. "\0" .. tail
      write(("wish-%d-%d-%d"):format(call, index, more), text)
    end
  end
end

-- Heads and events of the matcher are read from bytes as they come.
local state = 1
for number = 1, 40 do
  local bytes = {}
  for i = 1, 300 do
    state = state * 16807 % 2147483647
    bytes[i] = string.char(state % 251)
  end
  write(("bytes-%d"):format(number), table.concat(bytes))
end
