-- Run by `make test`: the whole host, Altinn in the emulator, a case system.
local process = require "spec.support.process"
local story = require "spec.support.story"

local RULE = "archive-letter"
local OPTIONS = { rules = { "examples/rules/archive.lua" }, services = { "cases" },
  targets = [[cases = { url = "$cases" }]], party = "987654321", scopes = "altinn:correspondence.read",
  replace = { ["/srv/letters"] = "$FOLDER/letters" } }

local function letter_with_files(one, values)
  values.title, values.body = "An offer", "As *discussed*"
  values.attachments = { { fileName = "../offer.pdf", content = "the offer" },
    { fileName = "terms.txt", content = "terms" } }
  return one:letter(values)
end

local function statuses(one, letter)
  local has = {}
  for _, entry in ipairs(one.altinn:control("GET", "/letters/" .. letter.id).statusHistory) do
    has[entry.status] = true
  end
  return has
end

describe(RULE, function()
  it("archives first, then tells Altinn, wherever the host is killed", function()
    local kills = story.with_crashes(OPTIONS, function(one)
      local letter = letter_with_files(one, { isConfirmationNeeded = true, dueDateTime = "2099-01-01T00:00:00Z" })
      one:advance(300)
      local json, folder = one:only("cases").json, one.folder .. "/letters/" .. letter.id
      assert.are.equal("As *discussed*", json.text)
      assert.are.same({ folder .. "-1-__offer.pdf", folder .. "-2-terms.txt" }, json.files)
      assert.are.equal("the offer", process.read(json.files[1]))
      assert.are.equal("terms", process.read(json.files[2]))
      assert.is_true(statuses(one, letter).Read)
      assert.is_true(statuses(one, letter).Confirmed)
      assert.are.same({ "done" }, one:states(RULE))
    end)
    assert.is_truthy(kills > 0)
  end)

  it("tells Altinn nothing while the case system refuses the letter", function()
    local one <close> = story.start(OPTIONS)
    one.targets.cases:answer { "422", "201" }
    local letter = one:letter()
    one:advance(60)
    assert.is_nil(statuses(one, letter).Read)
    assert.are.same({ "dead: target 'cases' answered 422" }, one:verdicts(RULE))
    assert.are.equal(0, (one.host:run("inbox", "retry", "--inbox", one.host.inbox, "--state", "dead", "--all", "--yes",
      "--reason", "the case system is mended")))
    one:advance(60)
    assert.is_true(statuses(one, letter).Read)
    assert.is_nil(statuses(one, letter).Confirmed)  -- its sender asks for none
    assert.are.same({ "done: archived, and Altinn knows" }, one:verdicts(RULE))
  end)
end)
