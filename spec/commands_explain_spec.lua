-- altinn-events explain: words, and the table of retries.
local cjson = require "cjson"
local command = require "spec.support.command"
local process = require "spec.support.process"

local run, says, silent = command.run, command.says, command.silent

before_each(command.begin)
after_each(command.finish)

local RULES = [[
rule {
  name = "paper", on = "correspondencereceiverneverread", retry = { within = "12h", attempts = 9 },
  override = { [422] = "again", server = "never", [1044] = "again" },
  run = function() return skip("nothing") end,
}
rule { name = "narrow", on = "correspondencepublished", retry = { on = { "network", 404 } },
  run = function() return skip("nothing") end }
]]

local function explained(...)
  local status, out, err = run("explain", "--json", ...)
  assert.are.equal(0, status, err)
  return cjson.decode(out)
end

local function line_of(what, from, verdict, why)
  return ("\n  %-14s %-6s %-7s %s"):format(what, from, verdict, why or "")
end

describe("altinn-events explain retry", function()
  it("prints the whole table, aligned, one row a line", function()
    local status, out, err = run("explain", "retry")
    assert.are.equal(0, status, err)
    says(out, "below 1 s, 2 s, 4 s … 1 h", "for 36 h.", "Statuses of HTTP", "Classes of failures",
      "Error numbers of Altinn")
    says(out, line_of("401", "Altinn", "refresh", "the token is not accepted"),
      line_of("401", "target", "never", "a target with"), line_of("422", "both", "never"),
      line_of("503", "both", "again"), line_of("network", "both", "again"),
      line_of("not_cloudevent", "Altinn", "again"), line_of("1001", "Altinn", "never"),
      line_of("4001", "Altinn", "never"), line_of("error", "host", "again"))
    for line in out:gmatch("[^\n]+") do assert.is_true(#line < 200, line) end
  end)

  it("prints what the README shows of it", function()
    local _, out = run("explain", "retry")
    local excerpt = process.read("README.md"):match("\n### The table of retries\n.-\n```\n(.-)\n```\n")
    for line in excerpt:gmatch("[^\n]+") do says(out, line .. "\n") end
  end)

  it("--json has the same rows", function()
    local result = explained "retry"
    assert.are.equal(#result.rows, result.count)
    assert.are.equal(36 * 3600, result.within)
    local of = {}
    for _, row in ipairs(result.rows) do of[row.from .. row.what] = row end
    assert.are.same({ "refresh", "never", "again", "never" }, { of.Altinn401.verdict, of.target401.verdict,
      of.both503.verdict, of.Altinn1001.verdict })
    for _, row in ipairs(result.rows) do assert.is_nil(row.rule) end
  end)

  it("--rule shows the table as the rule changes it", function()
    command.rules(RULES)
    local status, out, err = run("explain", "retry", "--rule", "paper")
    assert.are.equal(0, status, err)
    says(out, "for 12 h and 9 attempts", line_of("422", "both", "again", "the content is refused [override]"),
      line_of("503", "both", "never"), "[not retried: override]", line_of("1044", "Altinn", "again"))
    local changed = {}
    for _, row in ipairs(explained("retry", "--rule", "narrow", "rules/one.lua").rows) do
      changed[row.from .. row.what] = row.rule and row.verdict
    end
    assert.are.same({ "never", "again", nil, nil }, { changed.both503, changed.both404, changed.bothnetwork,
      changed.both422 })
    assert.are.equal("never", changed.hosterror)
    assert.is_nil(changed.hosthost)
  end)

  it("--rule refuses a rule that is not there, and rules that are wrong", function()
    command.rules(RULES)
    local status, _, err = run("explain", "retry", "--rule", "papr")
    assert.are.equal(2, status)
    says(err, "there is no rule 'papr' (did you mean 'paper'?)")
    command.rules("rule { name = 'x' }")
    status, _, err = run("explain", "retry", "--rule", "paper")
    assert.are.equal(1, status)
    says(err, "'run' is missing")
    status, _, err = run("explain", "held", "--rule", "paper")
    assert.are.equal(2, status)
    says(err, "--rule goes with 'explain retry'")
  end)
end)

describe("altinn-events explain WORD", function()
  it("explains every state, verdict, power and level, and without a word lists them", function()
    local all = explained().words
    assert.is_true(#all > 40)
    for _, one in ipairs(all) do
      assert.is_true(#one.text > 10, one.word)
      local found = false
      for _, again in ipairs(explained(one.word == "retry" and "held" or one.word).words) do
        found = found or again.kind == one.kind
      end
      assert.is_true(found or one.word == "retry", one.word)
    end
    local status, out = run "explain"
    assert.are.equal(0, status)
    says(out, "waiting", "state of a run", "not_sent", "state of an effect", "retry_after", "word of a rule",
      "mark:read", "power", "level of the log", "altinn-events explain retry")
  end)

  it("explains a status, a class, an error number as Altinn writes it too", function()
    for word, wanted in pairs {
      ["503"] = "503 (status, of both): again", ["430"] = "400-499 (status, of both): never",
      network = "network (class of failures, of both): again", ["1001"] = "1001 (error number, of Altinn): never",
      ["CORR-01001"] = "the letter is not there", ["send:print"] = "send:TARGET (power)",
      ["letter:confirm"] = "did you mean", key = "key (part of an effect): ", cancel = "cancel (part of later): ",
      may = "may (part of a rule): its powers", held = "held (state of a run): must not begin yet",
    } do
      local _, out, err = run("explain", word)
      says(out .. err, wanted)
    end
    local _, out = run("explain", "sent")
    says(out, "sent (state of an effect)", "sent (word of a rule)")
    _, out = run("explain", "error")
    says(out, "error (level of the log)", "error (befalls a rule, of host): again")
  end)

  it("leads to the event types", function()
    for _, word in ipairs { "correspondencepublished", "no.altinn.correspondence.correspondencepublished" } do
      local status, out = run("explain", word)
      assert.are.equal(0, status)
      says(out, "comes     letter published to its recipient")
    end
  end)

  it("suggests a word for an unknown one, with status 2, and shows no identity number", function()
    local status, _, err = run("explain", "abandonned")
    assert.are.equal(2, status)
    says(err, "there is no word 'abandonned' (did you mean 'abandoned'?)")
    status, _, err = run("explain", "08895699684\27[2J")
    assert.are.equal(2, status)
    silent(err, "08895699684", "\27")
  end)
end)

describe("altinn-events explain CODE", function()
  it("says what a code of check means, with an example", function()
    local _
    local status, out, err = run("explain", "on-unknown")
    assert.are.equal(0, status, err)
    says(out, "on-unknown (error of check): an event type that Altinn does not raise\n  why:  ", "\n  what to do:  ",
      "\nWrong, in line 2:\n    rule {\n", 'on = "correspondencepublihsed"', "\nRight:\n    rule {\n")
    _, out = run("explain", "config-key")
    says(out, "Wrong altinn-events.lua, in line 2:\n  altinn-events.lua:\n    return {")
  end)

  it("lists the codes", function()
    local status, out = run("explain", "findings")
    assert.are.equal(0, status)
    says(out, "\non-unknown         error    an event type that Altinn does not raise\n")
    local result = explained "findings"
    assert.are.equal(#result.findings, result.count)
    assert.is_true(result.count >= 80)
    assert.are.equal("rule", explained("rule").finding.code)
  end)

  it("suggests the code that is meant", function()
    local status, _, err = run("explain", "on-unknwon")
    assert.are.equal(2, status)
    says(err, "did you mean 'on-unknown'?")
  end)
end)
