-- The things of a world: letters, their attachments and orders, with the steps of their lives.
local letters = require "altinn.events.emulator.letters"
local mistake = require "altinn.events.test.mistake"
local scenes = require "altinn.events.emulator.scenes"
local suggest = require "altinn.events.support.suggest"

local M = {}

-- What a thing belongs to; not in the thing itself, which specs print and compare.
local private = setmetatable({}, { __mode = "k" })   -- thing -> { world =, number =, one = of the emulator }

local function raise_unknown(kind, name, known)
  local list = {}
  for one in pairs(known) do list[#list + 1] = one end
  table.sort(list)
  mistake.raise("a %s has no '%s'%s; it has %s", kind, tostring(name), suggest.hint(tostring(name), known),
    table.concat(list, ", "))
end

-- A class of things: reading what there is not raises.
local function class(kind, methods, optional)
  return {
    __name = kind,
    __index = function(self, name)
      if methods[name] then return methods[name] end
      if optional[name] then return nil end
      local known = {}
      for own in next, self do known[own] = true end
      for other in pairs(methods) do known[other] = true end
      raise_unknown(kind, name, known)
    end,
    __tostring = function(self) return ("%s %d"):format(kind, private[self].number) end,
  }
end

local Letter, Attachment = {}, {}

local classes = {
  letter = class("letter", Letter, { title = true, summary = true, messageSender = true, dueDateTime = true }),
  attachment = class("attachment", Attachment, {}), order = class("order", {}, {}), dialog = class("dialog", {}, {}),
}

local function new(kind, world, one, number, fields)
  local thing = setmetatable(fields, classes[kind])
  private[thing] = { world = world, number = number, one = one }
  return thing
end

-- Calls what takes a step in the emulator; raises its message.
local function take(thing, call, ...)
  local own = private[thing]
  if not own then mistake.raise "the thing is missing: write a colon, as in letter:read()" end
  local world = own.world
  world:check_open()
  local message = world.altinn:by_chance(call, world.altinn, own.one, ...)
  if message then mistake.raise("%s: %s", tostring(thing), message) end
  world.altinn:tick()
  return thing
end

-- By their names in the emulator's control, with underscores: publish_failed; fail for short.
for _, step in ipairs(scenes.steps) do
  Letter[(step:gsub("-", "_"))] = function(self, values) return take(self, scenes.take_step, step, values or {}) end
end
Letter.fail = Letter.publish_failed
Letter.walk = function(self, values) return take(self, scenes.take_step, "walk", values or {}) end

for _, step in ipairs(scenes.attachment_steps) do
  Attachment[step] = function(self, values)
    return take(self, scenes.take_attachment_step, step, values or {})
  end
end

--- The letter's status at Altinn, as its overview shows it.
---@return string
function Letter:status() return letters.highest(private[self].one).status end

--- All statuses that the letter has had, in order.
---@return string[]
function Letter:statuses()
  local list = {}
  for index, entry in ipairs(private[self].one.history) do list[index] = entry.status end
  return list
end

--- Whether the letter ever had a status.
---@param status string
---@return boolean
function Letter:has_been(status)
  if not letters.statuses[status] then
    mistake.raise("no letter is ever '%s'%s", tostring(status), suggest.hint(tostring(status), letters.statuses))
  end
  return letters.has_been(private[self].one, status) ~= nil
end

--- The notification orders of the letter that were accepted so far.
---@return table[] orders each { id }
function Letter:orders()
  local list = {}
  for _, order in ipairs(private[self].one.orders) do
    if order.id then
      list[#list + 1] = new("order", private[self].world, { id = order.id, resource = self.resource,
        sender = self.sender, recipient = self.recipient }, #list + 1, { id = order.id })
    end
  end
  return list
end

--- The letter's dialog in Dialogporten.
---@return table dialog { id }
function Letter:dialog()
  local own = private[self]
  return new("dialog", own.world, { id = own.one.dialog, resource = self.resource, sender = self.sender,
    recipient = self.recipient }, own.number, { id = own.one.dialog })
end

local SHOWN = { "sendersReference", "title", "summary", "messageSender", "dueDateTime" }

--- A letter of a world.
---@param world table
---@param one table of the emulator
---@param number integer the how-manieth of the world
---@return table letter
function M.letter(world, one, number)
  local fields = { id = one.id, resource = one.resource, sender = one.sender, recipient = one.recipient,
    attachments = {} }
  for _, name in ipairs(SHOWN) do fields[name] = one.spec[name] end
  for index, entry in ipairs(one.attachments) do
    fields.attachments[index] = new("attachment", world, entry.file, index, { id = entry.file.id,
      fileName = entry.file.file_name, resource = one.resource })
  end
  return new("letter", world, one, number, fields)
end

--- What an event about a thing says of it.
---@param world table
---@param thing any
---@return { id: string|nil, resource: string|nil, sender: string|nil, recipient: string|nil } about
function M.about(world, thing)
  if thing == nil then return {} end
  if type(thing) == "string" then return { id = thing } end
  local own = private[thing]
  if not own then mistake.raise("a letter, attachment or order of this world is needed, or an id: %s is none",
    tostring(thing)) end
  if own.world ~= world then mistake.raise("%s belongs to another world", tostring(thing)) end
  local one = own.one
  return { id = one.id, resource = one.resource, sender = one.sender, recipient = one.recipient }
end

local BARE = { letter = true, attachment = true, order = true }

--- Raises when events of a type are about another kind of thing.
---@param thing any
---@param type string of events, as rules write it
---@param about string|nil what these are about
function M.check_kind(thing, type, about)
  local kind = private[thing] and getmetatable(thing).__name
  if not BARE[kind] or not BARE[about] or kind == about then return end
  local of = { attachment = "letter.attachments[1]", order = "letter:orders()[1]" }
  mistake.raise("push: %s is about an %s, and %s is none%s", type, about, tostring(thing),
    kind == "letter" and of[about] and ": write " .. of[about] or "")
end

--- The id of a thing, or nil when the value is none of a world's.
---@param thing any
---@return string|nil
function M.id_of(thing) return private[thing] and private[thing].one.id end

return M
