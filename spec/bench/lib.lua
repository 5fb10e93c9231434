-- What the parts of the benchmark share: files, commands, medians, rounds.
local socket = require "socket"

local M = {}

--- Everything that a run leaves behind lies here.
M.folder = "build/bench"

--- Where `make` has put the objects of the product.
M.build = os.getenv("AE_BUILD") or "build/lua5.4"

function M.quote(text) return "'" .. tostring(text):gsub("'", "'\\''") .. "'" end

function M.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

function M.write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
  return path
end

--- Runs a command and gives its output; raises when it fails.
function M.capture(command)
  local pipe = assert(io.popen(command, "r"))
  local text = pipe:read("a")
  local ok, how, status = pipe:close()
  if not ok then error(("%s: %s %d"):format(command:match("^%S+ ?%S*"), how, status), 0) end
  return text
end

--- The words of what a command prints, nil when it fails.
function M.try(command)
  local ok, text = pcall(M.capture, command .. " 2>/dev/null")
  return ok and text:gsub("%s+$", "") or nil
end

function M.sleep(seconds) socket.sleep(seconds) end

function M.now() return socket.gettime() end

--- Calls `check` until it gives something; raises after so many seconds.
function M.wait(seconds, what, check, ...)
  local deadline = M.now() + seconds
  repeat
    local value = check(...)
    if value then return value end
    M.sleep(0.01)
  until M.now() > deadline
  error("waited in vain for " .. what, 0)
end

--- A port that is free now.
function M.free_port()
  local server = assert(socket.bind("127.0.0.1", 0))
  local _, port = server:getsockname()
  server:close()
  return tonumber(port)
end

local function sorted(list)
  local copy = table.move(list, 1, #list, 1, {})
  table.sort(copy)
  return copy
end

function M.median(list)
  local copy = sorted(list)
  local middle = #copy // 2
  if #copy % 2 == 1 then return copy[middle + 1] end
  return (copy[middle] + copy[middle + 1]) / 2
end

--- "12–15 ns" with the least and the greatest of a list.
function M.span(list, format)
  local copy = sorted(list)
  return (format .. "–" .. format):format(copy[1], copy[#copy])
end

--- Lets contenders take turns: `rounds` times each of the list
--- { name, function } in order. Name -> list of what the function gave.
function M.turns(rounds, contenders)
  local results = {}
  for _ = 1, rounds do
    for _, contender in ipairs(contenders) do
      local list = results[contender[1]] or {}
      list[#list + 1] = contender[2]()
      results[contender[1]] = list
    end
  end
  return results
end

--- Reads lines of name=number: name -> list of numbers.
function M.numbers(text)
  local results = {}
  for name, value in text:gmatch("([%w_]+)=(%-?[%d.]+)") do
    local list = results[name] or {}
    list[#list + 1] = tonumber(value)
    results[name] = list
  end
  return results
end

--- The first number of each name.
function M.facts(text)
  local facts = {}
  for name, list in pairs(M.numbers(text)) do facts[name] = list[1] end
  return facts
end

--- 12345.6 -> "12,346".
function M.thousands(number)
  local text = ("%.0f"):format(number)
  repeat
    local count
    text, count = text:gsub("^(%d+)(%d%d%d)", "%1,%2")
  until count == 0
  return text
end

function M.rate(number) return M.thousands(number) .. "/s" end

return M
