-- Letters in rules: the real host asks an Altinn that answers as a script says.
local host = require "spec.support.host"
local sample = require "spec.support.sample"
local script = require "spec.support.script"

local ID = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"
local TOKEN = "eyJhbGciOiJub25lIn0.c2VjcmV0LXNlY3JldA.c2lnbmF0dXJl"

local altinn, one

before_each(function() altinn = script.start() end)

after_each(function()
  if one then one:close() end
  altinn:close()
  one = nil
end)

-- Details of whichever letter is asked for.
local DETAILS = [[
  local id = request.path:match("v1/correspondence/([%%x%%-]+)")
  return { delay = %g, body = ('{"correspondenceId":"%%s","status":"Published","sendersReference":"ref-1",' ..
    '"statusHistory":[{"status":"Published"}]}'):format(id) }]]

local function start(rules, config, arguments)
  one = host.start { rules = rules, arguments = arguments, config = config
    or ('return { base_url = "%s", token = "%s" }'):format(altinn.url, TOKEN) }
end

local function letter_id(number) return ("00000000-0000-4000-8000-%012d"):format(number) end

local function post(id, letter)
  assert.are.equal(200, (one:post(sample.text { id = id, resourceinstance = letter or ID })))
end

local function run_of(id)
  for _, event in ipairs(one:list("--limit", "100000").events) do
    if event.id == id then return event.runs[1] end
  end
end

local function count(state)
  return one:list("--state", state).count
end

describe("a rule asks about its letter", function()
  it("once in a run, with the configured token, while other runs go on", function()
    altinn:answer(DETAILS:format(0))
    start { ask = [[
      rule {
        name = "ask", on = "correspondencepublished", may = { "read:details" },
        run = function(event, letter)
          if letter:has_been("Read", "Confirmed") then return skip "read" end
          local details = letter:details()
          return skip(details.status .. " " .. details.sendersReference)
        end,
      }]] }
    post "1"
    assert(one:settle())
    assert.are.equal("Published ref-1", run_of("1").reason)
    local requests = altinn:requests()
    assert.are.equal(1, #requests)
    assert.are.equal("Bearer " .. TOKEN, requests[1].headers.authorization)
    assert.is_nil(one:log():find(TOKEN, 1, true))
  end)

  it("and is tried again when Altinn fails for now, with its own pause", function()
    altinn:answer [[
      if number <= 5 then return { status = 503, headers = { ["Retry-After"] = "1" } } end
      return { body = '{"correspondenceId":"0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f","status":"Read",' ..
        '"statusHistory":[]}' }]]
    start { ask = [[
      rule { name = "ask", on = "*", run = function(_, letter) return skip(letter:details().status) end }]] }
    post "1"
    assert(one:wait_log("verdict=skipped reason=Read", 20))
    assert.is_truthy(run_of("1").attempt >= 1)
  end)

  it("and ends with the dead letters when it may not, without a traceback", function()
    altinn:always(403)
    start { ask = 'rule { name = "ask", on = "*", run = function(_, letter) letter:details() end }' }
    post "1"
    assert(one:settle())
    local run = run_of "1"
    assert.are.equal("dead", run.state or run.verdict)
    assert.is_truthy(run.reason:find("(forbidden)", 1, true), run.reason)
    assert.is_nil(run.reason:find("traceback", 1, true))
  end)

  it("once more when a new letter is not there yet", function()
    altinn:always(404)
    start { ask = 'rule { name = "ask", on = "*", run = function(_, letter) letter:details() end }' }
    post "1"
    assert(one:wait_log("verdict=retry"))
    assert.are.equal(0, count "dead")
  end)

  it("and is told what its may lacks, before anything is sent", function()
    start { ask = [[
      rule { name = "ask", on = "*", run = function(_, letter) local act = "confirm" letter[act](letter) end }]] }
    post "1"
    assert(one:settle())
    assert.is_truthy(run_of("1").reason:find('add "confirm" to its may', 1, true))
    assert.are.equal(0, #altinn:requests())
  end)

  it("and handles a failure itself with pcall", function()
    altinn:always(410, "")
    start { ask = [[
      rule {
        name = "ask", on = "*",
        run = function(_, letter)
          local ok, failure = pcall(letter.details, letter)
          if not ok then return skip("not asked: " .. tostring(failure.code)) end
        end,
      }]] }
    post "1"
    assert(one:settle())
    assert.is_truthy(run_of("1").reason:find("^not asked: %l"))
  end)

  it("and waits when the configuration has no credentials, until it has", function()
    start({ ask = [[
      rule { name = "ask", on = "*", may = { "read:details" }, run = function(_, letter) letter:details() end }]] },
      "return {}")
    assert(one:wait_log("level=warn msg=rules [^\n]*rule 'ask': letter:details%(%) asks Altinn, and the configuration"))
    post "1"
    assert(one:wait_log("verdict=retry"))
    assert(one:wait_line("Altinn cannot be asked: "), one:log())
  end)
end)

describe("a key file that is not there yet", function()
  it("makes runs wait, and no letter is taken for missing", function()
    start({ ask = [[
      rule { name = "ask", on = "*", may = { "read:details" }, run = function(_, letter) letter:details() end }]] },
      [[return { environment = "tt02", credentials = { client_id = "a", kid = "k", key_file = "/nowhere/at/all",
        scopes = "altinn:events.subscribe" } }]])
    post "1"
    assert(one:wait_log("attempt=2"))
    assert(one:wait_line("Altinn cannot be asked: "), one:log())
    assert.is_nil(one:log():find("verdict=dead", 1, true))
  end)
end)

describe("letters are read at once", function()
  -- No answer comes before 16 were asked for: one after the other would never be answered.
  it("many at the same time", function()
    altinn:answer((DETAILS:format(0):gsub("return {", "return { gather = 16,", 1)))
    start { ask = [[
      rule { name = "ask", on = "*", run = function(_, letter) return skip(letter:details().status) end }]] }
    for number = 1, 100 do post("e" .. number, letter_id(number)) end
    assert(one:settle(60))
    assert.are.equal(100, count "skipped")
  end)
end)
