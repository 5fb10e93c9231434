-- Random facts, each as a line of the log by both formatters: that of C writes to standard error, that of Lua to
-- standard output. Usage: lua5.4 facts.lua SEED COUNT
local host = require "altinn.events.host"
local logfmt = require "altinn.events.support.logfmt"

local OURS = { rule = true, verdict = true }  -- neither masked nor cut
local NAMES = { "address", "admin", "rule", "event", "type", "verdict", "reason", "target", "status", "attempt", "ms",
  "id", "runs", "key", "Zone", "a-b", "with space", "æ" }
local LEVELS = { "debug", "info", "warn", "error" }
local NUMBERS = { 0, 1, -1, 1.5, -0.0, 3.0, 1e15, 2 ^ 53, -2 ^ 53 - 2, 1e300, 0.1, 1 / 3, math.huge, -math.huge, 0 / 0,
  math.maxinteger, math.mininteger, 1 << 53, 123456.789 }

local PIECES = {
  "a sentence", " ", "word", "=", '"', "\\", "\n", "\t", "\r", "\0", "\27[2J", "\127", "ø", "blåbær", "€", "😀",
  "\194\155", "\194\128", "\226\128\142", "\226\128\168", "\226\128\174", "\226\129\166", "\226\129\170", "\255",
  "\195", "\237\160\128", "\240\159", "\192\175", "31129956715", "311299 56715", "31 12 99 567 15", "%33%31129956715",
  "\\u0033\\u0031129956715", "３１１２９９５６７１５", "0198c3a2-7b1d-7c55-8f0e-311299567150", "12", "…", "x;y,z", "{}", "'",
}

-- Characters that end a line, control a terminal or turn the direction of writing, and their neighbours.
for _, edge in ipairs { 0x1F, 0x7F, 0x9F, 0x200E, 0x200F, 0x2028, 0x202E, 0x2066, 0x2069 } do
  for point = edge - 1, edge + 1 do PIECES[#PIECES + 1] = utf8.char(point) end
end

local function text()
  local dice, parts = math.random(10), {}
  if dice == 1 then return "" end
  if dice == 2 then
    return ("y"):rep(math.random(1990, 2140)) .. PIECES[math.random(#PIECES)]:rep(math.random(0, 30))
  end
  if dice == 3 then
    for index = 1, math.random(30) do parts[index] = string.char(math.random(0, 255)) end
    return table.concat(parts)
  end
  if dice == 4 then return ("ø"):rep(math.random(980, 1100)) .. ("x"):rep(math.random(3)) end
  if dice == 5 then return ("x"):rep(math.random(0, 1)) .. ("311299 56715 "):rep(math.random(140, 180)) end
  for index = 1, math.random(6) do parts[index] = PIECES[math.random(#PIECES)] end
  return table.concat(parts)
end

local function value()
  local dice = math.random(6)
  if dice == 1 then return NUMBERS[math.random(#NUMBERS)] end
  if dice == 2 then return math.random() * 10 ^ math.random(-5, 20) end
  if dice == 3 then return math.random(2) == 1 end
  return text()
end

local function fields()
  local list = {}
  for _ = 1, math.random(0, 8) do list[NAMES[math.random(#NAMES)]] = value() end
  return list
end

math.randomseed(tonumber(arg[1]))
for _ = 1, tonumber(arg[2]) do
  local json, level = math.random(2) == 1, LEVELS[math.random(#LEVELS)]
  local message, one = PIECES[math.random(#PIECES)], fields()
  assert(host.fact(json, level, message, one), "the log took no line")
  for name, each in pairs(one) do
    if type(each) == "string" and not OURS[name] then one[name] = logfmt.short(each) end
  end
  local line = ("time=T level=%s %s"):format(level, logfmt.line(message, one))
  if json then line = logfmt.json("T", level, message, one) end
  io.stdout:write(line, "\n")
end
