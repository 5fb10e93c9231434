-- The doors between the rooms: arrows go down only. Read from the includes and requires themselves.
local process = require "spec.support.process"

local function lines_of(command)
  local list, pipe = {}, assert(io.popen(command))
  for line in pipe:lines() do list[#list + 1] = line end
  assert(pipe:close())
  return list
end

-- The rooms of csrc, each with the rooms whose headers it may include besides its own.
local C = {
  core = {},
  net = { "core" },
  http = { "core" },
  inbox = { "core" },
  host = { "core", "http", "inbox" },
  ["lua/core"] = { "core", "lua" },
  ["lua/curl"] = { "core", "net", "lua" },
  ["lua/grant"] = { "core", "net", "lua" },
  ["lua/host"] = { "core", "http", "inbox", "host", "lua" },
  lua = { "core" },  -- what the bindings share
}

-- Libraries of the system, each with the only files that may know it (patterns of paths below csrc).
local LIBRARIES = {
  ["^lua%.h$"] = { "^lua/" }, ["^lauxlib%.h$"] = { "^lua/" }, ["^lualib%.h$"] = { "^lua/" },
  ["^curl/"] = { "^net/curl" },
  ["^microhttpd"] = { "^http/" },
  ["^sqlite3"] = { "^inbox/store_[%w_]+%.c$" },
  ["^libpq"] = { "^inbox/store_postgresql" },
  ["^openssl/"] = { "^net/grant" },
}

local function room_of(path) return path:match "^(lua/%w+)/" or path:match "^(%w+)/" end

local function includes(path)
  local own, system = {}, {}
  for line in process.read("csrc/" .. path):gmatch "[^\n]+" do
    own[#own + 1] = line:match '^%s*#%s*include%s*"([^"]+)"'
    system[#system + 1] = line:match "^%s*#%s*include%s*<([^>]+)>"
  end
  return own, system
end

local function has(list, room)
  for _, one in ipairs(list) do if one == room then return true end end
  return false
end

local function fits(path, patterns)
  for _, pattern in ipairs(patterns) do if path:find(pattern) then return true end end
  return false
end

-- What is wrong with the includes of a file.
local function wrong_includes(path)
  local faults, own, system = {}, includes(path)
  local room = room_of(path)
  if not C[room] then return { path .. ": a room that nobody knows" } end
  for _, header in ipairs(own) do
    local other = room_of(header)
    if not other then faults[#faults + 1] = ("%s: \"%s\" does not say its room"):format(path, header)
    elseif other ~= room and not has(C[room], other) then
      faults[#faults + 1] = ("%s: the room %s does not see %s"):format(path, room, header)
    end
  end
  for _, header in ipairs(system) do
    for library, files in pairs(LIBRARIES) do
      if header:find(library) and not fits(path, files) then
        faults[#faults + 1] = ("%s: only %s may know <%s>"):format(path, table.concat(files, ", "), header)
      end
    end
  end
  return faults
end

describe("the rooms of csrc", function()
  local files = lines_of "cd csrc && find . -name '*.[ch]' | sed 's|^./||' | sort"

  it("see only rooms below them, and name the room in each include", function()
    local faults = {}
    for _, path in ipairs(files) do
      for _, fault in ipairs(wrong_includes(path)) do faults[#faults + 1] = fault end
    end
    assert.are.same({}, faults)
    assert(#files > 80, "few files were read")
  end)

  it("the inbox knows SQL in its store alone", function()
    local faults = {}
    for _, path in ipairs(files) do
      local text = process.read("csrc/" .. path)
      if not path:find "^inbox/store_" and (text:find '"SELECT ' or text:find '"INSERT ' or text:find '"UPDATE '
        or text:find '"DELETE ' or text:find '"PRAGMA ') then
        faults[#faults + 1] = path
      end
    end
    assert.are.same({}, faults)
  end)

  it("is where the Makefile takes the files of each module from", function()
    local makefile = process.read "Makefile"
    assert.is_nil(makefile:find "csrc/lua/[%w_]+%*")  -- no guessing by names
  end)
end)

-- The rooms of lua/altinn/events, each with those that it may require besides its own. `face` is events.lua itself
-- and the public names beside it; `core` stands for the modules in C of the module (core, curl, grant).
local LUA = {
  support = { "core" },
  event = { "core", "face", "support" },
  client = { "core", "support", "event" },
  subscriptions = { "core", "face", "support", "event", "client" },
  rules = { "core", "face", "support", "event", "client", "subscriptions" },
  resty = { "core", "face", "support", "event", "client", "subscriptions", "rules" },
  face = { "core", "support", "event", "client", "rules", "resty" },
  library = {},
  host = { "core", "face", "support", "event", "client", "subscriptions", "rules", "module_host" },
  emulator = { "core", "face", "support", "event", "host", "module_host" },
  dev = { "core", "face", "support", "event", "client", "subscriptions", "rules", "host", "emulator",
    "module_host" },
  commands = { "core", "face", "support", "event", "client", "subscriptions", "rules", "host", "emulator", "dev",
    "test", "module_host" },
  test = { "core", "face", "support", "event", "client", "subscriptions", "rules", "host", "emulator",
    "module_host" },
}

local ROOM_OF_NAME = { core = "core", curl = "core", grant = "core", host = "module_host", test = "test" }

local function room_of_name(name)
  local rest = name:match "^altinn%.events%.(.+)$"
  if not rest then return name == "altinn.events" and "face" or nil end
  local folder = rest:match "^(%w+)%."
  if folder then return folder end
  if ROOM_OF_NAME[rest] then return ROOM_OF_NAME[rest] end
  local file = io.open(("lua/altinn/events/%s.lua"):format(rest:gsub("%.", "/")))
  if not file then return nil end  -- the name of a metatable
  file:close()
  return "face"
end

local function room_of_file(path)
  if path == "lua/altinn/events/test.lua" then return "test" end  -- its face
  return path:match "^lua/altinn/events/(%w+)/" or path:find "^lua/altinn/" and "face" or "commands"
end

describe("the rooms of lua", function()
  local files = lines_of "find lua -name '*.lua' | sort"

  it("require only rooms below them", function()
    local faults = {}
    for _, path in ipairs(files) do
      local room = room_of_file(path)
      local allowed = assert(LUA[room], path .. ": a room that nobody knows")
      for name in process.read(path):gmatch "[\"'](altinn%.events[%w_.]*)[\"']" do
        local other = room_of_name(name)
        if other and other ~= room and not has(allowed, other) then
          faults[#faults + 1] = ("%s: the room %s does not see %s"):format(path, room, name)
        end
      end
    end
    assert.are.same({}, faults)
  end)

  it("the module's never look the host's up among what is loaded", function()
    local faults = {}
    for _, path in ipairs(files) do
      local room = room_of_file(path)
      if room ~= "host" and room ~= "commands" and room ~= "emulator" and room ~= "test"
        and process.read(path):find "package%.loaded%[?[\"'.]" then
        faults[#faults + 1] = path
      end
    end
    assert.are.same({}, faults)
  end)
end)
