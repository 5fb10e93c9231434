-- Finds the spec files beside rules.
local sources = require "altinn.events.rules.sources"

local M = {}

local function folder_of(path)
  return path:match("^(.*)/[^/]*$") or "."
end

-- The specs of a rule file: those of its folder whose names begin with its name; where there is none, all of them.
local function beside(path)
  local own, folder = {}, folder_of(path)
  local all = sources.specs(folder) or {}
  local stem = folder .. "/" .. path:match("([^/]*)%.lua$") .. "_"
  for _, file in ipairs(all) do
    if file:sub(1, #stem) == stem then own[#own + 1] = file end
  end
  local list = #own > 0 and own or all
  if not path:find("/", 1, true) then
    for index, file in ipairs(list) do list[index] = file:gsub("^%./", "") end
  end
  return list
end

local function specs_of(path)
  local specs = sources.specs(path)
  if specs then return specs end
  local found, problems = sources.new():files { path }
  if not found then return nil, problems[1].message end
  if path:find("_spec%.lua$") or not path:find("%.lua$") then return { path } end
  return beside(path)
end

--- The spec files of rule files and folders: of a folder all, of a rule file those that begin with its name.
---@param paths string[] rule files, folders of them, and spec files
---@return string[]|nil files in the order of the paths, each once
---@return string|nil message which path cannot be read
function M.specs(paths)
  local files, known = {}, {}
  for _, path in ipairs(paths) do
    local list, message = specs_of(path)
    if not list then return nil, ("%s: %s"):format(path, message) end
    for _, file in ipairs(list) do
      if not known[file] then files[#files + 1], known[file] = file, true end
    end
  end
  return files
end

return M
