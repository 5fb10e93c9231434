-- Mends files by the fixes of findings, round after round, until nothing changes. Works on texts; writing them is
-- another function.
local disk = require "altinn.events.support.files"
local edits = require "altinn.events.rules.edits"
local positions = require "altinn.events.support.positions"

local M = {}

local ROUNDS = 20  -- a fix may uncover a mistake, but not for ever

local MARK = "\239\187\191"

local loads = rawget(_G, "loadstring") or load

local function by_file(list)
  local files, names = {}, {}
  for _, one in ipairs(list) do
    if one.fix and one.file then
      if not files[one.file] then
        files[one.file] = {}
        names[#names + 1] = one.file
      end
      table.insert(files[one.file], one)
    end
  end
  table.sort(names)
  return files, names
end

-- Applies the fixes of one file's findings; fixes that would make a text unreadable that Lua could read are left out.
local function mended(text, findings)
  local mark = text:sub(1, #MARK) == MARK and MARK or ""
  local plain = text:sub(#mark + 1)
  local fixes = {}
  for index, one in ipairs(findings) do fixes[index] = one.fix end
  local after, applied = edits.apply(plain, fixes)
  if loads(plain) and not loads(after) then return text, {} end
  return mark .. after, applied
end

-- A round; whether it changed anything.
local function mend_once(list, work, read)
  local files, names = by_file(list)
  local changed = false
  for _, name in ipairs(names) do
    local text = work.texts[name] or read(name)
    local after, applied = text, {}
    if text then after, applied = mended(text, files[name]) end
    if after ~= text then
      changed, work.before[name], work.texts[name] = true, work.before[name] or text, after
      for index, one in ipairs(files[name]) do
        if applied[index] then work.fixed[#work.fixed + 1] = one end
      end
    end
  end
  return changed
end

--- Mends texts until their findings hold no fix that changes anything.
---@param judge fun(texts: table<string, string>): altinn.events.finding[] the findings when these texts stand for those
---  of files
---@param read fun(file: string): string|nil gives the text of a file
---@return { texts: table<string, string>, before: table<string, string>, fixed: altinn.events.finding[], left:
---  altinn.events.finding[] } work the new and the old texts of the changed files; the findings that were mended, at
---  the places that they had then, and those that are left
function M.mend(judge, read)
  local work = { texts = {}, before = {}, fixed = {} }
  for _ = 1, ROUNDS do
    work.left = judge(work.texts)
    if not mend_once(work.left, work, read) then return work end
  end
  work.left = judge(work.texts)
  return work
end

-- Files.

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- The file that a path means: a link stays a link.
local function real(path)
  local pipe = io.popen("readlink -f -- " .. quoted(path) .. " 2>/dev/null", "r")
  local found = pipe and pipe:read "l"
  if pipe then pipe:close() end
  return found and found ~= "" and found or path
end

--- Writes a file so that at any moment it is whole, the old or the new one. Its mode and owner stay.
---@param path string
---@param text string
---@param before string the old text: a file that holds another one by now is left alone
---@return true|nil ok
---@return string|nil message
function M.write(path, text, before)
  local target = real(path)
  local draft = ("%s.altinn-events-%d"):format(target, os.time())
  local ok = os.execute(("cp -p -- %s %s 2>/dev/null"):format(quoted(target), quoted(draft)))
  local file, message = io.open(ok and draft or "/dev/null/none", "wb")
  if not ok then message = ("%s: cannot be replaced: is its folder writable?"):format(path) end
  if not file then return nil, message end
  local written = file:write(text)
  local closed
  closed, message = file:close()
  if not written or not closed then ok = nil
  elseif disk.read(target) ~= before then
    ok, message = nil, ("%s: has changed meanwhile, and was left as it is: run it again"):format(path)
  else ok, message = os.rename(draft, target) end
  if not ok then os.remove(draft) end
  return ok and true or nil, message
end

--- What changes in a file, as a unified diff.
---@param path string
---@param before string
---@param after string
---@return string
function M.diff(path, before, after)
  local names = { os.tmpname(), os.tmpname() }
  for index, text in ipairs { before, after } do
    local file = assert(io.open(names[index], "wb"))
    file:write(text)
    file:close()
  end
  local pipe = io.popen(("diff -u --label %s --label %s %s %s"):format(quoted("a/" .. path), quoted("b/" .. path),
    names[1], names[2]), "r")
  local text = pipe and pipe:read "a" or ""
  if pipe then pipe:close() end
  os.remove(names[1])
  os.remove(names[2])
  return text
end

--- How many lines a change takes away and adds.
---@param before string
---@param after string
---@return integer changed lines of the new text that the old one has not at their place, at least 1
function M.count(before, after)
  local old, count = positions.lines(before), 0
  for number, line in ipairs(positions.lines(after)) do
    if not old[number] or old[number].text ~= line.text then count = count + 1 end
  end
  return math.max(count, 1)
end

return M
