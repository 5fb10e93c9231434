-- The client as programs with any Lua use it: this file runs on 5.1 to 5.4 and LuaJIT, against a server that is a
-- process of Lua 5.4.
local core = require "altinn.events.core"
local events = require "altinn.events"

local ID = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"
local FILE = "11111111-2222-3333-4444-555555555555"

local folder, pipe, server, url

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("*a")
  if file then file:close() end
  return text
end

local function answer(text)
  write(folder .. "/script.new", "local request, number, state = ...\n" .. text)
  assert(os.rename(folder .. "/script.new", folder .. "/script"))
end

setup(function()
  folder = os.tmpname()
  os.remove(folder)
  os.execute("mkdir " .. folder)
  answer "return { status = 200 }"
  -- Its own Lua: the paths of this one are not for it.
  local command = "echo $$; exec env -u LUA_PATH -u LUA_CPATH lua5.4 spec/support/script_server.lua %s/log %s/script"
  pipe = io.popen(command:format(folder, folder))  -- kept: collecting it would wait for the server's end
  server = pipe:read("*l")
  url = "http://127.0.0.1:" .. pipe:read("*l")
end)

teardown(function()
  os.execute("kill " .. server)
  pipe:close()
  os.execute("rm -r " .. folder)
end)

local function client(more)
  local options = { base_url = url, token = "token-of-a-spec", timeout = 10 }
  for name, value in pairs(more or {}) do options[name] = value end
  return events.client(options)
end

describe("on any Lua the client", function()
  it("subscribes, with ids as whole numbers", function()
    answer [[return { status = 201, body = '{"id":1234567,"validated":true,"subjectFilter":null}' }]]
    local subscription = assert(client():subscribe { endpoint = "http://127.0.0.1:1/", resource = "acme-letters" })
    assert.are.equal("1234567", tostring(subscription.id))
    assert.is_nil(subscription.subjectFilter)
    local _, message, code = client():subscribe { endpoint = "http://127.0.0.1:1/", resource = "Acme" }
    assert.are.equal("invalid", code, message)
    assert.has_error(function() client():subscribe { endpont = "x" } end)
  end)

  it("reads letters, acts on them, and tries again", function()
    answer(([[
      if number == 1 then return { status = 503 } end
      if request.method == "POST" then return { status = 400, body = '{"errorCode":1041}' } end
      return { body = '{"correspondenceId":"%s","status":"Read","statusHistory":[{"status":"Confirmed"}]}' }]])
      :format(ID))
    local letter = client():letter(ID)
    local details = assert(letter:details())
    assert.is_true(details:has_been("Confirmed"))
    assert.is_false(details:has_been("Failed"))
    assert.is_true(letter:confirm())
    answer [[return { status = 401, body = '{"errorCode":4001}' }]]
    local none, message, code, detail = letter:overview()
    assert.is_nil(none)
    assert.are.equal("forbidden", code, message)
    assert.are.equal("4001", tostring(detail.number))
  end)

  it("downloads to files and functions", function()
    answer "return { bytes = 2000000 }"
    local got = 0
    assert.is_true(client():letter(ID):download(FILE, function(part) got = got + #part end))
    assert.are.equal(2000000, got)
    assert.is_true(client():letter(ID):download(FILE, folder .. "/file"))
    assert.are.equal(2000000, #read(folder .. "/file"))
    answer "return { bytes = 2000000, cut = 1000 }"
    local ok, _, code = client { attempts = 1 }:letter(ID):download(FILE, folder .. "/other")
    assert.is_nil(ok)
    assert.are.equal("network", code)
    local list = io.popen("ls " .. folder)
    local names = list:read("*a")
    list:close()
    assert.are.equal("file\nlog\nscript\n", names)
  end)

  it("pulls events and lists letters", function()
    answer [[
      if request.path:find("/events$") then
        local after = tonumber(request.query:match("after=(%d+)"))
        if after >= 3 then return { body = "[]" } end
        return { body = ('[{"specversion":"1.0","id":"%d","source":"/s","type":"t"}]'):format(after + 1) }
      end
      return { body = '{"ids":["a","b"]}' }]]
    local ids = {}
    for event in client():events { resource = "acme-letters" } do ids[#ids + 1] = event.id end
    for id in client():letters { resource = "acme-letters", role = "Sender", from = 1767225600.25 } do
      ids[#ids + 1] = id
    end
    assert.are.equal("1 2 3 a b", table.concat(ids, " "))
    assert.is_truthy(read(folder .. "/log"):find("2026-01-01T00:00:00.250000Z", 1, true))
    answer "return { status = 403 }"
    local ok, failure = pcall(function() client():events { resource = "acme-letters" } () end)
    assert.is_false(ok)
    assert.are.equal("forbidden", failure.code)
    assert.are.equal(failure.message, tostring(failure))
  end)

  it("waits in a coroutine of the program's own, where its transport does so", function()
    local made = client { transport = function(request)
      return coroutine.yield(request)
    end }
    local thread = coroutine.create(function() return made:subscriptions() end)
    local _, request = coroutine.resume(thread)
    assert.are.equal("GET", request.method)
    local _, list = coroutine.resume(thread, { status = 200, headers = {}, body = '{"subscriptions":[{"id":1}]}' })
    assert.are.equal(1, list[1].id)
  end)

  it("has a clock that does not jump back", function()
    local last = core.altinn.clock()
    for _ = 1, 1000 do
      local now = core.altinn.clock()
      assert(now >= last)
      last = now
    end
  end)
end)
