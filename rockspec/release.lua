-- The version, and what must agree with it. It stands in lua/altinn/events.lua (_VERSION) and is raised right after a
-- release; the rockspecs of the release are made of the development ones, CHANGELOG.md and the tag are checked.
--
--   lua5.4 rockspec/release.lua          prints the version; what disagrees goes to standard error, status 1
--   lua5.4 rockspec/release.lua write    writes the rockspecs of the version, then the same
--
-- A tag of the present commit that begins with "v" must be "v" and the version, and the changelog dated by then.
-- The first argument that holds a slash is the folder of the tree (default: the present one).

local ROCKS = { "altinn-events", "altinn-events-host" }
local REVISION = 1  -- of the rockspec; begins again at 1 with each version

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

local function lines(command)
  local list, pipe = {}, assert(io.popen(command))
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

-- Replaces what must be there exactly once.
local function replace(text, pattern, with, what)
  local count
  text, count = text:gsub(pattern, with)
  if count ~= 1 then error(("the development rockspec has %d lines for %s, not 1"):format(count, what), 0) end
  return text
end

-- The rockspec of a version, made of the development one. The rocks share C
-- sources: the host takes only the module of its own version.
local function release(text, version)
  text = replace(text, '\nversion = "scm%-1"\n', ('\nversion = "%s-%d"\n'):format(version, REVISION), "version")
  text = replace(text, '(\n  url = "[^"\n]*",\n)', ('%%1  tag = "v%s",\n'):format(version), "source.url")
  if text:find('"altinn-events == ', 1, true) then
    text = replace(text, '"altinn%-events == scm"', ('"altinn-events == %s"'):format(version), "the module")
  end
  return "-- Made by rockspec/release.lua from the development rockspec: change that one.\n" .. text
end

local function rockspecs(folder, version)
  local list = {}
  for _, rock in ipairs(ROCKS) do
    local source = assert(read(("%srockspec/%s-scm-1.rockspec"):format(folder, rock)), "no rockspec of " .. rock)
    list[#list + 1] = {
      path = ("rockspec/%s-%s-%d.rockspec"):format(rock, version, REVISION), text = release(source, version),
    }
  end
  return list
end

local function tags(folder)
  local list = {}
  for _, tag in ipairs(lines("git -C '" .. folder .. ".' tag --points-at HEAD 2>/dev/null")) do
    if tag:find("^v%d") then list[#list + 1] = tag end
  end
  return list
end

local function problems(folder, version)
  local list, changelog = {}, read(folder .. "CHANGELOG.md") or ""
  local newest, date = changelog:match("\n## %[([^%]\n]+)%] %- ([^\n]+)")
  if newest ~= version then
    list[#list + 1] = ("CHANGELOG.md: its newest version is %s, and lua/altinn/events.lua says %s"):format(
      newest or "missing", version)
  end
  for _, one in ipairs(rockspecs(folder, version)) do
    if read(folder .. one.path) ~= one.text then
      list[#list + 1] = one.path .. ": is not what the development rockspec makes: run make rockspecs"
    end
  end
  for _, tag in ipairs(tags(folder)) do
    if tag ~= "v" .. version then
      list[#list + 1] = ("tag %s: lua/altinn/events.lua says %s"):format(tag, version)
    elseif newest == version and not date:find("^%d%d%d%d%-%d%d%-%d%d$") then
      list[#list + 1] = ("CHANGELOG.md: %s is tagged, and says '%s' where its date stands"):format(version, date)
    end
  end
  return list
end

local function write(folder, version)
  for _, one in ipairs(rockspecs(folder, version)) do
    local file = assert(io.open(folder .. one.path, "wb"))
    assert(file:write(one.text))
    assert(file:close())
  end
end

local function main(arguments)
  local folder, is_writing = "", false
  for _, word in ipairs(arguments) do
    if word:find("/", 1, true) then folder = word:gsub("/*$", "/") end
    if word == "write" then is_writing = true end
  end
  local source = read(folder .. "lua/altinn/events.lua") or ""
  local version = source:match('_VERSION = "(%d+%.%d+%.%d+[%w%.]*)"')
  if not version then error("lua/altinn/events.lua has no _VERSION of the form 1.2.3", 0) end
  if is_writing then write(folder, version) end
  local list = problems(folder, version)
  for _, problem in ipairs(list) do io.stderr:write(problem, "\n") end
  print(version)
  return #list == 0
end

local ok, fine = pcall(main, arg)
if not ok then io.stderr:write(tostring(fine), "\n") end
os.exit(ok and fine, true)
