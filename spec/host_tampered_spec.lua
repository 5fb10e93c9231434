-- Rules that change a verdict after they made it, by whatever name it has inside: their own run fails or goes on as it
-- was made, and the host works for the others.
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"

local one

after_each(function()
  if one then one:close() end
  one = nil
end)

-- Name of a rule -> what its body does to a verdict.
local TAMPERED = {
  timer = [[local v = later { at = "1d" } v.timer = { at = { span = 1 }, run = "run", key = {}, cancel = { {} } }
    return v]],
  fields = [[local v = later { at = "1d" }
    for k, x in next, v do if type(x) == "table" then x.key = {} end end return v]],
  memory = 'local v = remember { a = 1 } v.values = { { name = "a", value = {}, expires = 1e300 } } return v',
  word = 'local v = done() v.verdict, v.effects = "effects", {} v.memory = { { name = {}, value = {} } } return v',
  lone = 'local v = skip("x") v.reason = {} return v',
  later = 'local v = retry_after("1h") v.after = 0 / 0 return v',
  kind = 'local v = fail("x") v.verdict = "timer" return v',
}

local function rules()
  local texts = { other = 'rule { name = "other", on = "*", run = function() return done() end }' }
  for name, body in pairs(TAMPERED) do
    texts[name] = ('rule { name = "%s", on = "*", run = function() %s end }'):format(name, body)
  end
  return texts
end

describe("a verdict that its rule has changed", function()
  it("ends neither the host nor another rule's run", function()
    one = host.start { rules = rules() }
    assert.are.equal(200, (one:post(sample.text {})))
    local states = assert(process.wait(30, function()
      local found, count = {}, 0
      for name, run in pairs(one:verdicts()) do
        if run.verdict ~= "waiting" then found[name:match("[^/]+$")], count = run.verdict, count + 1 end
      end
      return count == 8 and found or one.process:status() and found or nil
    end), one:log())
    assert.is_nil(one.process:status(), one:log())
    assert.are.same({ other = "done", timer = "later", fields = "later", memory = "done", word = "done",
      lone = "retry", later = "retry", kind = "dead" }, states)
  end)
end)
