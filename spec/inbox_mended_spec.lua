-- With the rule mended, its dead runs resume by one command, or from a named step: through the whole host.
local cjson = require "cjson"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local script = require "spec.support.script"

local one, service

after_each(function()
  for _, each in pairs { one or false, service or false } do
    if each then each:close() end
  end
  one, service = nil, nil
end)

local function act(...)
  local words = { ... }
  words[#words + 1] = "--inbox"
  words[#words + 1] = one.inbox
  local status, out, err = one:run("inbox", table.unpack(words))
  assert.are.equal(0, status, err)
  return out
end

local function show(number) return cjson.decode(act("show", tostring(number), "--json")) end

local function waits_for_state(number, state)
  assert(process.wait(30, function() return show(number).runs[1].verdict == state or nil end))
end

local function reload(rules)
  one:rewrite(rules)
  local _, before = one:log():gsub("msg=reload ", "")
  one:signal "HUP"
  assert(process.wait(30, function() return select(2, one:log():gsub("msg=reload ", "")) > before or nil end))
end

local RULE = [[
  rule { name = "print", on = "correspondencepublished", retry = { attempts = 1 },
    run = function(event, letter)
      %s
      return send.http("print") { key = letter, path = "/" .. event.id }
    end }
  rule { name = "note", on = "correspondencepublished", run = function() return fail "never" end }]]

describe("500 runs that died by a broken rule", function()
  it("resume by one command when it is mended, and each says what became of it", function()
    service = script.start()
    service:answer "return {}"
    one = host.start { rules = { print = RULE:format "local job; log(job.name)" },
      config = ('return { targets = { print = { url = "%s", timeout = 10 } } }'):format(service.url) }
    for first = 1, 500, 100 do
      local list = {}
      for i = first, first + 99 do
        list[#list + 1] = sample.text { id = "e-" .. i, resourceinstance = "letter-" .. i }
      end
      assert.are.equal(200, (one:post("[" .. table.concat(list, ",") .. "]",
        { ["Content-Type"] = "application/cloudevents-batch+json" })))
    end
    assert(process.wait(60, function() return one:metrics().dead == 1000 or nil end))
    local listing = cjson.decode(act("list", "--state", "dead", "--json"))
    assert.are.equal(500, listing.count)
    assert.are.equal(2, #listing.groups)
    local group = listing.groups[1].rule == "print" and listing.groups[1] or listing.groups[2]
    assert.are.equal(500, group.count)
    assert.is_truthy(group.cause:find("print.lua:3: ", 1, true), group.cause)
    reload { print = RULE:format "" }
    local out = act("retry", "--rule", "print", "--cause", group.id, "--reason", "mended", "--yes", "--wait")
    assert.is_truthy(out:find("to be put back: 500 runs of 500 events\n", 1, true), out)
    assert.is_truthy(out:find("\n500 runs put back, of 500 events: 500 done\n", 1, true), out)
    local paths, count = {}, 0
    for _, request in ipairs(service:requests()) do
      count = count + 1
      paths[request.path] = (paths[request.path] or 0) + 1
    end
    assert.are.equal(500, count)
    for i = 1, 500 do assert.are.equal(1, paths["/e-" .. i], "e-" .. i) end
    assert.are.equal(500, one:metrics().dead)  -- those of the other rule
    assert.are.equal(500, cjson.decode(act("list", "--rule", "print", "--state", "done", "--json")).count)
    local shown = show(77)
    assert.are.same({ what = "retry", before = "dead", reason = "mended", rule = "print" }, { what = shown.acts[1].what,
      before = shown.acts[1].before, reason = shown.acts[1].reason, rule = shown.acts[1].rule })
    assert.are.equal(group.cause, shown.attempts[1].cause)
    local status, _, err = one:run("inbox", "retry", "--rule", "print", "--cause", group.id, "--reason", "again",
      "--yes", "--inbox", one.inbox)
    assert.are.equal(1, status)
    assert.is_truthy(err:find("no run is as the options say", 1, true), err)
  end)
end)

describe("a run with steps", function()
  it("goes on after the last one; --from-step carries one out again, and those after it", function()
    local rule = [[rule { name = "steps", on = "correspondencepublished", run = function(event)
      step("fetch", function() log "does fetch" return 1 end)
      step("confirm", function() log "does confirm" return 2 end)
      step("print", function() log "does print" return 3 end)
      %s
    end }]]
    one = host.start { rules = { steps = rule:format 'return fail "broken"' } }
    assert.are.equal(200, (one:post(sample.text { id = "a" })))
    waits_for_state(1, "dead")
    local names = {}
    for index, step in ipairs(show(1).steps) do names[index] = step.name end
    assert.are.same({ "fetch", "confirm", "print" }, names)
    reload { steps = rule:format 'return done "mended"' }
    act("retry", "1", "--from-step", "confirm", "--wait")
    waits_for_state(1, "done")
    local function count(text) return select(2, one:log():gsub(text, "")) end
    assert.are.same({ 1, 2, 2 }, { count "does fetch", count "does confirm", count "does print" })
  end)
end)
