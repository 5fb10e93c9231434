-- The thing that a rule is given: powers, what is kept, failures. Any Lua; Altinn is a function.
local events = require "altinn.events"
local retry_table = require "altinn.events.rules.retry_table"
local rules = require "altinn.events.rule"
local things = require "altinn.events.rules.thing"

local ID = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"
local LETTER = ('{"correspondenceId":"%s","status":"Read","resourceId":"acme-letters","statusHistory":' ..
  '[{"status":"Published"},{"status":"Read"}]}'):format(ID)

local calls, answer

before_each(function() calls, answer = {}, { status = 200, body = LETTER } end)

local function connect()
  return events.client {
    base_url = "http://127.0.0.1:1", token = "a-token-of-a-spec", attempts = 1,
    transport = function(request)
      calls[#calls + 1] = request.method .. " " .. request.url:match("correspondence/api/v1/(.*)$")
      return answer
    end,
  }
end

local function thing(may, kind, connection)
  local rule = assert(rules.new { name = "r", on = "*", may = may, run = function() end })
  return things.new(rule, { id = ID, kind = kind or "letter" }, connection or connect)
end

-- Whether the same call cannot succeed later either, by the table of retries.
local function is_permanent(failed)
  local detail = failed.detail
  return retry_table.verdict { kind = failed.code, number = detail.number, temporary = detail.temporary } == "never"
end

local function failure(code, pattern, ...)
  local ok, raised = pcall(...)
  assert.is_false(ok)
  local found = things.failure(raised)
  assert.is_table(found, tostring(raised))
  assert.are.equal(code, found.code)
  assert.are.equal(found.message, tostring(raised))
  assert.is_truthy(found.message:find(pattern, 1, true), found.message)
  return found
end

describe("a letter in a rule", function()
  it("is read once in a run", function()
    local letter = thing()
    assert.are.equal("Read", letter:details().status)
    assert.is_true(letter:has_been("Read", "Confirmed"))
    assert.is_false(letter:has_been("Confirmed"))
    assert.are.equal(letter:details(), letter:details())
    assert.are.same({ "GET correspondence/" .. ID .. "/details" }, calls)
    assert.are.equal("Read", letter:overview().status)
    assert.are.equal(2, #calls)
  end)

  it("without an id says that the event names none", function()
    local letter = things.new(assert(rules.new { name = "r", on = "*", run = print }), { kind = "letter" }, connect)
    local ok, message = pcall(function() return letter.id end)
    assert.is_false(ok)
    assert.is_truthy(message:find("this event names no letter: it has no resourceinstance", 1, true), message)
    failure("invalid", "this event names no letter", letter.details, letter)
    assert.are.equal("letter without a name", tostring(letter))
    assert.are.same({}, calls)
  end)

  it("lists its attachments from the overview that the run has read", function()
    answer.body = LETTER:gsub("}$", ',"content":{"messageTitle":"t","attachments":[{"id":"a","fileName":"a.pdf"}]}}', 1)
    local letter = thing()
    assert.are.equal("Read", letter:overview().status)
    assert.are.equal("a.pdf", letter:attachments()[1].fileName)
    assert.are.equal(1, #calls)
    answer.body = LETTER:gsub("}$",
      ',"content":{"language":"no","messageTitle":"","messageBody":"","attachments":[]}}', 1)
    failure("forbidden", "service owner only", function() thing():attachments() end)
  end)

  it("of an attachment are letters that the rule may ask about", function()
    answer.body = ('{"attachmentId":"%s","status":"Failed","correspondenceIds":["%s"]}'):format(ID, ID)
    local letters = thing(nil, "attachment"):letters()
    answer.body = LETTER
    assert.are.equal(1, #letters)
    assert.is_true(letters[1]:has_been("Read"))
    assert.are.same({ "GET attachment/" .. ID, "GET correspondence/" .. ID .. "/details" }, calls)
    failure("forbidden", 'add "confirm" to its may', function() letters[1]:confirm() end)
    failure("forbidden", 'add "read:overview" to its may', function() thing({ "send:x" }, "attachment"):letters() end)
  end)

  it("is read again after an action", function()
    local letter = thing { "read:details", "confirm" }
    letter:details()
    answer = { status = 200, body = "" }
    assert.is_true(letter:confirm())
    answer = { status = 200, body = LETTER }
    letter:details()
    assert.are.equal(3, #calls)
  end)

  it("can do nothing without the power, and nothing is sent", function()
    local without = {
      overview = "read:overview", details = "read:details", content = "read:content", mark_read = "mark:read",
      confirm = "confirm", purge = "purge", download = "download", has_been = "read:details",
      attachments = "read:overview",
    }
    for method, power in pairs(without) do
      local letter = thing { "send:print" }
      local found = failure("forbidden", ('add "%s" to its may'):format(power), letter[method], letter, "Read")
      assert.is_true(is_permanent(found))
    end
    -- What has an effect at Altinn must always be declared.
    for _, method in ipairs { "content", "mark_read", "confirm", "purge", "download" } do
      failure("forbidden", "to its may", thing()[method], thing(), "x", "y")
    end
    assert.are.same({}, calls)
  end)

  it("raises what Altinn refuses, and whether it can succeed later", function()
    answer = { status = 403, body = "" }
    assert.is_true(is_permanent(failure("forbidden", "", function() thing():details() end)))
    answer = { status = 503, headers = { ["retry-after"] = "7" }, body = "" }
    local found = failure("server", "", function() thing():details() end)
    assert.is_false(is_permanent(found))
    assert.are.equal(7, found.detail.retry_after)
    answer = { status = 404, headers = {}, body = '{"errorCode":1015}' }  -- no status yet
    assert.is_false(is_permanent(failure("not_found", "", function() thing():details() end)))
    assert.is_false(is_permanent(failure("auth", "there is no token", function()
      thing(nil, nil, function() return nil, "there is no token", "auth" end):details()
    end)))
  end)

  it("raises misuse where the rule stands", function()
    local letter = thing()
    local ok, message = pcall(function() letter:has_been("Reed") end)
    assert.is_false(ok)
    assert.is_truthy(message:find("thing_spec.lua:", 1, true), message)
    assert.is_truthy(message:find("did you mean 'Read'", 1, true), message)
    assert.is_nil(things.failure(message))
  end)

  it("shows nothing of its client", function()
    local letter = thing()
    letter:details()
    local shown = {}
    for name in pairs(letter) do shown[#shown + 1] = name end
    table.sort(shown)
    assert.are.same({ "id", "kind" }, shown)
    assert.are.equal("letter " .. ID, tostring(letter))
  end)
end)

describe("an attachment in a rule", function()
  it("has overview and details", function()
    answer = { status = 200, body = ('{"attachmentId":"%s","status":"Published","statusHistory":[]}'):format(ID) }
    assert.are.equal("Published", thing(nil, "attachment"):details().status)
    assert.is_false((pcall(function() return thing(nil, "attachment").confirm end)))
    assert.are.same({ "GET attachment/" .. ID .. "/details" }, calls)
  end)
end)

describe("another thing in a rule", function()
  it("has an id and a kind, and says why it cannot be asked about", function()
    local order = thing(nil, "order")
    assert.are.same({ ID, "order" }, { order.id, order.kind })
    local ok, message = pcall(function() return order:details() end)
    assert.is_false(ok)
    assert.is_truthy(message:find("of kind 'order': only letters and attachments", 1, true), message)
    ok, message = pcall(function() return order.correspondenceId end)
    assert.is_false(ok)
    assert.is_truthy(message:find "thing_spec.lua:%d+: there is no 'correspondenceId' in a thing of kind 'order'")
  end)
end)

describe("what Altinn says of a letter", function()
  it("has the members of Altinn's schema, and raises for others", function()
    local more = ',"new":1,"content":{"attachments":[{"id":"1","fileName":"a.txt"}]}}'
    answer = { status = 200, body = LETTER:gsub("}$", more) }
    local details = thing():details()
    assert.is_nil(details.sendersReference)
    assert.is_nil(details.content.language)
    assert.are.equal(1, details.new)
    assert.are.equal("a.txt", details.content.attachments[1].fileName)
    assert.is_nil(details.content.attachments[2])
    assert.is_true(details:has_been "Published")
    assert.are.same({ "attachments" }, (function()
      local names = {}
      for name in pairs(details.content) do names[#names + 1] = name end
      return names
    end)())
    for _, case in ipairs {
      { function() return details.senderReference end, "no 'senderReference' (did you mean 'sendersReference'" },
      { function() return details.content.attachments[1].name end, "details.content.attachments has no 'name'" },
      { function() return details.statusHistory[1].statustext end, "no 'statustext' (did you mean 'statusText'" },
      { function() return thing():overview().dueDate end, "overview has no 'dueDate' (did you mean 'dueDateTime'" },
    } do
      local ok, message = pcall(case[1])
      assert.is_false(ok)
      assert.is_truthy(message:find("^spec/thing_spec.lua:%d+: "), message)
      assert.is_truthy(message:find(case[2], 1, true), message)
    end
  end)
end)

describe("a letter's member", function()
  it("that is misspelt is told with the nearest one, at the rule's line", function()
    local ok, message = pcall(function() return thing().detials end)
    assert.is_false(ok)
    assert.is_truthy(message:find("thing_spec.lua:%d+: there is no 'detials' in a thing of kind 'letter'"
      .. " %(did you mean 'details'%?%)"), message)
  end)

  it("that is called with a point wants a colon", function()
    for _, method in ipairs { "details", "overview", "confirm", "has_been" } do
      local ok, message = pcall(function()
        thing()[method]()
      end)
      assert.is_false(ok)
      assert.is_truthy(message:find(("thing_spec.lua:%%d+: %s is called without its letter: write a colon, as in "
        .. "letter:%s"):format(method, method)), message)
    end
  end)
end)
