-- The commands of Altinn's side, the host and the emulator together, as a user runs them: a key, a token, a plan,
-- subscriptions, an event, and a change of rules. Nothing is a stand-in here but Altinn itself.
local cjson = require "cjson"
local host = require "spec.support.host"
local process = require "spec.support.process"

local SECRET = "0123456789abcdef0123456789abcdef"

local RULES = [[
rule { name = "print", on = %s, when = { resource = "acme-letters" }, run = function() return skip("seen") end }
]]

local folder, emulator, address, running

local function start_emulator()
  assert(os.execute(("cd %s && openssl genrsa -out key.pem 2048 2>/dev/null && openssl rsa -in key.pem -pubout"
    .. " -out public.pem 2>/dev/null"):format(process.quote(folder))))
  emulator = process.start(folder, "emulator", ("%s/bin/altinn-events emulate --listen 127.0.0.1:0 --visible-after 0"
    .. " --organisation 991825827 --client abc=%s/public.pem"):format(os.getenv "AE_BUILD" or "build/lua5.4", folder))
  address = process.wait(10, function()
    return emulator:errors():match("msg=listening address=(%S+)") or emulator:status() and "ended"
  end)
  assert(address and address ~= "ended", emulator:errors())
end

local CONFIG = [[return {
  base_url = "http://%s", secret = "%s", endpoint = "http://127.0.0.1:%d/events", listen = "127.0.0.1:%d",
  rules = { "%s/rules" },
  credentials = { client_id = "abc", key_file = "%s/key.pem", kid = "abc", issuer = "http://%s/",
    scopes = { "altinn:events.subscribe", "altinn:serviceowner", "altinn:correspondence.write" } },
}
]]

-- The command with the host's rules and configuration; nothing it prints may hold the secret.
local function run(verb, ...)
  local words = { verb, ... }
  words[#words + 1] = "--config"
  words[#words + 1] = folder .. "/altinn-events.lua"
  local status, out, err = running:run(table.unpack(words))
  assert(not (out .. err):find(SECRET, 1, true), "the secret is printed")
  return status, out, err
end

local function control(path, body)
  local pipe = assert(io.popen(("curl -sS -f -d %s http://%s/emulator%s"):format(process.quote(body), address, path)))
  local text = pipe:read("a")
  assert(pipe:close(), path)
  return text
end

local function actions()
  local status, out, err = run("plan", "--json")
  assert(out ~= "", err)
  local list = {}
  for index, step in ipairs(cjson.decode(out).steps) do
    list[index] = ("%s %s"):format(step.action, math.tointeger(step.id) or "")
  end
  return list, status
end

describe("Altinn's side, the host and the emulator", function()
  setup(function()
    folder = process.folder()
    start_emulator()
    running = host.start { config = ('return { secret = "%s" }\n'):format(SECRET),
      rules = { print = RULES:format '{ "correspondencepublished", "correspondencepurged" }' } }
    process.write(folder .. "/altinn-events.lua",
      CONFIG:format(address, SECRET, running.port, running.port, running.folder, folder, address))
  end)
  teardown(function()
    if running then running:close() end
    if emulator then emulator:stop() end
    process.remove(folder)
  end)

  it("from credentials to the first event", function()
    local status, out, err = run "token"
    assert.are.equal(0, status, err)
    assert.is_truthy(out:find("identity /org/digdir", 1, true), out)
    local list
    list, status = actions()
    assert.are.same({ "create " }, list)
    assert.are.equal(2, status)
    status, out, err = run "apply"
    assert.are.equal(0, status, err)
    assert.is_truthy(out:find("+ 1 made, validated: acme-letters  every subject  every type", 1, true), out)
    assert.are.equal(0, (run "plan"))
    status, out, err = run "doctor"
    assert.are.equal(0, status, out .. err)
    control("/letters", '{"resource":"acme-letters","recipient":"01017012345"}')
    assert.is_truthy(process.wait(30, function()
      return running:list("--type", "correspondencepublished").count == 1
    end))
  end)

  it("pull brings what was pushed, and the host stores nothing twice", function()
    local before = select(2, running:ids())
    local status, out, err = run("pull", "--resource", "acme-letters", "--deliver")
    assert.are.equal(0, status, err)
    assert.is_truthy(out:find("^%d+ events delivered"), out)
    assert.are.equal(before, (select(2, running:ids())))
    status, out = run("pull", "--resource", "acme-letters", "--type", "correspondencepub*", "--json")
    assert.are.equal(0, status)
    assert.are.equal(1, cjson.decode(out).count)
    assert.is_nil(out:find("01017012345", 1, true))
  end)

  it("letter tells what happened", function()
    local id = running:list("--type", "correspondencepublished").events[1].resourceinstance
    local status, out, err = run("letter", id, "--timeline")
    assert.are.equal(0, status, err)
    assert.is_truthy(out:find("letter " .. id, 1, true), out)
    assert.is_truthy(out:find("Published", 1, true), out)
  end)

  it("a change of rules keeps the old subscription until the new one is surely heard", function()
    running:rewrite { print = RULES:format '"correspondencepublished"' }
    local list, status = actions()
    assert.are.same({ "create ", "wait 1" }, list)
    assert.are.equal(2, status)
    assert.are.equal(0, (run "apply"))
    list, status = actions()
    assert.are.same({ "keep 2", "wait 1" }, list)
    assert.are.equal(2, status)
    assert.are.equal(0, (run "apply"))
    assert.are.same({ "keep 2", "wait 1" }, (actions()))
    local _, out = run("apply", "--now")
    assert.is_truthy(out:find("- 1 deleted", 1, true), out)
    list, status = actions()
    assert.are.same({ "keep 2" }, list)
    assert.are.equal(0, status)
  end)

  it("subscriptions by hand are left alone", function()
    local _, list, status, out, err
    status, _, err = run("subscriptions", "create", "--resource", "acme-letters", "--name", "by-hand")
    assert.are.equal(0, status, err)
    list, status = actions()
    assert.are.same({ "keep 2", "foreign 3" }, list)
    assert.are.equal(0, status)
    status, out, err = run("subscriptions", "delete", "3")
    assert.are.equal(0, status, err)
    assert.is_truthy(out:find("3 deleted", 1, true))
    status, out, err = run("subscriptions", "delete", "3")
    assert.are.equal(1, status, out)
    assert.is_truthy(err:find("subscription 3: ", 1, true), err)
  end)

  it("apply leaves another system's subscription behind the same address alone", function()
    local config = CONFIG:format(address, SECRET, running.port, running.port, running.folder, folder, address)
    -- Another host behind the same proxy: its own secret, the same identity.
    process.write(folder .. "/altinn-events.lua", (config:gsub(SECRET, "fedcba9876543210fedcba9876543210")))
    local status, _, err = running:run("subscriptions", "create", "--resource", "payroll", "--wait", "0", "--config",
      folder .. "/altinn-events.lua")
    assert.are.equal(0, status, err)
    process.write(folder .. "/altinn-events.lua", config)
    local list, out
    list, status = actions()
    assert.are.same({ "keep 2", "unknown 4" }, list)
    assert.are.equal(0, status)
    status, out = run "apply"
    assert.are.equal(0, status)
    assert.is_truthy(out:find("? 4 is left alone: http://127.0.0.1:%d+/events/fed%*%*%*: "), out)
    assert.are.same({ "keep 2", "unknown 4" }, (actions()))
    status, out, err = run("apply", "--remove-unknown")
    assert.are.equal(0, status, err)
    assert.is_truthy(out:find("- 4 deleted", 1, true), out)
    assert.are.same({ "keep 2" }, (actions()))
  end)

  it("a host that still has another secret is told of", function()
    local path = folder .. "/altinn-events.lua"
    local config = process.read(path)
    finally(function() process.write(path, config) end)
    process.write(path, (config:gsub(SECRET, "fedcba9876543210fedcba9876543210")))
    local status, _, err = run("apply", "--wait", "1")
    assert.are.equal(1, status)
    assert.is_truthy(err:find("is made but not validated: .-; asked from here it answers 401: the running host has"
      .. " another secret: restart it"), err)
    assert.is_nil(err:find("fedcba9876543210", 1, true))
    process.write(path, config)
    assert.are.equal(0, (run("apply", "--remove-unknown", "--now")))
  end)

  it("without a host nothing is removed", function()
    running:stop()
    running:rewrite { print = RULES:format('"correspondencepublished"'):gsub("acme%-letters", "acme-bills") }
    local status, _, err = run("apply", "--wait", "1")
    assert.are.equal(1, status)
    assert.is_truthy(err:find("is made but not validated", 1, true), err)
    assert.are.same({ "validate 6", "remove 2" }, (actions()))
    status, _, err = run "doctor"
    assert.are.equal(1, status, err)
  end)
end)
