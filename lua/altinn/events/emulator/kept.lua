-- What an emulator knows, as a text that another emulator can take up: letters, attachments, events, subscriptions and
-- the time. Pushes under way, tokens, faults and the outcomes of notifications that are not known yet are left out.
local cjson = require("cjson.safe").new()
local events = require "altinn.events"
local letters = require "altinn.events.emulator.letters"
local publish = require "altinn.events.emulator.publish"

local M = {}

local VERSION = 1

cjson.encode_number_precision(14)
cjson.encode_max_depth(8)

-- Tables become nodes, so that those that are met twice stay one. A node is a list of names and one of values; a value
-- that is a table is { t = number of its node }, a whole number that is a name { i = number }.
local function flatten(root)
  local nodes, numbers = {}, {}
  local function number_of(value)
    if numbers[value] then return numbers[value] end
    local node = { names = {}, values = {} }
    nodes[#nodes + 1], numbers[value] = node, #nodes + 1
    for name, one in next, value do
      local kind, at = type(one), #node.names + 1
      local kept = kind == "table" and { t = number_of(one) } or one == events.null and { n = true }
        or (kind == "string" or kind == "number" or kind == "boolean") and { v = one } or nil
      if kept then
        node.names[at], node.values[at] = type(name) == "number" and { i = name } or { s = name }, kept
      end
    end
    return numbers[value]
  end
  number_of(root)
  return nodes
end

local function number_from(value) return math.tointeger(value) or value end

local function unflatten(nodes)
  local tables = {}
  for index = 1, #nodes do tables[index] = {} end
  for index, node in ipairs(nodes) do
    for at, name in ipairs(node.names) do
      local kept, value = node.values[at], events.null
      if kept.t then value = tables[kept.t] elseif not kept.n then value = kept.v end
      if type(value) == "number" then value = number_from(value) end
      tables[index][name.i and number_from(name.i) or name.s] = value
    end
  end
  return tables[1]
end

local function events_of(emulator)
  local list = {}
  for index, record in ipairs(emulator.events:all()) do
    list[index] = { registered = record.registered, body = record.body, form = record.form }
  end
  return list
end

--- What it knows.
---@param emulator table
---@return string text
function M.text(emulator)
  return assert(cjson.encode { version = VERSION, nodes = flatten {
    now = emulator.clock:now(), letters = emulator.letters.list, files = emulator.files.list,
    events = events_of(emulator), subscriptions = emulator.subscriptions.list, last = emulator.subscriptions.last,
  } })
end

-- What a letter waits for goes on: its publishing, its due date, a confirmation.
local function go_on(emulator, letter, saved)
  local all = emulator.letters
  local over = letters.has_been(letter, "Published") or letters.has_been(letter, "Failed")
  if not over then all:schedule(letter) end
  if letter.due and letter.due > saved then
    emulator.clock:at(letter.due, function() all:check_due(letter) end)
  end
  if letter.confirming and not letters.has_been(letter, "Confirmed") then
    letter.confirming = nil
    all:confirm(letter)
  end
end

local function take_letters(emulator, list)
  local all = emulator.letters
  all.list = list
  for _, letter in ipairs(list) do
    all.by_id[letter.id] = letter
    if letter.dialog and not letter.transmission then all.by_dialog[letter.dialog] = letter end
    if letter.spec.idempotentKey then all.by_key[letter.spec.idempotentKey:lower()] = letter end
  end
end

local function take_events(emulator, list)
  local all = emulator.events
  for _, one in ipairs(list) do
    local record = publish.record(one.form)
    if record then
      record.body = one.body
      all.list[#all.list + 1] = setmetatable({ registered = one.registered }, { __index = record })
      all.known[record.source .. "\0" .. record.id] = true
    end
  end
  all.registered = #all.list
end

local function take_subscriptions(emulator, known)
  local all = emulator.subscriptions
  all.list, all.last = known.subscriptions, known.last
  for _, one in ipairs(all.list) do all.by_id[one.id] = one end
end

local function is_whole(known)
  if type(known) ~= "table" or type(known.now) ~= "number" then return false end
  for _, name in ipairs { "letters", "files", "events", "subscriptions" } do
    if type(known[name]) ~= "table" then return false end
  end
  return true
end

--- Reads what another emulator knew.
---@param text string
---@return table|nil known { now, letters, files, events, subscriptions, last }
---@return string|nil message
function M.read(text)
  local value = cjson.decode(text)
  if type(value) ~= "table" or value.version ~= VERSION or type(value.nodes) ~= "table" then
    return nil, "this is nothing that an emulator has kept"
  end
  local fine, known = pcall(unflatten, value.nodes)
  if not fine or not is_whole(known) then return nil, "what an emulator has kept is damaged" end
  return known
end

--- Gives an emulator that knows nothing yet what another one knew. Its clock has to be there already.
---@param emulator table
---@param known table
---@param still boolean|nil nothing happens by itself any more
function M.take(emulator, known, still)
  emulator.files.list = known.files
  for _, file in ipairs(known.files) do emulator.files.by_id[file.id] = file end
  take_letters(emulator, known.letters)
  take_events(emulator, known.events)
  take_subscriptions(emulator, known)
  if still then return end
  for _, letter in ipairs(known.letters) do go_on(emulator, letter, known.now) end
end

return M
