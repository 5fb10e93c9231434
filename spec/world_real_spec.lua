-- The same stories in a simulation and in the host as it is: threads, sockets, a file, servers as targets.
local process = require "spec.support.process"
local test = require "altinn.events.test"

-- Runs specs in a process of their own: what the worlds came to.
local function run(folder, kind, path)
  local file = ("%s/%s"):format(folder, kind)
  local command = ([[ALTINN_EVENTS_TEST_HOST=%s WORLD_VERDICTS=%s lua5.4 "$(command -v busted)" --output=TAP]]
    .. " --helper=spec/support/verdicts_helper.lua %s >%s.out 2>&1"):format(kind, file, path, file)
  local fine = os.execute(command)
  assert(fine, process.read(file .. ".out"))
  return process.read(file)
end

describe("the specs of the examples", function()
  it("hold with the real host, and their verdicts are the simulation's, byte for byte", function()
    local folder = process.folder()
    local simulated, real = run(folder, "simulated", "examples/rules"), run(folder, "real", "examples/rules")
    process.remove(folder)
    local _, worlds = simulated:gsub("\n%d%d%d%d%-%d%d%-%d%dT", "")
    assert(worlds > 15, simulated)
    assert.are.equal(simulated, real)
  end)
end)

describe("the real host in a world", function()
  local RULES = [[rule {
    name = "r", on = "correspondencepublished",
    run = function(event, letter)
      return {
        send.http("t") { key = letter, path = "/jobs", json = { id = letter.id }, probe = "p" },
        send.mail("m") { to = { "a@b.no", "c@d.no" }, subject = "Ærlig talt", text = "Én linje\n.og en til" },
        send.file("f") { key = letter, name = "a.txt", text = "hello" },
        send.file("l") { key = letter, line = "a;b" },
        send.command("c") { key = letter, arguments = { "x y", 7 }, text = "in" },
        send.slack("s") { key = letter, text = "<hello>" },
      }
    end,
    p = function(event, letter, context)
      return context.get("/jobs/" .. letter.id).status == 200 and sent or not_sent
    end,
  }]]

  -- What all targets received: only what a target of each kind can know.
  local function tell(host, before)
    local world <close> = test.world { rules = { RULES }, host = host, seed = 3 }
    local letter = world:letter()
    if before then before(world) end
    world:push("correspondencepublished", letter)
    world:advance "2h"
    world:restart()
    local mail, command = world:sent("m")[1], world:sent("c")[1]
    return { tostring(world:verdicts()), world:sent("t")[1].json, world:sent("t")[1].key, mail.to, mail.subject,
      mail.text, world:sent("f")[1].name, world:sent("f")[1].text, world:sent("l")[1].line, command.arguments,
      command.text, command.key, world:sent("s")[1].text, world:now() }
  end

  it("sends to targets of all kinds", function()
    assert.are.same(tell "simulated", tell "real")
  end)

  for _, behaviour in ipairs { "down", "dies after the body", "dies before the request", "dies after the status" } do
    it(("meets a target that %s"):format(behaviour), function()
      local function before(world) world:target("t", { behaviour, times = behaviour ~= "down" and 1 or nil }) end
      if behaviour == "down" then
        local world <close> = test.world { rules = { RULES }, host = "real" }
        before(world)
        world:push("correspondencepublished", world:letter())
        world:advance "1m"
        assert.are.same({}, world:sent "t")
        world:target("t", "up")
        world:advance "2h"
        assert.are.equal(1, #world:sent "t")
      else
        assert.are.same(tell("simulated", before), tell("real", before))
      end
    end)
  end
end)
