-- Run by `altinn-events test examples/rules`.
local test = require "altinn.events.test"

local RULE = "archive-letter"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

-- How often Altinn was asked for an attachment.
local function downloads(world)
  local count = 0
  for _, request in ipairs(world:control("GET", "/requests").requests) do
    if request.path:find "/download$" then count = count + 1 end
  end
  return count
end

-- The rule with a folder of this spec's in place of its own: attachments are real files.
local folder = os.tmpname()
local rule = read((debug.getinfo(1, "S").source:match("^@(.*)_spec%.lua$")) .. ".lua"):gsub("/srv/letters", folder)

local function new_world() return test.world { rules = { rule }, party = "987654321" } end

describe(RULE, function()
  setup(function()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
  end)

  teardown(function() os.execute("rm -r " .. folder) end)

  it("archives first, then tells Altinn, wherever the host dies", function()
    local world <close> = new_world()
    world:crash_points(function(one)
      local letter = one:letter { title = "An offer", body = "As *discussed*", isConfirmationNeeded = true,
        dueDateTime = "2027-01-01T00:00:00Z", attachments = { { fileName = "../offer.pdf", content = "the offer" },
          { fileName = "terms.txt", content = "terms" } } }
      one:push("correspondencepublished", letter)
      one:advance "1h"
      local archived = one:sent("cases")[1].json
      assert.equal("As *discussed*", archived.text)
      local begin = ("%s/%s-"):format(folder, letter.id)
      assert.same({ begin .. "1-__offer.pdf", begin .. "2-terms.txt" }, archived.files)
      assert.same({ "the offer", "terms" }, { read(archived.files[1]), read(archived.files[2]) })
      assert.is_true(downloads(one) <= 3, "an attachment was fetched again that was there")
      assert.is_true(letter:has_been "Read")
      assert.is_true(letter:has_been "Confirmed")
      assert.same({ "done: archived, and Altinn knows" }, one:verdicts(RULE))
    end)
  end)

  it("tells Altinn nothing while the case system refuses the letter", function()
    local world <close> = new_world()
    world:target("cases", { status = 422 })
    local letter = world:letter()
    world:push("correspondencepublished", letter)
    world:advance "1h"
    assert.is_false(letter:has_been "Read")
    assert.same({ "dead: target 'cases' answered 422" }, world:verdicts(RULE))
  end)
end)
