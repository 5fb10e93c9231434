-- The command in a folder of its own, as its users run it.
local process = require "spec.support.process"

local M = {}

local root = assert(io.popen("pwd"):read("l"))
local program = ("%s/%s/bin/altinn-events"):format(root, os.getenv "AE_BUILD" or "build/lua5.4")

--- The rules that M.rules writes.
M.GOOD = [[
rule {
  name = "welcome", about = "greets", on = "correspondencepublished", when = { resource = "acme-letters" },
  run = function() return skip("nothing") end,
}
rule { name = "off", on = "*", enabled = false, run = function() end }
]]

--- Makes the folder; gives its path. For before_each.
function M.begin()
  M.folder = process.folder()
  return M.folder
end

--- Takes it away. For after_each.
function M.finish() process.remove(M.folder) end

--- Writes a file in the folder; gives its name.
function M.write(name, text)
  process.write(M.folder .. "/" .. name, text)
  return name
end

--- Runs a line of a shell in the folder, with the command as "$ae": exit status, output, messages.
function M.shell(line)
  local _, _, status = os.execute(("cd %s && ae=%s && { %s ; } >.out 2>.err </dev/null"):format(
    process.quote(M.folder), process.quote(program), line))
  return status, process.read(M.folder .. "/.out"), process.read(M.folder .. "/.err")
end

--- Runs the command with these words.
function M.run(...)
  local words = {}
  for index, word in ipairs { ... } do words[index] = process.quote(word) end
  return M.shell('timeout 20 "$ae" ' .. table.concat(words, " "))
end

--- The text says all of this.
function M.says(text, ...)
  for _, wanted in ipairs { ... } do
    assert(text:find(wanted, 1, true), ("%q does not say %q"):format(text, wanted))
  end
end

--- The text says nothing of this.
function M.silent(text, ...)
  for _, unwanted in ipairs { ... } do
    assert(not text:find(unwanted, 1, true), ("%q says %q"):format(text, unwanted))
  end
end

--- Writes a rule file: one rule that is on, one that is off, or `text`.
function M.rules(text)
  assert(os.execute("mkdir -p " .. process.quote(M.folder .. "/rules")))
  return M.write("rules/one.lua", text or M.GOOD)
end

return M
