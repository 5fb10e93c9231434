-- The texts of rule files and of the modules that they require. Each is read once and kept by its path, so that all
-- threads load the same version.
local paths = require "altinn.events.support.path"

local M = {}

local Sources = {}
Sources.__index = Sources

-- The texts that stand for files; see M.stand_in.
local standing

local function shell_quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function is_folder(path)
  local file = io.open(path .. "/.", "r")
  if file then file:close() end
  return file ~= nil
end

-- Shell code that sets $k to the kind of the file $p, one letter. The kind must be known before a file is opened:
-- opening a pipe would wait for a writer.
local KIND = [[if [ -f "$p" ]; then k=f; elif [ -d "$p" ]; then k=d; elif [ -e "$p" ]; then k=o;]]
  .. [[ elif [ -L "$p" ]; then k=l; else k=n; fi]]

local UNREADABLE = {
  d = "this is a folder, not a file with rules",
  o = "this is no regular file (a pipe, a socket or a device), and is not read",
}

-- The *.lua files of a folder, sorted, without specs (or the specs alone), and their kinds by path; nil when the folder
-- cannot be read. The listing ends with the line "/", which is no file's name, so that an incomplete one is noticed.
local function files_in(folder, specs)
  local plain = folder:gsub("/+$", "")
  local pipe = io.popen(("{ ls -1 -- %s && echo /; } 2>/dev/null | while IFS= read -r n; do p=%s/$n; %s;"
    .. " printf '%%s%%s\\n' $k \"$n\"; done"):format(shell_quote(folder), shell_quote(plain), KIND), "r")
  local list, kinds, whole = {}, {}, false
  if not pipe then return nil end
  for line in pipe:lines() do
    local kind, name = line:match("^(.)(.*)$")
    local is_spec = name and name:find("_spec%.lua$") ~= nil
    if kind and name:find("%.lua$") and is_spec == (specs or false) and not name:find("^%.") then
      list[#list + 1] = plain .. "/" .. name
      kinds[list[#list]] = kind
    end
    whole = name == "/"
  end
  pipe:close()
  if not whole then return nil end
  table.sort(list)
  return list, kinds
end

-- The kinds of a few files, by their paths.
local function kinds_of(list)
  local words, kinds = {}, {}
  for index, path in ipairs(list) do words[index] = shell_quote(path) end
  local pipe = io.popen(("for p in %s; do %s; echo $k; done"):format(table.concat(words, " "), KIND), "r")
  if not pipe then return kinds end
  for _, path in ipairs(list) do kinds[path] = pipe:read("*l") end
  pipe:close()
  return kinds
end

local function read_text(path, kind)
  if UNREADABLE[kind] then return nil, UNREADABLE[kind] end
  local file, message = io.open(path, "rb")
  if not file then
    return nil, (message:match(": ([^:]*)$") or message) .. (kind == "l" and ": what this link points to" or "")
  end
  local text
  text, message = file:read("*a")
  file:close()
  if not text then return nil, message end
  return text
end

--- The source of texts: the disk, or a table.
---@param given table<string, string>|nil path -> text: nothing is read from the disk; nil: the disk
---@param overlay table<string, string>|nil texts by path that stand for those on the disk
---@return table sources `texts` (path -> text of each file that was read), `fixed` (nothing is read from the disk)
function M.new(given, overlay)
  local texts = given or {}
  for path, text in pairs(overlay or {}) do texts[path] = text end
  return setmetatable({ texts = texts, fixed = given ~= nil, kinds = {}, absent = {} }, Sources)
end

--- From now on these texts are read in place of the files of the same paths, and of these folders nothing else.
---@param texts table<string, string> by path
---@param folders string[] those of them that are folders
---@param working_folder string
function M.stand_in(texts, folders, working_folder)
  standing = { texts = {}, folders = {}, folder = working_folder }
  for path, text in pairs(texts) do standing.texts[paths.plain(path, working_folder)] = text end
  for _, path in ipairs(folders) do standing.folders[paths.plain(path, working_folder)] = true end
end

local function standing_text(path) return standing and standing.texts[paths.plain(path, standing.folder)] end

-- The rule files of a folder among the texts that stand for files; nil when it is no folder of them.
local function standing_files(folder)
  local plain = standing and paths.plain(folder, standing.folder)
  if not plain or not standing.folders[plain] then return nil end
  local list = {}
  for path in pairs(standing.texts) do
    local name = (plain == "." and path or path:sub(1, #plain + 1) == plain .. "/" and path:sub(#plain + 2) or "/")
    if not name:find("/", 1, true) then list[#list + 1] = folder:gsub("/+$", "") .. "/" .. name end
  end
  table.sort(list)
  return list, {}
end

--- The text of a file.
---@param path string
---@return string|nil text
---@return string|nil message
function Sources:read(path)
  if self.texts[path] then return self.texts[path] end
  if self.fixed then return nil, "No such file or directory" end
  local stand_in = standing_text(path)
  if stand_in then
    self.texts[path] = stand_in
    return stand_in
  end
  local text, message = read_text(path, self.kinds[path] or kinds_of({ path })[path])
  self.texts[path] = text
  return text, message
end

--- The rule files that paths name: files as they are, folders by their
--- *.lua files (without *_spec.lua), sorted.
---@param given string[]
---@return string[]|nil files
---@return table[]|nil problems each { file, message }
function Sources:files(given)
  local files, problems = {}, {}
  for _, path in ipairs(given) do
    if not self.fixed and is_folder(path) then
      local inside, kinds = standing_files(path)
      if not inside then inside, kinds = files_in(path) end
      if not inside then
        problems[#problems + 1] = { file = path, message = "the folder cannot be read" }
      elseif #inside == 0 then
        problems[#problems + 1] = { file = path, message = "the folder holds no rule file (*.lua)" }
      end
      for _, file in ipairs(inside or {}) do
        files[#files + 1], self.kinds[file] = file, kinds[file]
      end
    else
      local text, message = self:read(path)
      if text then files[#files + 1] = path
      else problems[#problems + 1] = { file = path, message = message } end
    end
  end
  if #problems > 0 then return nil, problems end
  return files
end

--- The files *_spec.lua of a folder, sorted.
---@param folder string
---@return string[]|nil files nil: it is no folder, or cannot be read
function M.specs(folder)
  return is_folder(folder) and files_in(folder, true) or nil
end

local PLACES = { "/lib/?.lua", "/lib/?/init.lua", "/?.lua", "/?/init.lua" }

-- The paths at which the file of a module may be, in the order in which they are tried.
local function places_of(folder, name)
  local file, list = name:gsub("%.", "/"):gsub("%%", "%%%%"), {}
  for index, place in ipairs(PLACES) do list[index] = folder .. place:gsub("%?", (file)) end
  return list
end

-- Whether a file exists that could not be read. A folder does not count: it may hold modules.
local function is_there(kind, message)
  local is_nothing = message:find "^No such file" or message:find "^Not a directory"
  return kind ~= "d" and not (kind == "n" and is_nothing)
end

--- The file of a module that a rule file requires: in the folder lib/ beside
--- it, or beside it.
---@param folder string of the rule file
---@param name string of the module
---@return string|nil path
---@return string|nil text without a path: why the file cannot be read; nil: there is no file
function Sources:module(folder, name)
  local places, kinds = places_of(folder, name), nil
  for _, path in ipairs(places) do
    if self.texts[path] then return path, self.texts[path] end
    if not self.fixed then
      kinds = kinds or kinds_of(places)
      self.kinds[path] = kinds[path]
      local text, message = self:read(path)
      if text then return path, text end
      if is_there(kinds[path], message) then return nil, ("%s: %s"):format(path, message) end
    end
  end
  return nil
end

--- The names of the modules in the folder lib/ of a rule file.
---@param folder string of the rule file
---@return table<string, true>
function Sources:modules(folder)
  local names = {}
  for _, place in ipairs(self.fixed and {} or { folder .. "/lib" }) do
    for _, path in ipairs(files_in(place) or {}) do names[path:match("([^/]*)%.lua$")] = true end
  end
  return names
end

--- Reads the modules that a text requires by name, and the modules that those require, so that a body that requires one
--- later gets the same version.
---@param folder string of the rule file
---@param text string
---@param faults string[] gets a message for each module that cannot be read, once in a load
---@param found table<string, true> gets the paths of the modules
function Sources:follow(folder, text, faults, found)
  for name in text:gmatch("require%s*%(?%s*[\"']([%w_%.%-]+)[\"']") do
    local wanted = folder .. "\0" .. name
    local path, inner
    if not self.absent[wanted] then path, inner = self:module(folder, name) end
    if not path then
      faults[#faults + 1], self.absent[wanted] = inner, true
    elseif not found[path] then
      found[path] = true
      self:follow(folder, inner, faults, found)
    end
  end
end

-- A path as it is seen from the folder of the rule file.
local function relative(folder, path)
  return path:sub(1, #folder + 1) == folder .. "/" and path:sub(#folder + 2) or path
end

--- The texts that make a rule file: its own, and those of the modules that it requires.
---@param folder string of the rule file
---@param file string
---@param found table<string, true> the paths of its modules
---@return { name: string, text: string }[] parts in the order of their names, which do not depend on the folder
function Sources:parts(folder, file, found)
  local list = { { name = relative(folder, file), text = self.texts[file] } }
  for path in pairs(found) do list[#list + 1] = { name = relative(folder, path), text = self.texts[path] } end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

return M
