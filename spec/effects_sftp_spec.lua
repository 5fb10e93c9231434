-- send.file to a folder on another machine, by SFTP: OpenSSH's server, libcurl.
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local sender = require "spec.support.sender"
local sshd = require "spec.support.sshd"

local server, one

before_each(function() server = sshd.start() end)

after_each(function()
  server:close()
  if one then one:close() end
  one = nil
end)

local function send(fields, more)
  fields.key = fields.key or "k:1"
  return sender.new({ out = server:target(more) }).send("file", "out", fields)
end

describe("send.file over SFTP", function()
  it("uploads under another name, and gives the file its name at the end", function()
    local outcome = send { name = "brev \"1\" på.txt", text = "hei\n" }
    assert.are.equal("sent", outcome.state, outcome.reason)
    assert.are.same({ "brev \"1\" på.txt" }, server:files())
    assert.are.equal("hei\n", process.read(server.folder .. "/out/brev \"1\" på.txt"))
    outcome = send { body = ("\0\1\255"):rep(50000) }
    assert.are.equal("sent", outcome.state, outcome.reason)
    assert.are.equal(2, #server:files())
  end)

  it("replaces a file of the same name: the same bytes may go out twice", function()
    assert.are.equal("sent", send({ name = "a.txt", text = "one" }).state)
    assert.are.equal("sent", send({ name = "a.txt", text = "two" }).state)
    assert.are.same({ "a.txt" }, server:files())
    assert.are.equal("two", process.read(server.folder .. "/out/a.txt"))
  end)

  it("sends nothing to a server with another key, or that nobody knows", function()
    assert(os.execute(("ssh-keygen -q -t ed25519 -N '' -f %s/other"):format(server.folder)))
    local other = process.read(server.folder .. "/other.pub"):match("^%S+ %S+")
    for _, line in ipairs { ("[127.0.0.1]:%d %s\n"):format(server.port, other), "" } do
      process.write(server.folder .. "/wrong", line)
      local outcome = send({ text = "a" }, { known_hosts = server.folder .. "/wrong" })
      assert.are.same({ "not_sent", "tls" }, { outcome.state, outcome.kind }, outcome.reason)
    end
    local outcome = send({ text = "a" }, { known_hosts = server.folder .. "/none" })
    assert.are.equal("not_sent", outcome.state)
    assert.are.same({}, server:files())
  end)

  it("knows that nothing was sent when it may not sign in, or has no folder or server", function()
    assert(os.execute(("ssh-keygen -q -t ecdsa -m PEM -N '' -f %s/stranger"):format(server.folder)))
    local outcome = send({ text = "a" }, { key_file = server.folder .. "/stranger" })
    assert.are.same({ "not_sent", "auth" }, { outcome.state, outcome.kind })
    outcome = send({ text = "a" }, { folder = server:target().folder .. "/none" })
    assert.are.equal("not_sent", outcome.state, outcome.reason)
    outcome = send({ text = "a" }, { folder = ("sftp://127.0.0.1:%d/tmp"):format(process.free_port()) })
    assert.are.same({ "not_sent", "network" }, { outcome.state, outcome.kind })
  end)
end)

describe("a folder of sftp://", function()
  it("has what it needs, or the configuration is refused", function()
    local faults = require "altinn.events.support.faults"
    local keys = require "altinn.events.host.config_keys"
    for text, target in pairs {
      ["lacks known_hosts: ssh-keyscan"] = { folder = "sftp://h/x", user = "u", password = "p" },
      ["lacks user"] = { folder = "sftp://h/x", known_hosts = "k" },
      ["lacks key_file, or password"] = { folder = "sftp://h/x", known_hosts = "k", user = "u" },
      ["targets.out.folder must be sftp://host/folder"] = { folder = "sftp://u:p@h/x" },
      ["targets.out.folder holds '..'"] = { folder = "sftp://h/x/../y" },
      ["has user, which is for folders of sftp://"] = { folder = "/x", user = "u" },
      ["has timeout, which is for folders of sftp://"] = { folder = "/x", timeout = 7 },
      ["targets.out.user is for targets with"] = { append = "/x", user = "u" },
    } do
      local problems = {}
      keys.check({ targets = { out = target } }, problems)
      local lines = {}
      for index, fault in ipairs(problems) do lines[index] = faults.sentence(fault.message, fault.remedy) end
      assert.is_truthy(table.concat(lines, "\n"):find(text, 1, true), text .. ": " .. table.concat(lines, "\n"))
    end
  end)

  it("may take the seconds that it says", function()
    local keys, sftp = require "altinn.events.host.config_keys", require "altinn.events.rules.effects.sftp"
    local target, problems = { folder = "sftp://h/x", known_hosts = "k", user = "u", password = "p", timeout = 7 }, {}
    keys.check({ targets = { out = target } }, problems)
    assert.are.same({}, problems)
    assert.are.equal(7, sftp.request(target, "k:1", "a.txt", "").timeout)
  end)

  it("is tried by doctor, which writes nothing, and used by the host", function()
    local target = server:target()
    one = host.start {
      rules = { file = [[rule { name = "file", on = "*", run = function(event)
        return send.file("out") { name = event.id .. ".json", json = { id = event.id } } end }]] },
      config = ([[return { targets = { out = { folder = %q, user = %q, key_file = %q, known_hosts = %q } } }]]):format(
        target.folder, target.user, target.key_file, target.known_hosts),
    }
    local status, out, err = one:run("doctor", "--target", "out", "--config", one.folder .. "/altinn-events.lua")
    assert.are.equal(0, status, out .. err)
    assert.is_truthy(out:find("ok       target out     the server has its known key", 1, true), out)
    assert.are.same({}, server:files())
    assert.are.equal(200, (one:post(sample.text { id = "f1" })))
    assert(one:settle())
    assert.are.equal("done", one:verdicts()["f1/file"].verdict, one:verdicts()["f1/file"].reason)
    assert.are.equal('{"id":"f1"}', process.read(server.folder .. "/out/f1.json"))
  end)
end)
