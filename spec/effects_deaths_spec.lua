-- What is known of an effect when its target dies: at connect, in TLS, before, in and after the body, after the status.
local process = require "spec.support.process"
local sender = require "spec.support.sender"
local tls = require "spec.support.tls"

local folder, server, port

before_each(function()
  folder = process.folder()
  process.write(folder .. "/place", "answer")
  server, port = process.serve(folder, "dying", "lua5.4 spec/support/breaking_server.lua " .. folder .. "/place")
end)

after_each(function()
  server:stop()
  process.remove(folder)
end)

local function send(url)
  return sender.new({ print = { url = url, timeout = 10 } }).send("http", "print", { body = ("x"):rep(500000) })
end

describe("a target that dies", function()
  it("before a byte was written to it, was sent nothing", function()
    assert.are.equal("not_sent", send("http://127.0.0.1:" .. process.free_port()).state)
    assert.are.equal("not_sent", send("http://no-such-name.invalid").state)
    local secure = tls.start()
    finally(function() secure:close() end)
    local outcome = send(secure.url)
    assert.are.same({ "not_sent", "tls" }, { outcome.state, outcome.kind })
  end)

  it("later, may have been sent all, or has answered", function()
    for place, wanted in pairs { nothing = "unknown", middle = "unknown", body = "unknown", part = "unknown",
      interim = "unknown", line = "sent", head = "sent", answer = "sent", refusal = "refused" } do
      process.write(folder .. "/place", place)
      local outcome = send("http://127.0.0.1:" .. port)
      assert.are.equal(wanted, outcome.state, place .. ": " .. tostring(outcome.reason))
    end
  end)
end)
