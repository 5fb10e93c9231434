-- The core as a C library for programs without Lua, and what the modules show to the programs that load them.
local build = os.getenv "AE_BUILD" or "build/lua5.4"

local function run(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local text = pipe:read("a")
  local ok = pipe:close()
  return ok, text
end

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

describe("the core", function()
  local program

  setup(function()
    program = os.tmpname()
    local ok, text = run("cc -std=c11 -Wall -Wextra -Wpedantic -Werror -Icsrc examples/c/parse_event.c csrc/core/*.c"
      .. " -o " .. quote(program))
    assert.is_truthy(ok, text)
  end)
  teardown(function() os.remove(program) end)

  it("is built into a C program by one command of a strict compiler", function()
    local ok, text = run(quote(program) .. " <examples/demo/events/published.json")
    assert.is_truthy(ok, text)
    assert.are.equal("no.altinn.correspondence.correspondencepublished\n", text)
    ok, text = run("printf '{\"specversion\":\"1.0\",}' | " .. quote(program))
    assert.is_nil(ok)
    assert.is_truthy(text:find("^syntax at byte 22: "), text)
  end)

  it("asks nothing of the system but memory, and that for matchers only", function()
    local ok, text = run(("nm -P --undefined-only $(ls %s/obj/core/*.o | grep -v /match) | awk 'NF > 1 { print $1 }'"
      .. " | sort -u"):format(build))
    assert.is_truthy(ok, text)
    assert.is_truthy(text:find("memcpy", 1, true), text)
    local allowed = { memchr = true, memcmp = true, memcpy = true, memmove = true, memset = true, strlen = true,
      snprintf = true, vsnprintf = true, strcmp = true, strchr = true, _GLOBAL_OFFSET_TABLE_ = true,
      __stack_chk_fail = true, __memcpy_chk = true, __snprintf_chk = true, __vsnprintf_chk = true,
      __cpu_model = true, __cpu_indicator_init = true }
    for name in text:gmatch("%S+") do
      local own = name:find("^ae_") or name:find("^__[aut]?b?san_")
      assert.is_true(allowed[name] or own ~= nil, "the core uses " .. name)
    end
  end)
end)

describe("the modules", function()
  it("export nothing but what Lua looks for", function()
    for _, module in ipairs { "core", "curl", "grant", "host" } do
      local ok, text = run(("nm -D -P --defined-only %s/altinn/events/%s.so | awk '{ print $1 }'")
        :format(build, module))
      assert.is_truthy(ok, text)
      assert.are.equal("luaopen_altinn_events_" .. module .. "\n", text)
    end
  end)
end)
