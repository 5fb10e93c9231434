-- Where requests go: authorities of one's own, paths that cannot climb, hosts that are this machine.
local core = require "altinn.events.core"
local events = require "altinn.events"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local tls = require "spec.support.tls"
local tokens = require "spec.support.tokens"
local urls = require "altinn.events.support.url"

describe("a host that is this machine", function()
  it("is told by its name or number alone", function()
    for _, one in ipairs { "localhost", "LocalHost", "127.0.0.1", "127.255.3.9", "::1", "[::1]" } do
      assert.is_true(core.is_loopback(one), one)
    end
    for _, one in ipairs { "", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0", "127.0.0.256", "127.1",
      "128.0.0.1", "0.0.0.0", "[::2]", "127.0.0.1:80", "127.0.0.1 ", "localhos", "127..0.1", "127.0.0.0001" } do
      assert.is_false(core.is_loopback(one), one)
    end
  end)

  it("is found in an address", function()
    for _, one in ipairs { "http://127.0.0.1:80/x", "https://localhost", "HTTP://[::1]:9/", "http://me@localhost/" } do
      assert.is_true(urls.is_loopback(one), one)
    end
    for _, one in ipairs { "http://localhost@evil.example/", "http://evil.example/localhost", "ftp://localhost/",
      "http://evil.example#@localhost/", "http://evil.example?@localhost", "localhost" } do
      assert.is_false(urls.is_loopback(one), one)
    end
  end)
end)

describe("a path that climbs", function()
  it("is found in all its forms", function()
    for _, path in ipairs { "/..", "/a/../b", "/a/./b", "/.", "/%2e%2E/x", "/a/.%2e", "/a%2f..%2fb", "/a/..;x=1/b",
      "/a%5c..%5cb" } do
      assert.is_string(urls.path_fault(path), path)
    end
    for _, path in ipairs { "/", "/a/b", "/...", "/a/..b/c", "/.well-known/x", "/x?y=../z", "/%2e%2ea" } do
      assert.is_nil(urls.path_fault(path), path)
    end
  end)
end)

describe("authorities of one's own", function()
  local server

  setup(function()
    server = tls.start()
    tokens.start()
  end)
  teardown(function()
    server:close()
    tokens.stop()
  end)

  it("are trusted by the target that names them, and by no other", function()
    local one = host.start { rules = { ask = [[
      rule { name = "own", on = "*", order = false, run = function(event)
        return send.http "own" { key = { event.id }, path = "/" } end }
      rule { name = "other", on = "*", order = false, run = function(event)
        return send.http "other" { key = { event.id }, path = "/" } end }]] },
      config = ('return { targets = { own = { url = "%s", ca_file = "%s", timeout = 1 }, other = { url = "%s" } } }')
        :format(server.url, server.certificate, server.url) }
    finally(function()
      one:kill()
      one:close()
    end)
    one:post(sample.text())
    -- The server shakes hands with it, and answers no POST.
    assert(one:wait_log "reason=\"target 'own': there was no answer in 1 s", one:log())
    assert(one:wait_log "reason=\"target 'other': [^\"]*certificate", one:log())
  end)

  it("are trusted by the source of tokens that names them", function()
    local options = tokens.options_for("", { token_url = server.url, ca_file = server.certificate, timeout = 2 })
    local _, _, code = assert(events.maskinporten(options))()
    assert.are.equal("timeout", code)  -- it is reached, and answers no POST
    options.ca_file = nil
    _, _, code = assert(events.maskinporten(options))()
    assert.are.equal("tls", code)
  end)

  it("that are none are told when the configuration is read", function()
    local folder = process.folder()
    finally(function() process.remove(folder) end)
    process.write(folder .. "/no.pem", "this is no certificate")
    for name, wanted in pairs { none = "cannot be read", ["no.pem"] = "holds no certificate" } do
      local value = folder .. "/" .. name
      process.write(folder .. "/c.lua", ('return { ca_file = %q }'):format(value))
      local status, _, err = host.command(folder, "check", "--config", folder .. "/c.lua", folder)
      assert.are.equal(2, status, err)
      assert.is_truthy(err:find("ca_file", 1, true) and err:find(wanted, 1, true), err)
    end
  end)
end)
