-- Readings: what Altinn answered to the reads of a run, collected while it runs, for whoever keeps them. A rule that is
-- changed can then be tried on what the earlier one saw. Nothing is collected until M.collect(true).
local events = require "altinn.events"
local exchange = require "altinn.events.client.exchange"
local paths = require "altinn.events.client.paths"
local place = require "altinn.events.rules.place"
local things = require "altinn.events.rules.thing"

local M = {}

local BODY = 64 * 1024   -- bytes of a body that are kept
local RUN = 1024 * 1024  -- bytes of an attempt's readings
local ROW = 256          -- what a reading takes beside its body

local is_on = false

-- At most so many bytes, and no half character.
local function beginning(body, most)
  if #body <= most then return body, nil end
  local last = body:sub(most - 3, most):gsub("[\192-\255]?[\128-\191]*$", "", 1)
  return body:sub(1, most - 4) .. last, 1
end

---@class altinn.events.reading
---@field call string the name of the call: "overview", "details", "content", "attachment", "attachment_details";
---  "events": the events API was searched, and `body` is a JSON list of the event that was found, or of none
---@field thing string "letter:0198…"
---@field status integer|nil HTTP, nil: there was no answer
---@field code string|nil of a failure
---@field body string|nil
---@field cut integer|nil 1: the body is not whole
---@field at integer|nil ms since 1970; written here, as `place`, its number in the attempt

--- Notes a reading of the run whose code is running. Beyond 1 MiB of an attempt nothing more is noted.
---@param reading altinn.events.reading
function M.note(reading)
  local job = is_on and place.run()
  local own = job and job.own
  if not own or not own.ports then return end
  own.readings = own.readings or { bytes = 0 }
  local list = own.readings
  if list.bytes >= RUN then return end
  if reading.body then
    reading.body, reading.cut = beginning(reading.body, math.max(4, math.min(BODY, RUN - list.bytes)))
  end
  reading.at, reading.place = math.floor((own.ports.clock()) * 1000), #list + 1
  list.bytes = list.bytes + #(reading.body or "") + ROW
  list[#list + 1] = reading
end

local function heard(call, wish, reply, failure)
  local kind = paths.reads[call]
  if not kind or not wish.id then return end
  local from = reply or failure.detail or {}
  return M.note { call = call, thing = kind .. ":" .. wish.id, status = from.status, body = from.body,
    code = failure and failure.code }
end

--- Notes what a search of the events API for an event found.
---@param event table that was searched for
---@param found table|nil the event that was found
function M.searched(event, found)
  if not is_on then return end
  local thing = things.name_of(event)
  if not thing then return end
  M.note { call = "events", thing = thing, status = 200,
    body = events.encode_batch(found and { found } or {}) }
end

--- Begins to collect, or ends it.
---@param on boolean
function M.collect(on)
  is_on = on
  exchange.watch(on and heard or nil)
end

return M
