-- The events that were pushed into a world, by what they are about, and how the host answered.
local events = require "altinn.events"
local things = require "altinn.events.test.things"

local M = {}

local Pushes = {}
Pushes.__index = Pushes

--- No pushes.
---@return table pushes
function M.new()
  return setmetatable({ list = {}, by_thing = {}, by_id = {}, acknowledged = {}, count = 0 }, Pushes)
end

--- Notes a push.
---@param body string
---@param event table the event of it
---@param status integer with which the host answered
function Pushes:add(body, event, status)
  local push = { id = event.id, key = ("%s\n%s"):format(event.source, event.id), body = body }
  local about = events.describe(event).id or event.resourceinstance
  self.list[#self.list + 1] = push
  for _, pair in ipairs { { self.by_thing, about }, { self.by_id, event.id } } do
    local map, key = pair[1], pair[2]
    if key then
      map[key] = map[key] or {}
      table.insert(map[key], push)
    end
  end
  if status >= 200 and status < 300 and not self.acknowledged[push.key] then
    self.acknowledged[push.key], self.count = event, self.count + 1
  end
end

--- The pushes about a thing, an event, or of a thing's id.
---@param thing any
---@return table[]
function Pushes:of(thing)
  local id = things.id_of(thing)
  if id then return self.by_thing[id] or {} end
  if type(thing) == "string" then return self.by_thing[thing] or self.by_id[thing] or {} end
  local is_event = type(thing) == "table" or type(thing) == "userdata"
  return is_event and self.by_id[thing.id] or {}
end

--- The text of the event as it was pushed; nil: it never was.
---@param event any
---@return string|nil body
function Pushes:body(event)
  for _, push in ipairs(self.by_id[event.id] or {}) do
    if push.key == ("%s\n%s"):format(event.source, event.id) then return push.body end
  end
end

return M
