-- Programs that rules start: they have the signals of a program that was just started, and none of the host's sockets.
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"

local one

after_each(function()
  if one then one:close() end
  one = nil
end)

local function start(body)
  one = host.start { rules = { r = ('rule { name = "r", on = "*", run = function() %s end }'):format(body) } }
  assert.are.equal(200, (one:post(sample.text())))
  assert(one:wait_log("msg=verdict rule=r"))
end

describe("a program that a rule starts", function()
  it("has no signal blocked or ignored", function()
    start [[
      local popened = io.popen("cat /proc/self/status")
      local text = popened:read("a")
      assert(popened:close())
      local function set(name) return tonumber(text:match(name .. ":%s*(%x+)"), 16) & 0x7fffffff end
      return skip(set "SigBlk" .. " blocked, " .. set "SigIgn" .. " ignored")]]  -- glibc keeps 32 and 33 for itself
    assert(one:wait_line('reason="0 blocked, 0 ignored"'), one:log())
  end)

  it("by os.execute or io.popen ends by SIGTERM", function()
    for _, call in ipairs { 'os.execute("echo $$ >PID; exec sleep 60")',
      'io.popen("echo $$ >PID; exec sleep 60"):read("a")' } do
      local folder = process.folder()
      finally(function() process.remove(folder) end)
      one = host.start { rules = { r = ('rule { name = "r", on = "*", run = function() %s return skip "ended" end }')
        :format((call:gsub("PID", folder .. "/pid"))) } }
      assert.are.equal(200, (one:post(sample.text())))
      local pid = assert(process.wait(10, function()
        return (process.read(folder .. "/pid") or ""):match("^(%d+)\n")
      end))
      assert(process.wait(10, function() return (process.read("/proc/" .. pid .. "/comm") or ""):find("sleep") end))
      os.execute("kill -TERM " .. pid)
      assert(one:wait_log("msg=verdict rule=r", 10))
      one:close()
      one = nil
    end
  end)

  it("holds none of the host's descriptors", function()
    start [[
      local popened = io.popen("ls -l /proc/self/fd")
      local text = popened:read("a")
      popened:close()
      local count = select(2, text:gsub("socket:", "")) + select(2, text:gsub("inbox%.db", ""))
      return skip("of the host: " .. count)]]
    assert(one:wait_line('reason="of the host: 0"'), one:log())
  end)

  it("gives its output, takes input, and tells how it ended", function()
    start [[
      local out = {}
      local read = io.popen("echo one; echo two; exit 3")
      for line in read:lines() do out[#out + 1] = line end
      local ok, how, code = read:close()
      local write = io.popen("read line; test \"$line\" = hello", "w")
      write:write("hello\n")
      local wrote = write:close()
      local failed = { os.execute("exit 4") }
      local killed = { os.execute("kill -9 $$") }
      return skip(table.concat({ out[1], out[2], tostring(ok), how, code, tostring(wrote), tostring(failed[1]),
        failed[2], failed[3], killed[2], killed[3], tostring(os.execute()), tostring(os.execute("true")) }, " "))]]
    assert(one:wait_line('reason="one two nil exit 3 true nil exit 4 signal 9 true true"'), one:log())
  end)
end)
