-- What is said of 10,000 events is the same, byte for byte, in every Lua: this file runs on all of them.
local corpus = require "spec.support.corpus"
local events = require "altinn.events"

-- Of all that is said. A change of a message that is meant changes it too.
local DIGEST, VALID = "a3dacf5fedde", 4308

describe("10,000 events, valid and broken", function()
  it("get the verdicts that they get in every Lua", function()
    local digest, valid, last = corpus.digest(), 0, nil
    corpus.each(function(text)
      local said, ok = corpus.verdict(events, text)
      if ok then valid = valid + 1 end
      last = digest(said .. "\n")
    end)
    assert.are.same({ VALID, DIGEST }, { valid, last })
  end)
end)
