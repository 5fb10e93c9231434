-- Letters and attachments of Correspondence, seen through a client.
local bodies = require "altinn.events.client.body"
local call = require "altinn.events.client.exchange"
local core = require "altinn.events.core"
local details_module = require "altinn.events.client.details"
local schema = require "altinn.events.support.schema"
local sinks = require "altinn.events.client.sink"

local M = {}

local clock = core.altinn.clock

-- The JSON object of a reply about the thing with this id.
local function object_of(id, member, reply, message, code, detail)
  if not reply then return nil, message, code, detail end
  local value
  value, message, code = call.decode(reply.body)
  if not value then return nil, message, code, { status = reply.status } end
  if value[member]:lower() ~= id:lower() then
    return nil, ("the reply is about another one: its %s is not the one asked for"):format(member), "invalid",
      { status = reply.status }
  end
  return value
end

local DOWNLOAD = { timeout = true }

local function timeout_of(options, level)
  if options == nil then return nil end
  schema.keys("download", options, DOWNLOAD, level + 1)
  return schema.number(options, "timeout", 0, level + 1)
end

-- The clients of letters and attachments. They are kept outside of the objects, so that printing one shows no token.
local clients = setmetatable({}, { __mode = "k" })

local function perform(self, name, wish, options)
  wish = wish or {}
  wish.id = self.id
  return call.perform(clients[self], name, wish, options)
end

local Letter = { __name = "altinn.events.client.letter" }
Letter.__index = Letter

Letter.__tostring = function(self) return "letter " .. core.mask(self.id) end

--- The letter as it is now. As recipient this records Fetched.
---@return table|nil overview the server's names; null members are nil
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function Letter:overview()
  return object_of(self.id, "correspondenceId", perform(self, "overview"))
end

--- The letter with its history. As recipient this records Fetched.
---@return table|nil details the server's names, and the methods has_been and notified
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function Letter:details()
  local details, message, code, detail = object_of(self.id, "correspondenceId", perform(self, "details"))
  if not details then return nil, message, code, detail end
  return details_module.new(details)
end

--- Whether the letter has ever had one of the statuses, by its history.
---@param ... string
---@return boolean|nil was nil without a code: Altinn does not tell this asker
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function Letter:has_been(...)
  details_module.check_statuses(2, ...)
  local details, message, code, detail = self:details()
  if not details then return nil, message, code, detail end
  return details:has_been(...)
end

--- The attachments of the letter, as its overview lists them. As recipient this records Fetched.
---@return table[]|nil attachments id, fileName, displayName, status, …, as download takes them
---@return string|nil message
---@return string|nil code forbidden: Altinn shows them to the recipient and the service owner only
---@return table|nil detail
function Letter:attachments()
  local overview, message, code, detail = self:overview()
  if not overview then return nil, message, code, detail end
  return details_module.attachments(overview)
end

--- The body of the letter, Markdown. This marks the letter as read!
---@return string|nil text
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function Letter:content()
  local reply, message, code, detail = perform(self, "content")
  if not reply then return nil, message, code, detail end
  return reply.body
end

local function gone(failure) return failure.code == "not_found" end

-- Carries out an action. The server may refuse it until the overview was fetched (errors 1024 and 1025 of
-- Altinn/altinn-correspondence src/Altinn.Correspondence.Application/Errors.cs): then it is fetched and the action
-- repeated, within one deadline.
local function act(self, name, options)
  local deadline = clock() + clients[self].timeout
  local reply, message, code, detail = perform(self, name, nil, options)
  if not reply and detail and detail.fetch then
    local fetched = perform(self, "overview", nil, { timeout = math.max(0.001, deadline - clock()) })
    if fetched then
      options = { timeout = math.max(0.001, deadline - clock()) }
      reply, message, code, detail = perform(self, name, nil, options)
    end
  end
  if not reply then return nil, message, code, detail end
  return true, { status = reply.status, already = reply.already, number = reply.number }
end

--- Marks the letter as read. Succeeds also when it was read before.
---@return true|nil ok
---@return string|table|nil message or, with true, { already = boolean }
---@return string|nil code
---@return table|nil detail
function Letter:mark_read() return act(self, "mark_read") end

--- Confirms the letter. Succeeds also when it was confirmed before. Altinn carries it out later: status and event
--- appear after 4 seconds or more. Do not ask for them more often than every 5 seconds.
---@return true|nil ok
---@return string|table|nil message or, with true, { already = boolean }
---@return string|nil code
---@return table|nil detail
function Letter:confirm() return act(self, "confirm") end

--- Deletes the letter. Succeeds also when it was deleted before. A sender can delete it only before it is published.
---@return true|nil ok
---@return string|table|nil message or, with true, { already = boolean }
---@return string|nil code
---@return table|nil detail
function Letter:purge() return act(self, "purge", { forgive = gone }) end

-- The function by which a transport feeds the sink. `state` gets the reason when the sink stops the download.
local function feed(sink, state)
  return function(part, head)
    local fault = bodies.fault(head and head.headers or {})
    if fault then
      state.message, state.code = fault.message, fault.code
      return false, state.message
    end
    if not state.begun then
      state.begun = true
      local ok, message = sink:restart()
      if not ok then
        state.message, state.code = message, "storage"
        return false, message
      end
    end
    local ok, message, code = sink:write(part)
    if ok then return true end
    state.message, state.code = message, code or "storage"
    return false, message
  end
end

local function fetch(self, attachment, sink, timeout)
  local state = {}
  local reply, message, code, detail = perform(self, "download", { attachment = attachment }, {
    timeout = timeout, sink = feed(sink, state),
    may_retry = function()
      local again = not state.code and (sink.again or not state.begun)
      state.begun = false
      return again
    end,
  })
  if state.code then return nil, state.message, state.code, detail end
  if not reply then return nil, message, code, detail end
  if not state.begun then  -- an empty file
    local ok, why = sink:restart()
    if not ok then return nil, why, "storage" end
  end
  return reply
end

local function attachment_id(attachment, level)
  if type(attachment) == "table" then attachment = attachment.id or attachment.attachmentId end
  if type(attachment) ~= "string" then
    error("download wants an attachment: its id, or an entry of content.attachments", level + 1)
  end
  return attachment
end

local function carried(self, attachment, target, timeout)
  local reply, message, code, detail = fetch(self, attachment, target, timeout)
  if not reply then
    target:abort()
    return nil, message, code, detail
  end
  local ok, why = target:commit()
  if not ok then return nil, why, "storage" end
  return true, { bytes = target.bytes, media_type = reply.headers["content-type"] }
end

local function once(_, before) return not before or nil end

--- Fetches an attachment, however large, in constant memory.
---@param attachment string|table its id, or an entry of content.attachments
---@param sink string|fun(part: string): boolean|nil, string|nil a path, which exists only once the file is whole; or a
---  function that gets part after part, and ends the download by returning false
---@param options { timeout: number|nil }|nil seconds for the whole download, instead of the client's
---@return true|nil ok
---@return string|table|nil message or, with true, { bytes, media_type }
---@return string|nil code also storage: the file cannot be written; cancelled: by the sink
---@return table|nil detail
function Letter:download(attachment, sink, options)
  attachment = attachment_id(attachment, 2)
  if type(sink) ~= "function" and (type(sink) ~= "string" or sink == "") then
    error("download wants a sink: a path or a function", 2)
  end
  local timeout = timeout_of(options, 2)
  local target = sinks.new(sink)
  -- The fourth value closes the sink when the loop is left in any way, also by the end of its coroutine (Lua 5.4).
  local ok, message, code, detail
  for _ in once, nil, nil, target do ok, message, code, detail = carried(self, attachment, target, timeout) end
  return ok, message, code, detail
end

local Attachment = { __name = "altinn.events.attachment" }
Attachment.__index = Attachment

Attachment.__tostring = function(self) return "attachment " .. core.mask(self.id) end

--- The attachment as it is now, for its sender.
---@return table|nil overview the server's names
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function Attachment:overview()
  return object_of(self.id, "attachmentId", perform(self, "attachment"))
end

--- The attachment with its history, for its sender.
---@return table|nil details the server's names
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function Attachment:details()
  return object_of(self.id, "attachmentId", perform(self, "attachment_details"))
end

local new

--- The letters that hold the attachment. When its malware scan fails Altinn sets them all to Failed, and raises no
--- event for them.
---@return table[]|nil letters see M.letter
---@return string|nil message
---@return string|nil code
---@return table|nil detail
function Attachment:letters()
  local overview, message, code, detail = self:overview()
  if not overview then return nil, message, code, detail end
  local list = {}
  for index, id in ipairs(overview.correspondenceIds or {}) do
    list[index] = new(Letter, "letter", clients[self], id)
  end
  return list
end

function new(class, kind, settings, id)
  local self = setmetatable({ id = id, kind = kind }, class)
  clients[self] = settings
  return self
end

--- A letter; nothing is asked yet.
---@param settings table of the client
---@param id string
---@return table letter { id, kind = "letter" } with overview, details, has_been, attachments, content, mark_read,
---  confirm, purge, download
function M.letter(settings, id) return new(Letter, "letter", settings, id) end

--- An attachment, as its sender sees it; nothing is asked yet.
---@param settings table of the client
---@param id string
---@return table attachment { id, kind = "attachment" } with overview, details, letters
function M.attachment(settings, id) return new(Attachment, "attachment", settings, id) end

return M
