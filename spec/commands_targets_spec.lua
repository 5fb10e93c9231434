-- doctor --target: each sort of target is tried, and nothing with an effect is sent.
local cjson = require "cjson"
local host = require "spec.support.host"
local process = require "spec.support.process"
local script = require "spec.support.script"
local smtp = require "spec.support.smtp"
local tls = require "spec.support.tls"

local folder, server

before_each(function()
  folder, server = process.folder(), script.start()
  assert(os.execute("mkdir -p " .. folder .. "/rules " .. folder .. "/out"))
end)

after_each(function()
  server:close()
  process.remove(folder)
end)

-- The finding of one target, with the exit status.
local function try(target, name)
  process.write(folder .. "/altinn-events.lua", ("return { targets = { one = %s } }"):format(target))
  local status, out, err = host.command(folder, "doctor", "--target", name or "one", "--json", "--config",
    folder .. "/altinn-events.lua")
  local fine, result = pcall(cjson.decode, out)
  assert(fine, out .. err)
  assert.are.equal(1, #result.findings, out)
  assert.are.equal(status == 0, result.ok)
  return result.findings[1], out
end

local function finds(target, status, message, fix)
  local finding, out = try(target)
  assert.are.same({ "target one", status }, { finding.check, finding.status }, finding.message)
  assert.is_truthy(finding.message:find(message, 1, true), finding.message)
  if fix then assert.is_truthy((finding.fix or ""):find(fix, 1, true), finding.fix) end
  return out
end

describe("doctor --target", function()
  it("asks OPTIONS of an address, with its token, and no more", function()
    server:answer [[
      if request.path == "/token" then
        return { status = 200, body = '{"access_token":"a-token-of-ours","expires_in":100}' }
      end
      return { status = 405, headers = { ["WebHook-Allowed-Origin"] = "*" } }]]
    finds(('{ url = "%s/x", origin = "a.example", token = { url = "%s/token", client_id = "c", client_secret = "s" } }')
      :format(server.url, server.url), "ok",
      "it answers (OPTIONS: 405), a token was fetched; send.cloudevent may come from *")
    local methods = {}
    for index, request in ipairs(server:requests()) do methods[index] = request.method .. " " .. request.path end
    assert.are.same({ "POST /token", "OPTIONS /x" }, methods)
    server:always(503)
    finds(('{ slack = "%s/services/a-secret" }'):format(server.url), "warning", "it answers (OPTIONS: 503)")
    server:always(401)
    finds(('{ url = "%s" }'):format(server.url), "warning", "OPTIONS with 401", "headers or token")
  end)

  it("says why it cannot reach one, without its secrets", function()
    finds(('{ url = "http://127.0.0.1:%d" }'):format(process.free_port()), "failed", "onnect",
      "may this machine reach it")
    finds('{ url = "http://no-such-name.invalid" }', "failed", "no-such-name.invalid", "does its name resolve")
    local secure = tls.start()
    finally(function() secure:close() end)
    finds(('{ url = "%s" }'):format(secure.url), "failed", "certificate", "ca_file in the target")
    -- s_server trusts nobody, and answers nothing to OPTIONS.
    finds(('{ url = "%s", ca_file = "%s", timeout = 1 }'):format(secure.url, secure.certificate), "failed",
      "there was no answer in 1 s", "firewall")
    server:always(401, '{"error":"invalid_client"}')
    local out = finds(('{ url = "%s", token = { url = "%s/t", client_id = "c", client_secret = "a-secret-of-c" } }')
      :format(server.url, server.url), "failed", "refuses the client", "correct token")
    assert.is_nil(out:find("a-secret", 1, true))
  end)

  it("greets a mail server, signs in, and sends no mail", function()
    local mail = smtp.start()
    finally(function() mail:close() end)
    finds(('{ mail = "%s", from = "a@b.no", user = "u", password = "p-a-s-s" }'):format(mail.url), "ok",
      "it greets, and lets the user in")
    assert.is_nil(table.concat(mail:wait(1)[1].commands, "\n"):find("MAIL", 1, true))
    mail:script '{ auth = "535 no" }'
    finds(('{ mail = "%s", from = "a@b.no", user = "u", password = "p-a-s-s" }'):format(mail.url), "failed", "535 no",
      "correct user and password")
    finds(('{ mail = "%s", from = "a@b.no", plain = false }'):format(mail.url), "failed", "STARTTLS", "smtps://")
  end)

  it("looks at folders, files and programs", function()
    finds(('{ folder = "%s/out" }'):format(folder), "ok", "is there, and this user may use it")
    finds(('{ folder = "%s/none" }'):format(folder), "failed", "none", "the user that 'run' runs as")
    finds(('{ append = "%s/out/list.csv" }'):format(folder), "ok", "list.csv is not there yet, and this user may"
      .. " make it")
    finds(('{ append = "%s/none/list.csv" }'):format(folder), "failed", "none")
    assert.is_nil(process.read(folder .. "/out/list.csv"))
    process.write(folder .. "/out/list.csv", "x\n")
    finds(('{ append = "%s/out/list.csv" }'):format(folder), "ok", "list.csv is there, and this user may use it")
    finds('{ command = { "cat" } }', "ok", "cat is there, and this user may use it")
    finds('{ command = { "/no/such/program" } }', "failed", "/no/such/program")
  end)

  it("names a target that there is not", function()
    local finding = try('{ url = "http://127.0.0.1:1" }', "noe")
    assert.are.equal("failed", finding.status)
    assert.is_truthy(finding.message:find("there is no such target in the configuration (did you mean 'one'?)", 1,
      true), finding.message)
  end)
end)
