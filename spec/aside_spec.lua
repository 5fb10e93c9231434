-- Actions carried out aside by helper threads of the host, under the sanitizers: see spec/c/aside.c.
local process = require "spec.support.process"

local WHAT = {
  files = "are whole, renamed into place, and leave nothing behind",
  lines = "stand whole at the end of the file, each once",
  commands = "get their input, their key and few variables, and are judged by how they end",
  turns = "are taken by targets, so that slow programs hold up nothing else",
  crowd = "of programs leaves threads to files",
  stop = "ends programs that run, and drops what has not begun",
}

describe("actions aside:", function()
  local folder

  setup(function()
    folder = process.folder()
    for name, sanitizers in pairs { memory = "address,undefined", threads = "thread" } do
      assert(os.execute(("env -u LD_PRELOAD gcc -std=c11 -D_GNU_SOURCE -O1 -g -fsanitize=%s -pthread -Icsrc -o %s/%s"
        .. " spec/c/aside.c csrc/host/aside*.c csrc/host/spawn.c csrc/host/queue.c csrc/core/slice.c")
        :format(sanitizers, folder, name)))
    end
  end)
  teardown(function() process.remove(folder) end)

  for part, what in pairs(WHAT) do
    it(part .. " " .. what, function()
      for _, name in ipairs { "memory", "threads" } do
        local place = folder .. "/" .. name .. "-" .. part
        assert(os.execute("mkdir " .. place))
        local pipe = io.popen(("timeout 120 env -u LD_PRELOAD ASAN_OPTIONS=detect_leaks=0 %s/%s %s %s 2>&1")
          :format(folder, name, part, place))
        local said = pipe:read "a"
        pipe:close()
        assert.are.equal(part .. ": fine\n", said)
      end
    end)
  end
end)
