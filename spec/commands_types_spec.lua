-- altinn-events types: the catalogue for people and programs.
local cjson = require "cjson"
local command = require "spec.support.command"
local events = require "altinn.events"

local run, says = command.run, command.says

before_each(command.begin)
after_each(command.finish)

describe("altinn-events types", function()
  it("says of a type when it comes, whom it reaches, what it is about and what to do", function()
    local status, out, err = run("types", "correspondencereceiverneverread")
    assert.are.equal(0, status, err)
    says(out, "correspondencereceiverneverread\n", "no.altinn.correspondence.correspondencereceiverneverread",
      "comes     letter not read by its due date", "reaches   recipient, service owner", "about     letter",
      "do        ask the details", "note      comes also for a letter that was deleted")
    status, out = run("types", "correspondencearchived")
    assert.are.equal(0, status)
    says(out, "comes     never", "reaches   nobody")
  end)

  it("--json has them all, in Altinn's order", function()
    local status, out, err = run("types", "--json")
    assert.are.equal(0, status, err)
    local result, raised = cjson.decode(out), 0
    assert.are.equal("attachmentinitialized", result.types[1].name)
    local found = {}
    for _, one in ipairs(result.types) do
      found[one.name] = one
      if one.publisher == "correspondence" and one.raised then raised = raised + 1 end
    end
    assert.are.equal(18, raised)
    for name, entry in pairs(events.types) do
      assert.are.equal(entry.type, found[name].type)
      assert.are.equal(entry.once, found[name].once)
    end
    assert.are.equal(#result.types, result.count)
    assert.are.same({ "recipient", "service owner" }, found.correspondencepublished.reaches)
    assert.are.same({ "service owner" }, found.correspondencereceiverread.reaches)
    assert.are.same({}, found.correspondencearchived.reaches)
    says(out, '"reaches":[]')
  end)

  it("finds by a word, a publisher or a kind of thing", function()
    local function names(...)
      local list, _, out = {}, run("types", "--json", ...)
      for index, one in ipairs(cjson.decode(out).types) do list[index] = one.name end
      return list
    end
    assert.are.same({ "correspondencereceiverneverread", "correspondencereceiverneverconfirmed" },
      names "ReceiverNever")
    assert.are.equal(8, #names "broker")
    assert.are.equal(23, #names "dialogporten")
    assert.are.same({ "notificationcreated" }, names "order")
  end)

  it("leads from a wrong name to the right one", function()
    local status, out, err, _ = run("types", "letterread")
    assert.are.equal(1, status)
    assert.are.equal("", out)
    says(err, "there is no event type 'letterread' (did you mean 'correspondencereceiverread'?)")
    status, _, err = run("types", "brokr")
    assert.are.equal(1, status)
    says(err, "did you mean 'broker'?")
  end)

  it("has Altinn's words for options lead to ours, where there is such an option", function()
    for word, ours in pairs { ["--resourceFilter"] = "--resource", ["--subjectFilter"] = "--subject",
      ["--typeFilter"] = "--type", ["--includeSubunits"] = "--include-subunits" } do
      local status, _, err = run("subscriptions", "create", word, "x")
      assert.are.equal(2, status)
      says(err, ("unknown option '%s'\nAltinn's word; here it is '%s'"):format(word, ours))
    end
    local _, _, err = run("run", "--resourceFilter", "x")
    command.silent(err, "Altinn's word")
  end)

  it("is where the error of a rule leads", function()
    command.rules 'rule { name = "one", on = "letterread", run = function() end }'
    local status, _, err = run("check", "rules")
    assert.are.equal(1, status)
    says(err, "rules/one.lua:1:27: error: rule 'one': on: 'letterread' is no event type that Altinn raises",
      "did you mean 'correspondencereceiverread'?", "'altinn-events types' lists them")
  end)
end)
