-- New rules every 50 ms while events come in: none is lost, and none is handled by a rule file of one version and a
-- helper of another. RELOADS=12000 makes it ten minutes; see `make soak`.
local cjson = require "cjson"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local socket = require "socket"
local sql = require "spec.support.sql"

local RELOADS = tonumber(os.getenv "RELOADS" or 60)
local PAUSE = 0.05

local function rules_of(number)
  return {
    one = ([[
      local part = require "part"
      rule { name = "one", on = "x.wanted", run = function(event)
        local mine, its = %d, part.number
        return skip(mine .. " " .. its)
      end }]]):format(number),
    ["lib/part"] = ("return { number = %d }"):format(number),
  }
end

describe("reloads under load", function()
  it(("lose nothing and mix nothing: %d of them"):format(RELOADS), function()
    local one = host.start { rules = rules_of(0), arguments = { "--workers", "2" } }
    finally(function() one:close() end)
    local posted = 0
    local function post()
      posted = posted + 1
      local text = sample.text { id = "e" .. posted, type = "x.wanted", resourceinstance = "r" .. posted }
    assert.are.equal(200, (one:post(text)))
    end
    for number = 1, RELOADS do
      for name, text in pairs(rules_of(number)) do
        local path = ("%s/rules/%s.lua"):format(one.folder, name)
        process.write(path .. ".new", text)
        assert(os.rename(path .. ".new", path))
      end
      one:signal "HUP"
      local till = socket.gettime() + PAUSE
      repeat post() until socket.gettime() >= till
      assert(process.wait(60, function()
        return select(2, one:log():gsub("msg=reload reason=", "")) >= number or nil
      end), "a reload is missing")
    end
    assert(one:settle(60))
    assert.is_nil(one:log():find("level=error", 1, true))
    local rows = sql.query(one.inbox, "SELECT run.state, run.reason, version.text,"
      .. " printf('%012x', run.version) AS version FROM run LEFT JOIN version ON version.version = run.version"
      .. " AND version.rule = run.rule")
    assert.are.equal(posted, #rows)
    local seen = {}
    for _, row in ipairs(rows) do
      assert.are.equal("skipped", row.state)
      local mine, its = row.reason:match("^(%d+) (%d+)$")
      assert.are.equal(mine, its)
      assert.is_truthy(row.text, "no text is kept of version " .. row.version)
      local texts = {}
      for _, text in pairs(cjson.decode(row.text)) do texts[#texts + 1] = text end
      local text = table.concat(texts, "\n")
      assert.is_truthy(text:find(("mine, its = %s,"):format(mine), 1, true), "the version is another")
      assert.is_truthy(text:find(("number = %s }"):format(its), 1, true), "the version's helper is another")
      seen[mine] = true
    end
    local count = 0
    for _ in pairs(seen) do count = count + 1 end
    assert.is_true(count > RELOADS / 4, "hardly any version came into force")
  end)
end)
