-- The thing that an event is about, as a rule sees it: a letter, an
-- attachment, or just an id. Calls to Altinn go out under the powers of the
-- rule (`may`), an answer is kept for the rest of the run, and a
-- call that fails raises, so that no rule takes a failure for an answer.
local core = require "altinn.events.core"
local details = require "altinn.events.client.details"
local events = require "altinn.events"
local members = require "altinn.events.rules.members"
local place = require "altinn.events.rules.place"
local retry_table = require "altinn.events.rules.retry_table"
local rules = require "altinn.events.rules.language"
local suggest = require "altinn.events.support.suggest"

local M = {}

-- The power, declared in a rule's `may`, that each method needs.
local POWERS = {
  overview = "read:overview", details = "read:details", has_been = "read:details", attachments = "read:overview",
  letters = "read:overview", content = "read:content",
  mark_read = "mark:read", confirm = "confirm", purge = "purge", download = "download",
}

--- The power that each method of a thing needs, by the method's name.
M.powers = POWERS

-- A rule that inspects a thing finds its id and kind only. The other state of a thing is in here: rule, connect,
-- asked (the client's object), kept (answers by method).
local private = setmetatable({}, { __mode = "k" })

--- The name of the thing that an event is about: "letter:0198…".
---@param event table
---@return string|nil name nil: it is about none
function M.name_of(event)
  local meaning = events.describe(event)
  return meaning and meaning.about and meaning.id and meaning.about .. ":" .. meaning.id
end

-- Failures.

local Failure = { __name = "altinn.events.failure" }
Failure.__index = Failure
Failure.__tostring = function(self) return self.message end

local function raise(message, code, detail)
  error(setmetatable({ message = message, code = code, detail = detail or {} }, Failure), 0)
end

--- Raises the failure of a call that something else than a rule made for a run; it is judged like a rule's own.
---@param message string
---@param code string
---@param detail table|nil
M.fail = raise

--- The failure of a call that a rule made and did not handle.
---@param value any the error that the rule raised
---@return { message: string, code: string, detail: table }|nil failure nil when it is another error
function M.failure(value)
  local whole = getmetatable(value) == Failure and type(value.message) == "string" and type(value.code) == "string"
    and type(value.detail) == "table"
  return whole and value or nil
end

-- Calls.

local function check_power(self, method)
  local power = POWERS[method]
  if not private[self] then
    place.mistake(("%s is called without its letter: write a colon, as in letter:%s()"):format(method, method), 3)
  end
  local rule = private[self].rule
  if not rules.may(rule, power) then
    raise(("the rule may not call %s:%s(): add \"%s\" to its may"):format(self.kind, method, power), "forbidden")
  end
end

local function nameless(self)
  return ("this event names no %s: it has no resourceinstance"):format(tostring(rawget(self, "kind")))
end

-- The client's letter or attachment; the client is made when a rule asks.
local function asked(self)
  local state = private[self]
  if rawget(self, "id") == nil then raise(nameless(self), "invalid") end
  local client, message, code = state.connect()
  -- Altinn was not asked, so the failure says nothing of the letter: not_found may mean a missing key file.
  if code == nil or retry_table.verdict { kind = code } == "never" then code = "usage" end
  if not client then raise(("Altinn cannot be asked: %s"):format(message), code) end
  if state.client ~= client then state.client, state.asked = client, client[self.kind](client, self.id) end
  return state.asked
end

local function checked(first, message, code, detail)
  if first == nil then raise(message, code, detail) end
  return first, message
end

local function read(self, method)
  check_power(self, method)
  local kept = private[self].kept
  if kept[method] == nil then
    local object = asked(self)
    local answer = checked(object[method](object))
    kept[method] = type(answer) == "table" and members.guarded(answer, self.kind, method) or answer
  end
  return kept[method]
end

-- Rules in the shadow. What would change something at Altinn is noted in the run's `would`, and does not happen.

local Shadowed = { __name = "altinn.events.shadowed", __tostring = function(self) return self.reason end }

--- The outcome of a body that a rule in the shadow could not finish without changing something at Altinn.
---@param raised any the error that the body raised
---@return { state: "shadowed", reason: string }|nil outcome nil: another error
function M.shadow_stop(raised)
  if getmetatable(raised) ~= Shadowed then return nil end
  return { state = "shadowed", reason = tostring(rawget(raised, "reason")) }
end

local function note(self, method)
  local run = place.run()
  if not run then return nil end
  run.would = run.would or {}
  run.would[#run.would + 1] = { kind = method, thing = ("%s:%s"):format(self.kind, rawget(self, "id") or "?") }
  return run
end

-- Ends the body: without the answer nobody can say how it goes on. The end holds also when the body catches the error.
local function stop_in_shadow(self, method, effect)
  check_power(self, method)
  local run = note(self, method)
  local stop = setmetatable({
    reason = ("in the shadow: it would go on with %s:%s(), which %s"):format(self.kind, method, effect),
  }, Shadowed)
  if run and run.own and not run.own.ended then run.own.ended = M.shadow_stop(stop) end
  error(stop, 0)
end

local function is_in_shadow(self) return private[self] ~= nil and private[self].rule.shadow == true end

-- As if it had been done.
local function act_in_shadow(self, method)
  check_power(self, method)
  if rawget(self, "id") == nil then raise(nameless(self), "invalid") end
  note(self, method)
  return true, { already = false }
end

-- Calls a method that changes the letter. The run then forgets its earlier answers about the letter, which may be
-- out of date.
local function act(self, method, ...)
  if is_in_shadow(self) then return act_in_shadow(self, method) end
  check_power(self, method)
  local object = asked(self)
  private[self].kept = {}
  return checked(object[method](object, ...))
end

local Attachment, Letter = {}, {}  -- their methods

--- The letter or attachment as it is; read once in a run. As recipient of a
--- letter this records Fetched. Needs "read:overview".
---@return table overview the server's names
function Letter:overview() return read(self, "overview") end
Attachment.overview = Letter.overview

--- The letter or attachment with its history; read once in a run. Needs "read:details".
---@return table details the server's names; of a letter also the method has_been
function Letter:details() return read(self, "details") end
Attachment.details = Letter.details

--- Whether the letter has ever had one of the statuses, by its history.
--- Needs "read:details".
---@param ... string such as "Read"
---@return boolean|nil was nil: Altinn does not tell a sender without altinn:serviceowner
---@return string|nil message with nil: which status cannot be known
function Letter:has_been(...)
  check_power(self, "has_been")
  details.check_statuses(2, ...)
  return read(self, "details"):has_been(...)
end

--- The attachments of the letter, as letter:download takes them. As recipient this records Fetched. Needs
--- "read:overview".
---@return table[] attachments id, fileName, …
function Letter:attachments()
  check_power(self, "attachments")
  return (checked(details.attachments(read(self, "overview"))))
end

--- The letters that hold the attachment: when its malware scan fails Altinn sets them all to Failed, and raises no
--- event for them. Needs "read:overview".
---@return table[] letters things, with the methods of a letter
function Attachment:letters()
  check_power(self, "letters")
  local state, list = private[self], {}
  for index, id in ipairs(read(self, "overview").correspondenceIds or {}) do
    list[index] = M.new(state.rule, { id = id, kind = "letter" }, state.connect)
  end
  return list
end

--- The body of the letter. This marks the letter as read! Needs
--- "read:content".
---@return string text Markdown
function Letter:content()
  if is_in_shadow(self) then stop_in_shadow(self, "content", "marks the letter as read") end
  return (read(self, "content"))
end

--- Marks the letter as read. Needs "mark:read".
---@return true ok
---@return { already: boolean } how whether it was before
function Letter:mark_read() return act(self, "mark_read") end

--- Confirms the letter. Needs "confirm".
---@return true ok
---@return { already: boolean } how whether it was before
function Letter:confirm() return act(self, "confirm") end

--- Deletes the letter. Needs "purge".
---@return true ok
---@return { already: boolean } how whether it was before
function Letter:purge() return act(self, "purge") end

--- Fetches an attachment. Needs "download".
---@param attachment string|table its id, or an entry of content.attachments
---@param sink string|function a path, or a function that gets part after part
---@param options table|nil { timeout = seconds }
---@return true ok
---@return { bytes: integer, media_type: string } what
function Letter:download(attachment, sink, options)
  if is_in_shadow(self) then stop_in_shadow(self, "download", "Altinn records in the letter's history") end
  return act(self, "download", attachment, sink, options)
end

-- A misspelt member must not be nil: it would be left out of keys and texts without a word.
local function unknown(self, name, methods)
  if name == "id" then place.mistake(nameless(self), 3) end
  local known = { id = true, kind = true }
  for method in pairs(methods) do known[method] = true end
  place.mistake(("there is no '%s' in a thing of kind '%s'%s; it has id, kind%s"):format(tostring(name),
    tostring(rawget(self, "kind")), suggest.hint(tostring(name), known),
    next(methods) and " and the methods of its kind; what Altinn says of it is in " .. self.kind .. ":details()" or ""),
    3)
end

local function class(name, methods)
  return {
    __name = name, is_thing = true, methods = methods,
    __index = function(self, member)
      local method = methods[member]
      if method then return method end
      -- Orders, dialogs and the like: Altinn's API for letters knows nothing of them.
      if POWERS[member] and not next(methods) then
        place.mistake(("this event is about a thing of kind '%s': only letters and attachments can be asked about")
          :format(tostring(rawget(self, "kind"))), 2)
      end
      unknown(self, member, methods)
    end,
    __tostring = function(self)
      local id = rawget(self, "id")
      return self.kind .. " " .. (id and core.mask(id) or "without a name")
    end,
  }
end

local classes = {
  letter = class("altinn.events.client.letter", Letter), attachment = class("altinn.events.attachment", Attachment),
}
local other = class("altinn.events.rules.thing", {})

--- The methods of things, by their kind; other kinds have none.
M.methods = { letter = Letter, attachment = Attachment }

--- The thing for one run of a rule; nothing is asked yet.
---@param rule table the rule, for its powers
---@param about { id: string, kind: string } id and kind of the thing, by events.describe
---@param connect fun(): table|nil, string|nil, string|nil the client, or nil, message, code; called before each call
---@return table thing { id, kind }, with methods when it is a letter or an attachment
function M.new(rule, about, connect)
  local self = setmetatable({ id = about.id, kind = about.kind }, classes[about.kind] or other)
  private[self] = { rule = rule, connect = connect, kept = {} }
  return self
end

return M
