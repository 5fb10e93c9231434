-- The right word for a wrong one, and Altinn's words for ours.
local suggest = require "altinn.events.support.suggest"
local words = require "altinn.events.support.words"

describe("a suggestion", function()
  it("is the word that differs by a slip, else one with the same words, else the nearest by letters", function()
    local keys = { "key", "key_file", "kid", "client_id", "certificate", "certificate_file", "system_user" }
    for wrong, right in pairs { key_files = "key_file", keyfile = "key_file", kye = "key", user = "system_user",
      ["Client-Id"] = "client_id", system_user_organisation = "system_user",
      certifikate = "certificate" } do
      assert.are.equal(right, suggest.nearest(wrong, keys), wrong)
    end
    assert.are.equal("subject", suggest.nearest("subjectFilter", { "subject", "objectFilters" }))
  end)

  it("is none when two share the word, or nothing is near", function()
    assert.is_nil(suggest.nearest("count", { "max_count", "min_count" }))
    for _, wrong in ipairs { "", "zzzzzzzz", ("x"):rep(200), "---" } do
      assert.is_nil(suggest.nearest(wrong, { "resource", "subject" }), wrong)
    end
    assert.are.equal("", suggest.hint("colour", { "resource" }))
    assert.are.equal(" (did you mean 'resource'?)", suggest.hint("resourceName", { resource = true, subject = true }))
  end)

  it("leads from Altinn's words to ours, by the place", function()
    assert.are.equal(" (Altinn's word; here it is subject)", words.hint("subjectFilter", { "subject" }, "option"))
    assert.is_truthy(words.hint("type_filter", {}, "rule"):find("here it is on", 1, true))
    assert.is_truthy(words.hint("resourceFilter", {}, "configuration"):find("resources, or a rule's", 1, true))
    assert.is_truthy(words.hint("reciever", { "resource" }, "rule"):find("here it is when.recipient", 1, true))
    assert.are.equal(" (did you mean 'limit'?)", words.hint("limits", { "limit" }, "rule"))
    assert.are.equal("", words.hint(5, { "limit" }, "rule"))
  end)
end)
