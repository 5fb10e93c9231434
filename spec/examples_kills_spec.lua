-- The examples in the host as it is, killed in place of each call that makes its log durable: Altinn in the emulator,
-- targets as servers and folders. (The examples' own specs die at each moment of a simulation.)
local process = require "spec.support.process"
local story = require "spec.support.story"

-- Tells a story once for each kill.
local function with_kills(options, tell)
  assert(story.with_crashes(options, tell) > 0, "no story had a kill")
end

local function statuses(one, letter)
  local has = {}
  for _, entry in ipairs(one.altinn:control("GET", "/letters/" .. letter.id).statusHistory) do
    has[entry.status] = true
  end
  return has
end

describe("a host that is killed", function()
  it("prints what nobody has opened, once", function()
    with_kills({ rules = { "examples/rules/paper.lua" }, services = { "print" }, now = story.before_easter(6),
      targets = [[print = { url = "$print" }]] }, function(one)
      local unread, read = one:letter { sendersReference = "ref-1" }, one:letter()
      one:step(read, "read")
      one:workdays(2)
      assert.are.same({ letter = unread.id, reference = "ref-1", resource = "urn:altinn:resource:acme-letters" },
        one:only("print").json)
      assert.are.same({ "done", "skipped" }, one:states "paper-after-two-days")
    end)
  end)

  it("archives first, then tells Altinn", function()
    with_kills({ rules = { "examples/rules/archive.lua" }, services = { "cases" },
      targets = [[cases = { url = "$cases" }]], party = "987654321", scopes = "altinn:correspondence.read",
      replace = { ["/srv/letters"] = "$FOLDER/letters" } }, function(one)
      local letter = one:letter { title = "An offer", body = "As *discussed*", isConfirmationNeeded = true,
        dueDateTime = "2099-01-01T00:00:00Z", attachments = { { fileName = "../offer.pdf", content = "the offer" },
          { fileName = "terms.txt", content = "terms" } } }
      one:advance(300)
      local json, folder = one:only("cases").json, one.folder .. "/letters/" .. letter.id
      assert.are.equal("As *discussed*", json.text)
      assert.are.same({ folder .. "-1-__offer.pdf", folder .. "-2-terms.txt" }, json.files)
      assert.are.equal("the offer", process.read(json.files[1]))
      assert.are.equal("terms", process.read(json.files[2]))
      assert.is_true(statuses(one, letter).Read)
      assert.is_true(statuses(one, letter).Confirmed)
      assert.are.same({ "done" }, one:states "archive-letter")
    end)
  end)

  it("makes a task of a letter of which nobody was notified, once", function()
    with_kills({ rules = { "examples/rules/follow_up.lua" }, services = { "cases" },
      targets = [[cases = { url = "$cases" }]] }, function(one)
      one.altinn:control("POST", "/world", { contacts = { ["post@987654321.example.no"] = "failed" } })
      local letter = one:letter { notification = { notificationTemplate = "GenericAltinnMessage",
        notificationChannel = "Email" } }
      one:advance(900)
      local json = one:only("cases").json
      assert.are.equal(letter.id, json.letter)
      assert.are.same({ { channel = "email", status = "Email_Failed_Bounced" } }, json.tried)
      assert.are.same({ "done" }, one:states "follow-up-notification")
    end)
  end)

  it("names the letters that failed with an attachment, once", function()
    with_kills({ rules = { "examples/rules/malware.lua" }, services = { "teams" },
      targets = [[duty = { teams = "$teams/flow" }]] }, function(one)
      local letter = one:letter { sendersReference = "ref-7",
        attachments = { { fileName = "invoice.exe.pdf", content = "x", scan = false } } }
      one:fail_scan(letter)
      local body = one:only("teams").body
      for _, text in ipairs { letter.id, "Failed, reference ref-7", "invoice.exe.pdf" } do
        assert.is_truthy(body:find(text, 1, true), text)
      end
      assert.are.same({ "done" }, one:states "malware-alarm")
    end)
  end)

  it("writes a line for each event, once", function()
    with_kills({ rules = { "examples/rules/receipts.lua" },
      targets = [[receipts = { append = "$FOLDER/receipts.csv" }]] }, function(one)
      local letter = one:letter { sendersReference = '=1+"1' }
      one:step(letter, "read")
      one:step(letter, "confirm")
      one:advance(10)  -- Altinn tells of it later
      local what, lines = {}, process.read(one.folder .. "/receipts.csv")
      for line in lines:gmatch("([^\n]*)\n") do
        local time, word, id, reference = line:match("^([^;]+);([^;]+);([^;]+);([^;]+);")
        what[#what + 1] = word
        assert.are.same({ letter.id, [["'=1+""1"]] }, { id, reference })
        assert.is_truthy(time:find("^%d%d%d%d%-%d%d%-%d%dT"))
      end
      assert.are.same({ "published", "read", "confirmed" }, what)
      assert.are.same({ "done", "done", "done" }, one:states "receipts")
    end)
  end)

  it("reminds twice, then escalates", function()
    with_kills({ rules = { "examples/rules/reminder.lua" }, services = { "teams" }, mail = true,
      targets = [[mail = { mail = "$mail", from = "altinn@agency.example" }, duty = { teams = "$teams/flow" }]],
      now = story.before_easter(27) }, function(one)
      local letter = one:letter { isConfirmationNeeded = true, dueDateTime = "2099-01-01T00:00:00Z" }
      one:workdays(3, "09:00")
      assert.are.equal(1, #one:mails())
      one:workdays(2, "09:00")
      assert.are.equal(2, #one:mails())
      assert.are.same({}, one:received "teams")
      one:workdays(2, "09:00")
      local mails = one:mails()
      assert.are.equal(2, #mails)
      assert.is_truthy(mails[2]:find(letter.id, 1, true))
      assert.is_truthy(mails[2]:find("Reminder 2 of 2", 1, true))
      assert.is_truthy(one:only("teams").body:find(letter.id, 1, true))
      assert.are.same({ "done" }, one:states "confirmation-reminder")
    end)
  end)
end)
