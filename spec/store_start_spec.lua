-- What a host finds at its start: a database whose newest pages are in the
-- log, a log without its database, one inbox under two names, modes.
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local sql = require "spec.support.sql"

local query = sql.query

local function mode_of(path)
  local pipe = assert(io.popen("stat -c %a " .. process.quote(path)))
  local mode = pipe:read("l")
  pipe:close()
  return mode
end

local function copy(from, to) assert(os.execute(("cp -p %s %s"):format(process.quote(from), process.quote(to)))) end

-- Acknowledged events "ID-1" …, large enough that a few fill many pages.
local function post_some(one, id, count)
  for i = 1, count do
    assert.are.equal(200, (one:post(sample.text { id = ("%s-%d"):format(id, i), x = ("y"):rep(60000) })))
  end
end

local function has_all(one, id, count)
  local ids = one:ids()
  for i = 1, count do assert.are.equal(1, ids[("%s-%d"):format(id, i)], id .. " " .. i) end
end

describe("the start of a host", function()
  local one, other

  after_each(function()
    if one then one:close() end
    if other then other:close() end
    one, other = nil, nil
  end)

  local function refused(subject, ...)
    assert.is_false(subject.running)
    assert.are.equal(1, subject.process:wait_exit())
    local log = subject:log()
    for _, words in ipairs { ... } do assert.truthy(log:find(words, 1, true), log) end
    assert.are.equal(1, select(2, log:gsub("\n", "")), log)
  end

  -- What a kill leaves in the middle of a checkpoint: page 1, which counts
  -- the pages that the log still has.
  it("takes a database that is shorter than its header tells, with its log", function()
    one = host.start {}
    post_some(one, "big", 8)
    one:kill()
    assert.is_true(#process.read(one.inbox) < #process.read(one.inbox .. "-wal"))
    local whole = one.folder .. "/whole.db"
    copy(one.inbox, whole)
    copy(one.inbox .. "-wal", whole .. "-wal")
    query(whole, "PRAGMA wal_checkpoint(TRUNCATE)")
    process.write(one.inbox, process.read(whole):sub(1, 4096) .. process.read(one.inbox):sub(4097))
    local ok, log = one:launch()
    assert.is_true(ok, log)
    has_all(one, "big", 8)
    assert.are.same({ { integrity_check = "ok" } }, query(one.inbox, "PRAGMA integrity_check"))
  end)

  it("makes no new inbox beside the log of one that is gone", function()
    one = host.start {}
    post_some(one, "log", 3)
    one:kill()
    os.rename(one.inbox, one.folder .. "/aside.db")
    local log = process.read(one.inbox .. "-wal")
    one.running = one:launch()
    refused(one, one.inbox, "missing", "-wal", "put the database back")
    assert.are.equal(log, process.read(one.inbox .. "-wal"))
    assert.is_nil(process.read(one.inbox))
    process.write(one.inbox, "")
    one.running = one:launch()
    refused(one, one.inbox, "empty", "-wal", "put the database back")
    local status, _, message = one:run("inbox", "list", "--inbox", one.inbox)
    assert.are_not.equal(0, status)
    assert.truthy(message:find("put the database back", 1, true), message)
    assert.are.equal(log, process.read(one.inbox .. "-wal"))
    os.rename(one.folder .. "/aside.db", one.inbox)
    assert(one:launch())
    has_all(one, "log", 3)
  end)

  it("makes no new inbox beside the journal of one that is gone", function()
    local folder = process.folder()
    finally(function() process.remove(folder) end)
    process.write(folder .. "/inbox.db-journal", ("j"):rep(600))
    one = host.start { inbox = folder .. "/inbox.db", may_fail = true }
    refused(one, "missing", "-journal")
  end)

  it("never advises to put a database aside without its log", function()
    local folder = process.folder()
    finally(function() process.remove(folder) end)
    process.write(folder .. "/inbox.db", ("no database at all\n"):rep(300))
    process.write(folder .. "/inbox.db-wal", "no log")
    one = host.start { inbox = folder .. "/inbox.db", may_fail = true }
    refused(one, "damaged", "-wal, never one without the other")
    assert.are_not.equal(0, (one:run("inbox", "list", "--inbox", one.inbox)))
    assert.are.equal("no log", process.read(folder .. "/inbox.db-wal"))
  end)

  for _, how in ipairs { "ln -s", "ln" } do
    it(("refuses an inbox in use by another name (%s)"):format(how), function()
      one = host.start {}
      local second = one.folder .. "/second.db"
      assert(os.execute(("%s %s %s"):format(how, one.inbox, second)))
      other = host.start { inbox = second, may_fail = true }
      refused(other, "in use by another host", "stop it")
      post_some(one, "mine", 2)
      one:kill()
      assert(one:launch())
      has_all(one, "mine", 2)
    end)
  end

  it("opens an inbox by a symbolic link, with the log of the real name", function()
    one = host.start {}
    post_some(one, "real", 3)
    one:kill()
    local link = one.folder .. "/link.db"
    assert(os.execute(("ln -s inbox.db %s"):format(link)))
    other = host.start { inbox = link }
    has_all(other, "real", 3)
    assert.is_nil(process.read(link .. "-wal"))
  end)

  it("makes an inbox at the end of a symbolic link", function()
    local folder = process.folder()
    finally(function() process.remove(folder) end)
    assert(os.execute(("mkdir %s/there && ln -s there/real.db %s/link.db"):format(folder, folder)))
    one = host.start { inbox = folder .. "/link.db" }
    assert.is_string(process.read(folder .. "/there/real.db"))
    assert.is_string(process.read(folder .. "/there/real.db-wal"))
  end)

  it("refuses a hard link whose log is beside the other name", function()
    one = host.start {}
    post_some(one, "linked", 3)
    one:kill()
    local second, away = one.folder .. "/second.db", process.folder()
    finally(function() process.remove(away) end)
    assert(os.execute(("ln %s %s"):format(one.inbox, second)))
    other = host.start { inbox = second, may_fail = true }
    refused(other, second, "also named inbox.db", "hard link")
    other:close()
    assert(os.execute(("mv %s %s/away.db"):format(second, away)))
    other = host.start { inbox = away .. "/away.db", may_fail = true }
    refused(other, "another name elsewhere", "find -samefile")
    assert(one:launch())
    has_all(one, "linked", 3)
  end)

  it("refuses a file that is mounted without its folder: its log is elsewhere", function()
    if not os.execute("unshare -rm true 2>/dev/null") then return pending("no mounts here") end
    one = host.start {}
    post_some(one, "mounted", 3)
    one:kill()
    local there = process.folder()
    finally(function() process.remove(there) end)
    process.write(there .. "/inbox.db", "")
    local pipe = assert(io.popen(("unshare -rm sh -c 'mount --bind %s %s/inbox.db && exec %s run %s/rules --once"
      .. " --listen 127.0.0.1:0 --admin 127.0.0.1:0 --inbox %s/inbox.db' 2>&1"):format(one.inbox, there, host.program(),
      one.folder, there)))
    local said = pipe:read "a"
    pipe:close()
    assert.truthy(said:find("is mounted without its folder", 1, true), said)
    assert.is_nil(process.read(there .. "/inbox.db-wal"))
    assert(one:launch())
    has_all(one, "mounted", 3)
  end)

  it("keeps every file from others from the first byte, whatever the umask", function()
    for _, umask in ipairs { "000", "022", "077" } do
      local folder = process.folder()
      local program = ("%s/host"):format(folder)
      process.write(program, ("umask %s\nexec %s run --config %s/none.lua --inbox %s/inbox.db --listen 127.0.0.1:0" ..
        " --admin 127.0.0.1:0 %s/rules\n"):format(umask, host.program(), folder, folder, folder))
      process.write(folder .. "/none.lua", "return {}\n")
      assert(os.execute(("mkdir %s/rules"):format(folder)))
      process.write(folder .. "/rules/rule.lua",
        'rule { name = "nothing", on = "x.never.raised", run = function() return skip("no") end }\n')
      local running = process.start(folder, "host", "sh " .. program)
      assert(process.wait(20, function() return running:errors():find("msg=listening", 1, true) end), running:errors())
      for _, ending in ipairs { "", "-wal", "-shm", ".lock" } do
        assert.are.equal("600", mode_of(folder .. "/inbox.db" .. ending), ending .. " under umask " .. umask)
      end
      running:stop()
      process.remove(folder)
    end
  end)

  it("takes an inbox that others can read away from them", function()
    one = host.start {}
    post_some(one, "open", 2)
    for _, mode in ipairs { "0664", "0640", "0604" } do
      one:kill()
      for _, ending in ipairs { "", "-wal", "-shm" } do
        assert(os.execute(("chmod %s %s%s"):format(mode, one.inbox, ending)))
      end
      assert(one:launch())
      for _, ending in ipairs { "", "-wal", "-shm", ".lock" } do
        assert.are.equal("600", mode_of(one.inbox .. ending), mode .. " " .. ending)
      end
    end
    has_all(one, "open", 2)
  end)
end)
