-- The core as C programs use it, without Lua or with a Lua that runs out of
-- memory: the programs of spec/c, linked with the library of the core.
local events = require "altinn.events"
local generator = require "spec.support.generator"

local FOLDER = "build/spec-c"
local LIBRARY = "build/lua5.4/libaltinn-events-core.a"
local STRICT = "cc -std=c11 -D_GNU_SOURCE -O1 -g -pthread -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror "

-- Without what a sanitizer of this process preloads.
local function run(command)
  local pipe = assert(io.popen("env -u LD_PRELOAD " .. command .. " 2>&1"))
  local text = pipe:read("a")
  local ok = pipe:close()
  return text, ok
end

local function must(command)
  local text, ok = run(command)
  assert(ok, text)
  return text
end

local function compile(name, arguments)
  must(STRICT .. ("-o %s/%s %s"):format(FOLDER, name, arguments))
  return FOLDER .. "/" .. name
end

local function facts(text)
  local found = {}
  for name, value in text:gmatch "([%w_]+)=(%d+)" do found[name] = tonumber(value) end
  return found
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

describe("the core in C", function()
  setup(function()
    must("mkdir -p " .. FOLDER)
    must("make --no-print-directory " .. LIBRARY)
  end)

  it("reads no byte beyond a text, by no way of sweeping, and judges as in Lua", function()
    local texts, wanted = {}, {}
    for number = 1, 2000 do
      local text = generator.text(number)
      texts[number] = ("%d\n%s"):format(#text, text)
      local event, _, code = events.parse(text)
      wanted[number] = event and "ok" or code
    end
    local guard = compile("guard", "-Icsrc spec/c/guard.c " .. LIBRARY)
    local said = must(("%s %s"):format(guard, write(FOLDER .. "/texts", table.concat(texts))))
    assert.are.equal(table.concat(wanted, "\n") .. "\n", said)
  end)

  it("also without the vector instructions that this machine has", function()
    local guard = compile("guard-plain", "-DAE_PLAIN -Icsrc spec/c/guard.c csrc/core/*.c")
    must(("%s %s/texts"):format(guard, FOLDER))
  end)

  it("lets heads come and go while others match, at a price that is known", function()
    local fact = facts(must(compile("heads", "-Icsrc spec/c/heads.c " .. LIBRARY)))
    assert(fact.changes >= 300, fact.changes)
    assert.are.equal(3, fact.seen, "readers have seen it with and without")
    assert(fact.bytes_per_head < 320, fact.bytes_per_head)
    assert.are.equal(1000, fact.worst_found)
    assert(fact.worst_ns < 10e6, fact.worst_ns)
    assert.are.equal(0, fact.left)
  end)

  it("has no state of its own", function()
    for section, bytes in must("size -A " .. LIBRARY):gmatch "\n(%.%S+)%s+(%d+)" do
      local writable = section:find "^%.t?bss" or section:find "^%.t?data" and not section:find "^%.data%.rel%.ro"
      assert(not writable or bytes == "0", section .. " of " .. bytes)
    end
  end)
end)

describe("the modules in C", function()
  it("survive the end of memory at every request, and are usable after it", function()
    local bindings = must("ls csrc/lua/*.c csrc/lua/core/*.c"):gsub("%s+", " ")
    for _, version in ipairs { "5.1", "5.4" } do
      local memory = compile("memory" .. version, ("-isystem /usr/include/lua%s -Icsrc spec/c/memory.c %s %s " ..
        "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free -llua%s")
        :format(version, bindings, LIBRARY, version))
      local fact = facts(must(("env LUA_PATH='lua/?.lua' %s spec/c/memory.lua"):format(memory)))
      assert(fact.loading > 1000 and fact.script > 500, "few requests were counted")
    end
  end)
end)
