-- The texts of rule files and of the modules that they require: read once,
-- kept by path, so that every thread that loads the rules loads one version.
local M = {}

local Sources = {}
Sources.__index = Sources

local function shell_quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function is_folder(path)
  local file = io.open(path .. "/.", "r")
  if file then file:close() end
  return file ~= nil
end

-- The *.lua files of a folder, sorted, specs left out; nil when it cannot be
-- read: the last line, "/", which no file can be called, comes only after a
-- whole listing.
local function files_in(folder)
  local pipe = io.popen("ls -1 -- " .. shell_quote(folder) .. " 2>/dev/null && echo /", "r")
  local list, whole = {}, false
  if not pipe then return nil end
  for name in pipe:lines() do
    if name:find("%.lua$") and not name:find("_spec%.lua$") and not name:find("^%.") then
      list[#list + 1] = folder:gsub("/+$", "") .. "/" .. name
    end
    whole = name == "/"
  end
  pipe:close()
  if not whole then return nil end
  table.sort(list)
  return list
end

local function read_text(path)
  local file, message = io.open(path, "rb")
  if not file then return nil, message:match(": ([^:]*)$") or message end
  local text
  text, message = file:read("*a")  -- a folder opens, and does not read
  file:close()
  if not text then return nil, message end
  return text
end

--- Where texts come from.
---@param given table<string, string>|nil path -> text: nothing is read from the disk; nil: the disk
---@return table sources `texts` (path -> text of all that was read), `fixed`
function M.new(given)
  return setmetatable({ texts = given or {}, fixed = given ~= nil }, Sources)
end

--- The text of a file.
---@param path string
---@return string|nil text
---@return string|nil message
function Sources:read(path)
  if self.texts[path] then return self.texts[path] end
  if self.fixed then return nil, "No such file or directory" end
  local text, message = read_text(path)
  self.texts[path] = text
  return text, message
end

--- The rule files that paths name: files as they are, folders by their
--- *.lua files (without *_spec.lua), sorted.
---@param paths string[]
---@return string[]|nil files
---@return table[]|nil problems each { file, message }
function Sources:files(paths)
  local files, problems = {}, {}
  for _, path in ipairs(paths) do
    if not self.fixed and is_folder(path) then
      local inside = files_in(path)
      if not inside then
        problems[#problems + 1] = { file = path, message = "the folder cannot be read" }
      elseif #inside == 0 then
        problems[#problems + 1] = { file = path, message = "the folder holds no rule file (*.lua)" }
      end
      for _, file in ipairs(inside or {}) do files[#files + 1] = file end
    else
      local text, message = self:read(path)
      if text then files[#files + 1] = path
      else problems[#problems + 1] = { file = path, message = message } end
    end
  end
  if #problems > 0 then return nil, problems end
  return files
end

local PLACES = { "/lib/?.lua", "/lib/?/init.lua", "/?.lua", "/?/init.lua" }

--- The file of a module that a rule file requires: in the folder lib/ beside
--- it, or beside it.
---@param folder string of the rule file
---@param name string of the module
---@return string|nil path
---@return string|nil text
function Sources:module(folder, name)
  local file = name:gsub("%.", "/")
  for _, place in ipairs(PLACES) do
    local path = folder .. place:gsub("%?", (file:gsub("%%", "%%%%")))
    local text = self:read(path)
    if text then return path, text end
  end
  return nil
end

--- Reads the modules that a text requires by name, and theirs: what a body
--- requires later is then of the same version.
---@param folder string of the rule file
---@param text string
function Sources:follow(folder, text)
  if self.fixed then return end
  for name in text:gmatch("require%s*%(?%s*[\"']([%w_%.%-]+)[\"']") do
    self.followed = self.followed or {}
    if not self.followed[folder .. "\0" .. name] then
      self.followed[folder .. "\0" .. name] = true
      local _, found = self:module(folder, name)
      if found then self:follow(folder, found) end
    end
  end
end

return M
