-- The codes of findings: the example of each has it, at its place, and nothing else; the corrected example has nothing.
local codes = require "altinn.events.rules.finding_codes"
local lint = require "spec.support.lint"

-- What an example cannot show, and the spec that does.
local ELSEWHERE = {
  index = "check_spec", parser = "check_spec", inbox = "mistakes_spec", ["config-missing"] = "mistakes_spec",
  ["secret-needed"] = "command_spec", ["load-slow"] = "rules_spec", reference = "command_inbox_spec",
}

describe("a code of findings", function()
  for _, code in ipairs(codes.names()) do
    local row = codes.find(code)

    it("says what it means, why it matters and what to do: " .. code, function()
      assert.is_truthy(code:find "^[a-z][a-z-]+[a-z]$")
      assert.is_truthy(({ error = true, warning = true, hint = true })[row.severity])
      for _, name in ipairs { "summary", "why", "remedy" } do
        assert.is_string(row[name], name)
        assert.is_nil(row[name]:find "[.\n]$", name)
      end
      assert.is_truthy(row.example or ELSEWHERE[code], "an example")
    end)

    if row.example then
      it("is found in its example: " .. code, function()
        local example = row.example
        local file = example.file or "rules/example.lua"
        assert.are.same({ ("%s:%s:%s %s %s"):format(file, example.line or "-", example.column or "-", code,
          row.severity) }, lint.lines(example.wrong))
        assert.are.same({}, lint.lines(example.right))
      end)
    end
  end
end)
