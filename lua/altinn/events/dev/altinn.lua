-- Altinn in a box for `dev`: an emulator in this process that goes on where it was stopped, hears of the rules'
-- resources, and walks a letter through its life.
local files = require "altinn.events.support.files"
local emulator_kept = require "altinn.events.emulator.kept"
local events = require "altinn.events"
local inside = require "altinn.events.emulator.inside"
local letters = require "altinn.events.emulator.letters"
local publish = require "altinn.events.emulator.publish"
local server = require "altinn.events.emulator.server"
local wire = require "altinn.events.emulator.wire"
local world = require "altinn.events.emulator.world"

local M = {}

local RESOURCE = "acme-letters"
local OWNER, RECIPIENT = "991825827", "987654321"  -- Digdir, who owns every resource of the emulator; somebody else
local OWNER_SCOPES = "altinn:events.subscribe altinn:serviceowner altinn:correspondence.read"
  .. " altinn:correspondence.write"
local RECIPIENT_SCOPES = "altinn:events.subscribe altinn:correspondence.read"
local TOKEN_SECONDS = 10 * 365 * 86400
local DUE_SECONDS = 7 * 86400     -- after which a letter is to be confirmed
local SLACK = 0.001  -- seconds: an event's time is rounded
local SAVE_SECONDS = 0.3          -- between two writes of what it knows, at least
local SHARE = 10                  -- so many times as long as a write took there is none
local URN = "urn:altinn:resource:"

local Altinn = {}
Altinn.__index = Altinn

-- What the rules want.

local function conditions_on(set, attribute, visit)
  for _, rule in ipairs(set) do
    for _, condition in ipairs(rule.conditions or {}) do
      local asks = condition.attribute == attribute and condition.test == "is"
      for _, one in ipairs(asks and condition.alternatives or {}) do
        if not one.prefix then visit(one[1]) end
      end
    end
  end
end

local function resources_of(set)
  local list, seen = {}, {}
  local function add(name)
    if not seen[name] then list[#list + 1], seen[name] = name, true end
  end
  conditions_on(set, "resource", function(value) add((value:gsub("^" .. URN, ""))) end)
  add(RESOURCE)
  return list
end

local ACTS = { ["read:content"] = true, ["mark:read"] = true, confirm = true, purge = true, download = true }

-- The organisation that the rules act for: the recipient of letters where they name one or do what recipients alone may
-- do, else the owner of all resources.
local function acts_for(set)
  local recipient
  conditions_on(set, "subject", function(value) recipient = recipient or world.new({}).number(value) end)
  for _, rule in ipairs(set) do
    for _, power in ipairs(rule.may or {}) do
      if ACTS[power] then recipient = recipient or RECIPIENT end
    end
  end
  return recipient or OWNER, recipient or RECIPIENT
end

-- Keeping.

-- Writes beside the file first, so that it is whole at any moment.
local function write(path, text)
  local file, message = io.open(path .. ".new", "wb")
  if not file then return nil, message end
  local fine = file:write(text)
  fine = file:close() and fine
  if not fine then return nil, path .. ": it cannot be written" end
  return os.rename(path .. ".new", path)
end

--- Writes down what it knows, when that has changed.
---@param always boolean|nil also when nothing but the time has
---@return boolean|nil fine
---@return string|nil message
function Altinn:save(always)
  local now = select(2, self.emulator.clock.real())
  if not always and (not self.changed or now < self.save_at) then return true end
  self.changed = false
  local fine, message = write(self.file, emulator_kept.text(self.emulator))
  local ended = select(2, self.emulator.clock.real())
  self.save_at = ended + math.max(SAVE_SECONDS, SHARE * (ended - now))
  return fine, message
end

-- A subscription for each resource, as its owner has it. Those of an earlier run go where they went: to this host, if
-- it still has its address, and else they are replaced.
local function subscribe(self, resources)
  local all, others, known = self.emulator.subscriptions, {}, {}
  for _, one in ipairs(all.list) do
    local ours = one.consumer == self.consumer and not one.subject and not one.type
    if ours and one.endpoint ~= self.endpoint then all.by_id[one.id] = nil
    else
      others[#others + 1] = one
      if ours then known[one.resource] = true end
    end
  end
  all.list = others
  for _, name in ipairs(resources) do
    local resource = URN .. name
    if not known[resource] then
      all:add { endpoint = self.endpoint, resource = resource, subunits = false, consumer = self.consumer }
        .validated = true
    end
  end
end

--- Hears of the rules that are in force now.
---@param set table[]
function Altinn:know(set)
  self.resources = resources_of(set)
  self.organisation, self.recipient = acts_for(set)
  self.emulator.world.organisation = self.recipient
  if self.endpoint then subscribe(self, self.resources) end
  self.changed = true
end

--- Where events go from now on.
---@param endpoint string
function Altinn:push_to(endpoint)
  self.endpoint = endpoint
  subscribe(self, self.resources)
end

local function token_of(emulator, organisation)
  local scopes = organisation == OWNER and OWNER_SCOPES or RECIPIENT_SCOPES
  local request = { query = { { "scopes", scopes }, { "orgNo", organisation }, { "ttl", tostring(TOKEN_SECONDS) } } }
  return emulator.tokens:test_token(request).body
end

--- A token for the rules.
---@return string
function Altinn:token() return token_of(self.emulator, self.organisation) end

-- A letter's life.

--- The letter that an event is about; nil: there is none here.
---@param event table
---@return table|nil letter
function Altinn:letter_of(event)
  local about = events.describe(event)
  return about and about.about == "letter" and self.emulator.letters.by_id[about.id] or nil
end

local function new_letter(self)
  local clock = self.emulator.clock
  self.turn = self.turn % #self.resources + 1
  local resource = self.resources[self.turn]
  return self.emulator.letters:create {
    resource = resource, sender = self.emulator.world:owner(resource), recipient = self.recipient, title = "A letter",
    body = "Hello", sendersReference = "dev-" .. #self.emulator.letters.list + 1, isConfirmationNeeded = true,
    dueDateTime = wire.time(clock:now() + DUE_SECONDS),
  }
end

--- The next step of the letter that is walked: a new one is made and published, then read, then confirmed.
---@return string step in words
function Altinn:walk()
  local letter, all = self.walked, self.emulator.letters
  self.changed = true
  if not letter or letters.has_been(letter, "Confirmed") or letter.confirming or letter.purged then
    self.walked = new_letter(self)
    return ("letter %s: made and published (l: it is read; t: time passes)"):format(self.walked.id)
  elseif not letters.has_been(letter, "Read") then
    all:read(letter)
    return ("letter %s: read (l: it is confirmed)"):format(letter.id)
  end
  all:confirm(letter)
  return ("letter %s: confirmed, which Altinn tells in some seconds (l: another letter)"):format(letter.id)
end

-- The same event once more, as a new one: about a twin of its letter where there is one, so that nothing was done yet.

local SILENT_STEPS = { Published = "publish", Read = "read", Failed = "fail" }

-- The twin is what the letter was at a time.
local function twin_of(self, letter, time)
  local emulator, spec = self.emulator, {}
  for name, value in pairs(letter.spec) do spec[name] = value end
  spec.hold, spec.requestedPublishTime, spec.idempotentKey, spec.notification = true, nil, nil, nil
  spec.attachments = {}
  for index, one in ipairs(letter.attachments) do spec.attachments[index] = one.file end
  local before = emulator.silent
  emulator.silent = true
  local twin = emulator.letters:create(spec)
  twin.held = false
  for _, entry in ipairs(letter.history) do
    local step = SILENT_STEPS[entry.status]
    if entry.at > time + SLACK then break end
    if step then emulator.letters[step](emulator.letters, twin, entry.text)
    elseif entry.status == "Confirmed" then
      twin.confirming = true
      emulator.letters:set(twin, "Confirmed")
    end
  end
  emulator.silent = before
  return twin
end

--- Publishes an event as Altinn does: pushed to the host.
---@param text string JSON
---@return boolean|nil fine
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function Altinn:publish(text)
  local record, message, code, detail = publish.record(text)
  if not record then return nil, message, code, detail end
  self.emulator.deliveries:push(record, { id = 0, endpoint = self.endpoint, validated = true })
  return true
end

--- A twin of the letter that an event is about, as it was at the time of the event.
---@param event table
---@return string|nil id nil: it is about no letter of this emulator
function Altinn:twin(event)
  local letter = self:letter_of(event)
  self.changed = true
  local time = event.time and events.time(event) + 1 or math.huge  -- in whole seconds
  return letter and twin_of(self, letter, time).id
end

--- Sends an event again under another id, about another thing: a twin of its letter, where it is one of this emulator.
---@param event table
---@return string|nil words what was done
---@return string|nil message
function Altinn:again(event)
  local copy, twin = events.totable(event), self:twin(event)
  copy.id, copy.time = wire.uuid(), wire.time(self.emulator.clock:now())
  if copy.resourceinstance then copy.resourceinstance = twin or wire.uuid() end
  local fine, message = self:publish(assert(events.encode(copy)))
  if not fine then return nil, message end
  return twin and "again, about a twin of its letter: " .. twin or "again, under a new id"
end

-- Time.

--- Moves its clock; what falls due on the way happens, and `done` is called at the end.
---@param seconds number
---@param done fun()
function Altinn:advance(seconds, done)
  self.changed = true
  self.emulator:advance(self.emulator.clock:now() + seconds, done)
end

--- Seconds since 1970 by its clock.
---@return number
function Altinn:now() return self.emulator.clock:now() end

--- The address of the emulator.
---@return string
function Altinn:base() return self.emulator.base end

--- One round of the emulator.
---@param seconds number that it waits at most
function Altinn:step(seconds) self.emulator:step(seconds) end

--- A copy at which a rehearsal may look, and where nothing happens by itself.
---@return fun(path: string): table reply { status, headers, body }
function Altinn:copy()
  local at = self:now()
  local copy = inside.new {
    now = function() return at end, after = function() return {} end, forget = function() end,
    post = function() return {} end, platform = self.emulator.platform, silent = true, world = self.emulator.world,
  }
  emulator_kept.take(copy, assert(emulator_kept.read(emulator_kept.text(self.emulator))), true)
  local token = token_of(copy, self.organisation)
  return function(path)
    return copy:request { method = "GET", url = copy.platform .. path,
      headers = { Authorization = "Bearer " .. token } }
  end
end

function Altinn:close()
  local fine, message = self:save(true)
  self.emulator:close()
  return fine, message
end

local function known_of(file)
  local text = files.read(file)
  if not text then return nil end
  local known, message = emulator_kept.read(text)
  if not known then error(("%s: %s; remove it to begin anew"):format(file, message), 0) end
  return known
end

--- Starts the emulator, or goes on with it.
---@param options { listen: table, file: string, log: fun(level: string, what: string, fields: table) } file: where it
---  keeps what it knows
---@return table|nil altinn
---@return string|nil message
---@return string|nil code
function M.new(options)
  local fine, known = pcall(known_of, options.file)
  if not fine then return nil, known, "storage" end
  local self = setmetatable({ file = options.file, save_at = 0, changed = true, turn = 0 }, Altinn)
  local emulator, message, code = server.new {
    listen = options.listen, now = known and math.max(known.now, os.time()) or nil, visible_after = 0,
    world = world.new { organisation = RECIPIENT, accept_any_grant = true },
    log = function(level, what, fields)
      self.changed = true
      options.log(level, what, fields)
    end,
  }
  if not emulator then return nil, message, code end
  self.emulator, self.consumer = emulator, emulator.world:owner_identity(URN .. RESOURCE)
  if known then emulator_kept.take(emulator, known) end
  self:know {}
  return self
end

return M
