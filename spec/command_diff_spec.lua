-- altinn-events diff, try and inbox show --spec on what a real host did with a real emulator.
local cjson = require "cjson"
local command = require "spec.support.command"
local inbox = require "altinn.events.host.inbox"
local process = require "spec.support.process"
local story = require "spec.support.story"

local run, says, silent, write = command.run, command.says, command.silent, command.write

local PAPER = assert(process.read "examples/rules/paper.lua")

-- A host that printed one letter and left another one, which was read in time.
local told
local function past()
  if told then return told end
  local one = story.start { rules = { "examples/rules/paper.lua" }, services = { "print" },
    targets = [[print = { url = "$print" }]] }
  local unread, read = one:letter { sendersReference = "ref-1" }, one:letter { sendersReference = "ref-2" }
  one:step(read, "read")
  one:workdays(2)
  one:only "print"
  told = { story = one, unread = unread, inbox = one.host.inbox }
  for _, event in ipairs(assert(inbox.list(told.inbox, {})).events) do
    if event.type:find "published$" then
      told[event.resourceinstance == unread.id and "unread_number" or "read_number"] = tostring(event.sequence)
    end
  end
  return told
end

describe("altinn-events diff", function()
  before_each(function() command.begin() end)
  after_each(command.finish)
  teardown(function()
    if told then told.story:close() end
    told = nil
  end)

  local function folders(old, new)
    for name, text in pairs { old = old, new = new } do
      assert(os.execute("mkdir -p " .. command.folder .. "/" .. name))
      write(name .. "/paper.lua", text)
    end
    write("altinn-events.lua", [[return { base_url = "http://127.0.0.1:9", token = "-",
      targets = { print = { url = "http://127.0.0.1:9" } } }]])
  end

  local function diff(old, new, ...)
    folders(old, new)
    return run("diff", "old", "new", "--inbox", past().inbox, ...)
  end

  local function try(number, ...)
    folders(PAPER, PAPER)
    return run("try", number, "--inbox", past().inbox, "--rules", "old", ...)
  end

  it("shows nothing for equal rules, wherever they stand and however they are written", function()
    local status, out, err = diff(PAPER, "-- one line more\n" .. PAPER)
    assert.are.equal("", err)
    assert.are.equal(0, status, out)
    says(out, "0 appear, 0 vanish, 0 change, 0 not known")
  end)

  it("shows what changes, before and after, with the letter", function()
    local status, out = diff(PAPER, (PAPER:gsub('path = "/v1/jobs"', 'path = "/v2/jobs"')))
    assert.are.equal(2, status, out)
    says(out, "change: 1", "paper-after-two-days", "letter:" .. past().unread.id, "done: sent to print",
      '"path":"/v1/jobs"', '"path":"/v2/jobs"')
  end)

  it("shows what appears and vanishes, and says it as JSON", function()
    local status, out = diff(PAPER, (PAPER:gsub('"paper%-after%-two%-days"', '"other-name"')), "--json")
    assert.are.equal(2, status, out)
    local found = cjson.decode(out)
    assert.are.equal(2, #found.appear)
    assert.are.equal(2, #found.vanish)
    assert.are.equal("other-name", found.appear[1].rule)
  end)

  it("counts apart what was never read before, and guesses nothing", function()
    local new = PAPER:gsub("letter:details%(%)%.sendersReference", "letter:overview().sendersReference")
      :gsub('"read:details"', '"read:details", "read:overview"')
    local status, out = diff(PAPER, new, "--json")
    assert.are.equal(0, status, out)
    local found = cjson.decode(out)
    assert.are.equal(1, #found.unknown)
    assert.are.equal("letter:overview()", found.unknown[1].unknown)
    assert.are.equal(0, #found.change)
  end)

  it("takes a rule that is in force by hand out of force when its text changes", function()
    local shadowed = PAPER:gsub('  retry  = { within = "36h" },', '  retry  = { within = "36h" },\n  shadow = true,')
    folders(shadowed, shadowed)
    assert(os.execute(("sqlite3 %s '.backup %s/copy.db'"):format(past().inbox, command.folder)))
    local status, out, err = run("promote", "paper-after-two-days", "old", "--inbox", "copy.db", "--yes", "--reason",
      "r")
    assert.are.equal(0, status, err .. out)
    status, out = run("diff", "old", "new", "--inbox", "copy.db")
    assert.are.equal(0, status, out)
    write("new/paper.lua", "-- another version\n" .. shadowed)
    status, out = run("diff", "old", "new", "--inbox", "copy.db")
    assert.are.equal(2, status, out)
    says(out, "before: done: sent to print", "after:  shadowed")
  end)

  it("refuses broken rules and bad options with what to do", function()
    local status, _, err = diff(PAPER, "rule {")
    assert.are.equal(1, status)
    says(err, "new/paper.lua")
    status, _, err = diff(PAPER, PAPER, "--since", "yesterday")
    assert.are.equal(1, status)
    says(err, "--since yesterday")
    status, _, err = diff(PAPER, PAPER, "--inbox", "nowhere.db")
    assert.are.equal(1, status)
    says(err, "nowhere.db")
  end)

  describe("try", function()
    it("shows what an event of the inbox would do, and sends and stores nothing", function()
      write("letter.json", cjson.encode { correspondenceId = "x", sendersReference = "made up", status = "Published",
        statusHistory = { { status = "Published", statusChanged = "2026-08-20T09:00:00Z" } } })
      local before = #past().story.targets.print:requests()
      local status, out, err = try(past().unread_number, "--letter", "letter.json")
      assert.are.equal("", err)
      assert.are.equal(0, status)
      says(out, "later: 'paper' runs at", "done: sent to print", "by send.http: POST /v1/jobs",
        '"reference":"made up"', "nothing was sent or stored")
      assert.are.equal(before, #past().story.targets.print:requests())
    end)

    it("says that it does not know what depends on the letter", function()
      local status, out = try(past().unread_number)
      assert.are.equal(0, status)
      says(out, "the verdict is not known: it depends on letter:details()")
      silent(out, "done:", "dead:")
    end)

    it("asks Altinn about the letter that is named, and about nothing else", function()
      local one = past().story
      local environment = { ALTINN_EVENTS_BASE_URL = one.altinn.base, ALTINN_EVENTS_TOKEN = one.altinn:token {
        scopes = one.scopes, orgNo = one.party, ttl = 86400 * 300 } }
      local words = ""
      for name, value in pairs(environment) do words = words .. name .. "=" .. process.quote(value) .. " " end
      local function asked(number)
        folders(PAPER, PAPER)
        write("altinn-events.lua", 'return { targets = { print = { url = "http://127.0.0.1:9" } } }')
        return command.shell(('%s timeout 20 "$ae" try %s --inbox %s --rules old --letter %s'):format(words, number,
          past().inbox, past().unread.id))
      end
      local status, out, err = asked(past().unread_number)
      assert.are.equal(0, status, err)
      says(out, "done: sent to print", '"reference":"ref-1"')
      status, out = asked(past().read_number)
      assert.are.equal(0, status)
      says(out, "the verdict is not known")
    end)

    it("tells wrong words with what to do", function()
      local function refused(...)
        local status, _, err = try(...)
        assert.are.equal(1, status)
        return err
      end
      local number = past().unread_number
      says(refused("nofile.json"), "nofile.json: No such file")
      says(refused(number, "--rule", "papr-after-two-days"),
        "there is no rule 'papr-after-two-days' (did you mean 'paper-after-two-days'?)")
      says(refused(number, "--at", "soon"), "--at soon: no time")
      says(refused(number, "--letter", "nofile.json"), "nofile.json")
    end)
  end)
end)
