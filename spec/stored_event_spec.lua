-- inbox show N --spec: a spec of what a real host did with a real emulator, which passes at once and holds no number of
-- a person or an organisation.
local command = require "spec.support.command"
local inbox = require "altinn.events.host.inbox"
local process = require "spec.support.process"
local story = require "spec.support.story"

local EVENTS = tonumber(os.getenv "STORED_EVENTS") or 12  -- 100 in `make soak`
local PERSONS = { "01017012345", "15035098765", "24127854321" }
local ORGANISATIONS = { "987654321", "974760673", "889640782" }

local RULES = {
  paper = assert(process.read "examples/rules/paper.lua"),
  others = [[
rule { name = "greets", on = { "correspondencepublished", "correspondencereceiverread" },
  may = { "read:details", "send:print" },
  run = function(event, letter)
    local details = letter:details()
    if details.sendersReference == "none" then return skip("no reference for " .. event.subject) end
    return { send.http("print") { key = { letter, event.id }, path = "/greet", json = { title = details.content
      .messageTitle, to = details.recipient, reference = details.sendersReference } }, remember { greeted = true } }
  end }
rule { name = "fails", on = "correspondencepurged", retry = { attempts = 1 }, run = function() error "broken" end }
rule { name = "alerts", on = "correspondencepurged", run = function(event, letter)
  return send.mail("duty") { to = "ola.nordmann@example.com", subject = "Deleted", text = letter.id } end }
]] }

local CONFIG = [[
return { rules = { "rules" }, inbox = "inbox.db", base_url = "http://127.0.0.1:9", token = "-", targets = {
  print = { url = "http://127.0.0.1:9" }, duty = { mail = "smtp://127.0.0.1:9", from = "a@example.no" } } }]]

local function live(one, count)
  for index = 1, count do
    local number = index % 2 == 0 and PERSONS[index % 3 + 1] or ORGANISATIONS[index % 3 + 1]
    local letter = one:letter { recipient = number, sendersReference = index % 3 == 0 and "none" or "ref-" .. index,
      title = "To " .. number }
    if index % 4 == 1 then one:step(letter, "read") end
    if index % 4 == 2 then one:step(letter, "purge") end
  end
  one:workdays(2)
end

describe("inbox show --spec", function()
  before_each(function() command.begin() end)
  after_each(command.finish)

  local function past()
    process.write(command.folder .. "/others.lua", RULES.others)
    local one <close> = story.start { rules = { "examples/rules/paper.lua", command.folder .. "/others.lua" },
      services = { "print" }, mail = true,
      targets = [[print = { url = "$print" }, duty = { mail = "$mail", from = "a@example.no" }]] }
    live(one, math.max(4, EVENTS // 3))
    local listing = assert(inbox.list(one.host.inbox, { limit = 100000 }))
    assert(os.execute(("sqlite3 %s '.backup %s/inbox.db'"):format(one.host.inbox, command.folder)))
    return listing.events
  end

  local function chosen(events)
    local list = {}
    while #list < EVENTS and #events > 0 do list[#list + 1] = table.remove(events, math.random(#events)) end
    return list
  end

  local function without_numbers(text)
    for _, numbers in ipairs { PERSONS, ORGANISATIONS, { "nordmann" } } do
      for _, number in ipairs(numbers) do
        assert(not text:find(number, 1, true), "it holds " .. number .. ": " .. text)
      end
    end
  end

  it("passes at once, and holds no real number", function()
    assert(os.execute("mkdir " .. command.folder .. "/rules"))
    local events = chosen(past())
    for name, text in pairs(RULES) do command.write("rules/" .. name .. ".lua", text) end
    command.write("altinn-events.lua", CONFIG)
    for _, event in ipairs(events) do
      local status, text, err = command.run("inbox", "show", tostring(event.sequence), "--spec")
      assert.are.equal("", err)
      assert.are.equal(0, status)
      without_numbers(text)
      for _, run in ipairs(event.runs) do command.silent(text, "In the inbox " .. run.rule) end
      command.write(("rules/event_%d_spec.lua"):format(event.sequence), text)
    end
    local status, out, err = command.shell 'timeout 120 "$ae" test rules'
    assert.are.equal(0, status, out .. err)
    command.says(out, #events .. " passed")
  end)
end)
