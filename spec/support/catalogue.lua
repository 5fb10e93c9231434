-- The closed sets of the core as definitions for editors: the text of lua/altinn/events/library/catalogue.lua.
-- `make definitions` writes it anew.
local core = require "altinn.events.core"

local function sorted(set)
  local list = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return list
end

local function text()
  local lines, types = {}, core.types()
  local function add(format, ...) lines[#lines + 1] = format:format(...) end
  local function alias(name, comment, list)
    add("\n--- %s\n---@alias %s", comment, name)
    for _, one in ipairs(list) do add('---| "%s"', one) end
  end
  local function explained(name)
    local entry = types[name]
    return entry.summary .. (entry.addressed_to and "; to the " .. entry.addressed_to or "")
      .. (entry.raised and "" or "; not raised today")
  end
  local names = sorted(types)
  add "---@meta _\n-- Made from the lists of the core (make definitions): change those."
  add "\n--- The short names of event types."
  add "---@alias altinn.events.type"
  for _, name in ipairs(names) do add('---| "%s" # %s', name, explained(name)) end
  add "\n--- The event types as they stand in events."
  add "---@alias altinn.events.full_type"
  for _, name in ipairs(names) do add('---| "%s" # %s', types[name].type, explained(name)) end
  alias("altinn.events.status", "What a letter can have been.", core.altinn.statuses)
  alias("altinn.events.environment", "The environments of Altinn.", sorted(core.altinn.environments))
  alias("altinn.events.role", "On which side of a letter the caller is.", core.altinn.roles)
  add "\n--- The catalogue of event types by short name; an unknown one raises."
  add "---@class altinn.events.types"
  for _, name in ipairs(names) do add("---@field %s altinn.events.catalogue_entry %s", name, explained(name)) end
  return table.concat(lines, "\n") .. "\n"
end

if arg and arg[0] and arg[0]:find "catalogue%.lua$" then io.stdout:write(text()) end

return { text = text }
