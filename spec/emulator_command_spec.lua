-- The verb emulate: what it says, what it refuses, how it ends; and the control interface's settings.
local emulator = require "spec.support.emulator"
local host = require "spec.support.host"
local process = require "spec.support.process"
local socket = require "socket"

describe("altinn-events emulate", function()
  local folder

  setup(function() folder = process.folder() end)
  teardown(function() process.remove(folder) end)

  it("says in its help how to begin", function()
    local status, text = host.command(folder, "emulate", "--help")
    assert.are.equal(0, status)
    for _, word in ipairs { "altinn-events emulate &", "/emulator/letters", "--speed", "--accept-any-grant" } do
      assert.is_truthy(text:find(word, 1, true), word)
    end
  end)

  it("prints where it listens and how to try it, and what it says works", function()
    local altinn = emulator.start()
    local text = altinn.process:output()
    assert.is_truthy(text:find("listens on " .. altinn.base, 1, true), text)
    local count = 0
    for line in text:gmatch("[^\n]+") do
      local command = line:match("(curl .*)$")
      if command then
        count = count + 1
        local pipe = io.popen(command:gsub("^curl", "curl -sf") .. " 2>&1")
        local answer = pipe:read("a")
        assert.is_truthy(pipe:close(), command .. ": " .. answer)
        assert.is_true(#answer > 2)
      end
    end
    assert.are.equal(4, count)
    assert.are.equal(0, altinn:close())
  end)

  it("ends with 0 on SIGINT and SIGTERM, also with a push and a call under way", function()
    for _, name in ipairs { "INT", "TERM" } do
      local altinn = emulator.start()
      local silent = assert(socket.bind("127.0.0.1", 0))
      local _, port = silent:getsockname()
      altinn:control("POST", "/subscriptions", { endPoint = "http://127.0.0.1:" .. port, resourceFilter = "acme" })
      local client = assert(socket.connect("127.0.0.1", altinn.port))
      client:send("POST /emulator/clock HTTP/1.1\r\nHost: x\r\nContent-Length: 16\r\n\r\n{\"advance\":\"1h\"}")
      altinn.process:signal(name)
      assert.are.equal(0, altinn.process:wait_exit(30))
      client:close()
      silent:close()
      altinn:close()
    end
  end)

  local function fails(status, text, ...)
    local got, _, message = host.command(folder, "emulate", ...)
    assert.are.equal(status, got)
    assert.is_truthy(message:find(text, 1, true), message)
  end

  it("refuses what it cannot do, and says what to do", function()
    fails(2, "add --public", "--listen", "0.0.0.0:0")
    fails(2, "must be HOST:PORT", "--listen", "8490")
    fails(2, "--client must be ID=FILE", "--listen", "127.0.0.1:0", "--client", "x")
    fails(2, "No such file", "--listen", "127.0.0.1:0", "--client", "x=" .. folder .. "/none")
    fails(2, "did you mean 'dialogporten'", "--listen", "127.0.0.1:0", "--imperfect", "dialogport")
    fails(2, "--speed must be a number from 0 to 1000000, not 'fast'", "--speed", "fast")
    fails(2, "--speed must be a number", "--speed", "1e999")
    fails(2, "--timeout must be a number from 0.001 to 3600, not '0'", "--timeout", "0")
    fails(2, "--visible-after must be a number", "--visible-after", "x")
    fails(2, "--platform must be an address", "--platform", "platform.altinn.no")
    fails(2, "--issuer must be an address", "--issuer", "https://x y/")
    fails(2, "--organisation must be the nine digits", "--organisation", "12345")
    process.write(folder .. "/world.json", '{"main_unit":{}}')
    fails(2, "did you mean 'main_units'", "--listen", "127.0.0.1:0", "--world", folder .. "/world.json")
    process.write(folder .. "/world.json", "[")
    fails(2, "must hold a JSON object", "--listen", "127.0.0.1:0", "--world", folder .. "/world.json")
    local taken = assert(socket.bind("127.0.0.1", 0))
    local _, port = taken:getsockname()
    fails(1, "another program uses it", "--listen", "127.0.0.1:" .. port)
    -- What is wrong with the options is said before the port is asked for.
    for option, value in pairs { ["--client"] = "x", ["--world"] = folder .. "/world.json", ["--imperfect"] = "x",
      ["--speed"] = "x" } do
      fails(2, option, "--listen", "127.0.0.1:" .. port, option, value)
    end
    taken:close()
  end)

  it("reads the world from a file, and takes switches and addresses as options", function()
    process.write(folder .. "/world.json", '{"main_units":{"111111111":"987654321"},"policy":[{"action":"subscribe"}]}')
    local altinn = emulator.start { arguments = { "--world", folder .. "/world.json", "--imperfect", "dialogporten",
      "--platform", "https://platform.example.no/", "--pipeline", "older", "--visible-after", "0" } }
    local settings = altinn:control("GET", "/settings")
    assert.are.same({ "older", 0, "https://platform.example.no" },
      { settings.pipeline, settings.visible_after, settings.platform })
    assert.is_true(altinn:control("GET", "/switches").dialogporten.value)
    altinn:letter()
    assert.are.equal("https://platform.example.no/correspondence/api/v1/correspondence",
      altinn:control("GET", "/events").events[1].source)
    altinn:close()
  end)

  it("runs its clock as fast as it is told", function()
    local altinn = emulator.start { speed = 3600 }
    altinn:subscribe("http://127.0.0.1:1/", { validated = false })
    assert.is_truthy(process.wait(30, function() return altinn:deliveries()[1].state == "dead" end))
    altinn:control("POST", "/clock", { speed = 0 })
    local now = altinn:control("GET", "/clock").now:sub(1, 19)
    assert.are.equal(now, altinn:control("GET", "/clock").now:sub(1, 19))
    altinn:close()
  end)

  it("puts trouble in the way of calls", function()
    local altinn = emulator.start()
    local path = "/events/api/v1/subscriptions"
    altinn:control("POST", "/troubles", { path = "/subscriptions", method = "GET", status = 429, next = 2,
      headers = { ["Retry-After"] = "7" }, body = "<html>busy</html>" })
    for _ = 1, 2 do
      local status, text, headers = altinn:call("GET", path)
      assert.are.same({ 429, "<html>busy</html>", "7" }, { status, text, headers["retry-after"] })
    end
    assert.are.equal(401, (altinn:call("GET", path)))
    altinn:control("POST", "/troubles", { path = "/subscriptions", seconds = "1h" })
    local client = assert(socket.connect("127.0.0.1", altinn.port))
    client:send("GET " .. path .. " HTTP/1.1\r\nHost: x\r\n\r\n")
    assert.is_truthy(process.wait(30, function() return altinn:control("GET", "/clock").next end))
    altinn:advance "1h"
    assert.are.equal("HTTP/1.1 401 Unauthorized", client:receive("*l"))
    client:close()
    altinn:control("POST", "/troubles", { path = "/token", status = 0 })
    assert.is_nil((altinn:call("POST", "/token", "x")))
    assert.are.equal(400, (altinn:call("POST", "/emulator/troubles", { path = "/x", status = 99 })))
    assert.are.equal("new", altinn:control("GET", "/settings").pipeline)
    altinn:close()
  end)

  it("remembers what was asked of it, without tokens and grants", function()
    local altinn = emulator.start()
    altinn:as("SECRET", "GET", "/events/api/v1/events?after=0&type=a&type=b")
    altinn:call("POST", "/token", "assertion=SECRET", { ["Content-Type"] = "application/x-www-form-urlencoded" })
    local answer = altinn:control("GET", "/requests")
    assert.are.equal(2, answer.count)
    assert.are.same({ { "after", "0" }, { "type", "a" }, { "type", "b" } }, answer.requests[1].query)
    assert.are.same({ 401, 400 }, { answer.requests[1].status, answer.requests[2].status })
    assert.is_nil(select(4, altinn:call("GET", "/emulator/requests")):find("SECRET", 1, true))
    altinn:close()
  end)

  it("lists its own calls, and forgets everything on reset", function()
    local altinn = emulator.start()
    altinn:letter()
    altinn:subscribe "http://127.0.0.1:1/"
    local index = altinn:control("GET", "")
    assert.are.same({ 1, 1, 2 }, { index.letters, index.subscriptions, index.events })
    assert.is_true(#index.calls > 25)
    altinn:reset()
    index = altinn:control("GET", "")
    assert.are.same({ 0, 0, 0 }, { index.letters, index.subscriptions, index.events })
    assert.are.equal(404, (altinn:call("GET", "/nothing")))
    assert.are.equal(405, (altinn:call("PUT", "/token")))
    altinn:close()
  end)

  it("publishes octets that are no event, and names that are never raised, on request only", function()
    local altinn = emulator.start()
    local s = altinn:subscribe(altinn.base .. "/events/api/v1/tests/webhookreceiver")
    altinn:control("POST", "/events", { raw = "{broken", subscription = s.id })
    altinn:advance()
    assert.are.equal("{broken", altinn:deliveries({ type = "raw" })[1].body)
    local status, answer = altinn:call("POST", "/emulator/events", { type = "correspondencearchived" })
    assert.are.equal(400, status)
    assert.is_truthy(answer.error:find("never raises", 1, true))
    answer = altinn:control("POST", "/events", { type = "correspondencearchived", dead = true })
    assert.is_true(answer.dead)
    status, answer = altinn:call("POST", "/emulator/events", { type = "correspondencepublishd" })
    assert.are.equal(400, status)
    assert.is_truthy(answer.error:find("did you mean", 1, true))
    altinn:close()
  end)
end)
