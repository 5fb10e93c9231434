-- What the modules in C were built with, read from the files themselves: stack protector, FORTIFY, full RELRO, no
-- executable stack. Stack clash protection leaves no mark in a module: a probe with the Makefile's own flags shows it.
local function output_of(command)
  local pipe = assert(io.popen("env -u LD_PRELOAD " .. command .. " 2>&1"))
  local text = pipe:read("a")
  return text, pipe:close()
end

local build = os.getenv("AE_BUILD") or "build/lua5.4"
local sanitized = build:find("asan", 1, true)
local modules = { "core", "curl", "grant", "host" }

local function path_of(module) return ("%s/altinn/events/%s.so"):format(build, module) end

-- The value of a variable of the Makefile.
local function variable(name)
  local text = output_of(("make -s --no-print-directory --eval='print-it:; @echo $(%s)' print-it"):format(name))
  return (text:gsub("%s+$", ""))
end

describe("the modules in C", function()
  if sanitized then return pending "a sanitizer's build is not hardened" end

  it("protect their stacks", function()
    for _, module in ipairs(modules) do
      assert.is_truthy(output_of("nm -D " .. path_of(module)):find("__stack_chk_fail", 1, true), module)
    end
  end)

  it("call the checked forms of the C library's functions", function()
    local text = output_of("nm -D " .. path_of "core" .. " " .. path_of "host" .. " " .. path_of "grant")
    assert.is_truthy(text:find "__%w+_chk", text)
  end)

  it("are bound when they are loaded, with tables that cannot be written", function()
    for _, module in ipairs(modules) do
      assert.is_truthy(output_of("readelf -d " .. path_of(module)):find("BIND_NOW", 1, true), module)
      local headers = output_of("readelf -lW " .. path_of(module))
      assert.is_truthy(headers:find("GNU_RELRO", 1, true), module)
      local flags = headers:match "GNU_STACK%s+%S+%s+%S+%s+%S+%s+%S+%s+%S+%s+(%S+)"
      assert.are.equal("RW", flags, module)
    end
  end)

  it("touch each page of a large stack frame", function()
    assert.is_truthy(variable "HARDEN":find("-fstack-clash-protection", 1, true))
    local code = "void use(char*); void f(void){ char a[65536]; use(a); }"
    local assembly = output_of(("printf '%%s' '%s' | gcc %s -O2 -S -x c -o - -"):format(code, variable "HARDEN"))
    assert.is_truthy(assembly:find "orq%s+%$0, " or assembly:find "str%s+xzr", assembly)
  end)
end)
