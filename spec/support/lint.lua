-- What `check` finds in texts of files, for specs of findings.
local prepare = require "altinn.events.host.prepare"
local process = require "spec.support.process"

local M = {}

-- What stands for a configuration where the files have none.
local VALUES = { environment = "tt02", token = "of a spec", targets = { print = { url = "https://print.example.no" } } }

local function values_of(files, folder)
  if files["altinn-events.lua"] then return { rules = { folder .. "/rules" } } end
  local values = { rules = { folder .. "/rules" } }
  for name, value in pairs(VALUES) do values[name] = value end
  return values
end

--- Writes files into a folder.
---@param folder string
---@param files table<string, string>
function M.write(folder, files)
  for name, text in pairs(files) do
    local path = folder .. "/" .. name
    assert(os.execute("mkdir -p " .. process.quote((path:match("^(.*)/")))))
    process.write(path, text)
  end
end

--- The findings about files: with paths as they are given here. A text alone is rules/example.lua.
---@param files string|table<string, string>
---@return altinn.events.finding[]
function M.find(files)
  if type(files) == "string" then files = { ["rules/example.lua"] = files } end
  local folder = process.folder()
  M.write(folder, files)
  local config = files["altinn-events.lua"] and folder .. "/altinn-events.lua" or nil
  local ok, _, list = pcall(prepare.all, { config = config, values = values_of(files, folder), needs = {},
    env_file = files.environment and folder .. "/environment" or nil })
  process.remove(folder)
  assert(ok, _)
  for _, one in ipairs(list) do
    for name, value in pairs(one) do
      if type(value) == "string" then one[name] = value:gsub(folder:gsub("%p", "%%%0") .. "/", "") end
    end
  end
  return list
end

--- A finding as a line for comparisons: "file:line:column code severity".
---@param one altinn.events.finding
---@return string
function M.line(one)
  return ("%s:%s:%s %s %s"):format(one.file or "-", one.line or "-", one.column or "-", one.code, one.severity)
end

--- The findings as such lines, with their sentences when `whole`.
---@param files string|table<string, string>
---@return string[]
function M.lines(files)
  local lines = {}
  for index, one in ipairs(M.find(files)) do lines[index] = M.line(one) end
  return lines
end

return M
