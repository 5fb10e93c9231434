-- The last event in an editor, and sent as a new one.
local files = require "altinn.events.support.files"
local events = require "altinn.events"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local json = require "altinn.events.support.json"
local lines = require "altinn.events.dev.lines"
local wire = require "altinn.events.emulator.wire"

local M = {}

-- The text that is edited: a member a line.
local function text_of(event)
  local members = {}
  for name, value in events.pairs(event) do
    members[#members + 1] = ("  %s: %s"):format(json.encode(name), json.encode(value))
  end
  return "{\n" .. table.concat(members, ",\n") .. "\n}\n"
end

local function write(path, text)
  local file, message = io.open(path, "w")
  if not file then return nil, message end
  local fine = file:write(text)
  fine = file:close() and fine
  return fine, path .. ": it cannot be written"
end

--- Opens the editor.
---@param session table
---@param event table
---@param row table of the inbox
function M.begin(session, event, row)
  local path, text = session.folder .. "/event.json", session.unsent or text_of(event)
  session.unsent = nil
  local fine, message = write(path, text)
  local editor = os.getenv "VISUAL" or os.getenv "EDITOR" or "vi"
  local process
  if fine then
    host.keys_off()
    session:hold(true)
    process, message = host.run_editor(editor, path)
  end
  if not process then
    session:hold(false)
    host.keys_on()
    return session:say(lines.masked(message), "red")
  end
  session.editor = { process = process, path = path, before = event, text = text, row = row }
end

-- A new event: another id, and where it would mean the same as before, about another thing.
local function as_new(session, event, before)
  local copy = events.totable(event)
  if copy.id == before.id then copy.id = wire.uuid() end
  local same = copy.type == before.type and copy.resourceinstance == before.resourceinstance
    and copy.subject == before.subject
  if same and copy.resourceinstance then copy.resourceinstance = session.altinn:twin(before) or wire.uuid() end
  return assert(events.encode(copy))
end

local function send(session, one)
  local text, message = files.read(one.path)
  if not text then return session:say(lines.masked(message), "red") end
  if text == one.text then return session:say "it was not changed, and not sent: r sends it again as it is" end
  local event, why, _, detail = events.parse(text)
  if not event then
    session.unsent = text
    local at = type(detail) == "table" and detail.position
    return session:say(("that is no event%s: %s (e: the same text again)"):format(
      at and (", byte %d"):format(at) or "", lines.masked(why)), "red")
  end
  local fine
  fine, message = session.altinn:publish(as_new(session, event, one.before))
  if not fine then return session:say(lines.masked(message), "red") end
  return session:say(("#%d sent as a new event"):format(one.row.sequence))
end

--- Goes on when the editor has ended.
---@param session table
function M.step(session)
  local one = session.editor
  local status = one and host.ended(one.process)
  if not status then return end
  session.editor = nil
  host.keys_on()
  session:hold(false)
  if status ~= 0 then session:say(("the editor ended with %d: nothing was sent"):format(status), "yellow")
  else send(session, one) end
  os.remove(one.path)
end

return M
