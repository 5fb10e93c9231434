-- What the client costs, measured in a process of its own.
-- Usage: lua5.4 measure.lua URL calls|stream; prints numbers for the spec.
local events = require "altinn.events"
local transport = require "altinn.events.transport"

local url, what = arg[1], arg[2]

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function resident() return tonumber(read("/proc/self/status"):match("VmRSS:%s*(%d+)")) end

local function descriptors()
  local pipe = io.popen("ls /proc/" .. read("/proc/self/stat"):match("^%d+") .. "/fd | wc -l")
  local text = pipe:read("a")
  pipe:close()
  return tonumber(text)
end

local function settle()
  collectgarbage()
  collectgarbage()
end

-- Descriptors and kilobytes more after 10,000 calls than after 1,000.
local function calls()
  local letter = events.client { base_url = url, token = "token-of-a-spec" }:letter(arg[3])
  local function run(count)
    for _ = 1, count do assert(letter:overview()) end
    settle()
  end
  run(1000)
  local open, before = descriptors(), resident()
  run(9000)
  print(descriptors() - open, resident() - before)
end

-- Bytes, parts, and kilobytes more at the most while a body streams.
local function stream()
  local got, parts, most = 0, 0, 0
  settle()
  local before = resident()
  assert(transport.default() { method = "GET", url = url, headers = {}, timeout = 60, max_body = 1000,
    sink = function(part)
      got, parts = got + #part, parts + 1
      if parts % 50 == 0 then most = math.max(most, resident()) end
    end })
  print(got, parts, most - before)
end

;({ calls = calls, stream = stream })[what]()
