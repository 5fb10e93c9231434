-- A script for any Lua (lua5.1 to lua5.4, luajit), run by cron: pulls the events of a resource that came since the
-- last time, reacts to those it wants, and remembers how far it came.
--   ALTINN_TOKEN=… lua5.4 react.lua https://platform.tt02.altinn.no acme-letters cursor.txt
local events = require "altinn.events"

local base_url, resource, cursor_file = arg[1], arg[2], arg[3]
local client = events.client { base_url = base_url, token = os.getenv "ALTINN_TOKEN" }

local handlers = {
  events.on("correspondencereceiverneverread", function(event)
    print("on paper: " .. events.describe(event).letter)
  end),
  events.on("attachmentuploadfailed", function(event)
    print("malware: " .. events.describe(event).attachment)
  end),
}

local function read_cursor()
  local file = io.open(cursor_file, "r")
  local id = file and file:read("*l")
  if file then file:close() end
  return id
end

local function write_cursor(id)
  local file = assert(io.open(cursor_file .. ".new", "w"))
  assert(file:write(id, "\n"))
  assert(file:close())
  assert(os.rename(cursor_file .. ".new", cursor_file))
end

-- An event that cannot be handled ends the script: the next run begins with it.
for event in client:events { resource = resource, after = read_cursor() } do
  for _, handle in ipairs(handlers) do handle(event) end
  write_cursor(event.id)
end
