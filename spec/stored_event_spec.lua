-- inbox show N --spec: a spec of what a real host did with a real emulator, which passes at once and holds no number of
-- a person or an organisation.
local command = require "spec.support.command"
local host = require "spec.support.host"
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

  -- Data of events that try to be more than data: source text, escapes, what is not in Lua, numbers in disguise.
  local HOSTILE = {
    [=["]]..os.execute('touch pwned')..[["]=],
    [==[{"\"]] os.exit() --[[":"a\nb]=]\r\u0085\u009b\u202e"}]==],
    [=[{"a":null,"b":[null,1],"c":[],"d":{},"e":3.0,"f":3.141592653589793,"g":9007199254740993}]=],
    ("["):rep(90) .. ("]"):rep(90),
    [["\u0030\u0031017012345 010170 12345 nr01017012345x"]],
    "15035098765",
    [["01017012345","datacontenttype":"text/plain"]],
    ("[%q]"):format(("x"):rep(100000)),
  }

  local CONFIG_HOSTILE = [[return { base_url = "http://127.0.0.1:9", token = "-", targets = {
    hook = { url = "http://127.0.0.1:9/hushed?sig=hushed", headers = { Authorization = "hushed" } },
    chat = { slack = "http://127.0.0.1:9/hushed" } } }]]
  local TELLS = [[rule { name = "tells", on = "hostile.tried", order = false, run = function(event) return {
    send.http("hook") { key = event, path = "/x", json = { data = event.data } },
    send.slack("chat") { key = event, text = "a" } } end }]]

  local function push(running, number, members)
    local event = ([[{"specversion":"1.0","id":"%d","source":"/hostile","type":"hostile.tried",%s}]]):format(number,
      members)
    assert.are.equal(200, (running:post(event, { ["Content-Type"] = "application/cloudevents+json" })))
  end

  it("is no more than a spec whatever the event holds, and has nothing of the targets' addresses", function()
    local running = host.start { rules = { tells = TELLS }, config = CONFIG_HOSTILE }
    for number, data in ipairs(HOSTILE) do push(running, number, '"data":' .. data) end
    push(running, #HOSTILE + 1, '"datacontenttype":"text/plain","data_base64":"MDEwMTcwMTIzNDUgaGVp"')
    running:stop()
    local there = ('cd %s && timeout 60 "$ae"'):format(process.quote(running.folder))
    for number = 1, #HOSTILE + 1 do
      local status, text, err = command.shell(there .. " inbox show --inbox inbox.db --spec " .. number)
      assert.are.equal(0, status, err)
      without_numbers(text)
      command.silent(text, "hushed", "010170 12345")
      process.write(("%s/rules/%d_spec.lua"):format(running.folder, number), text)
    end
    local status, out, err = command.shell(there .. " test")
    assert.are.equal(0, status, out .. err)
    command.says(out, #HOSTILE + 1 .. " passed")
    assert.is_nil(io.open(running.folder .. "/pwned"))
    running:close()
  end)
end)
