-- altinn-events send: posts events exactly as Altinn does.
local events = require "altinn.events"
local output = require "altinn.events.commands.output"

local M = { summary = "post events exactly as Altinn does", reads = "nothing" }

--- Adds its options to the parser.
---@param send table
function M.options(send)
  send:argument("files", "events: JSON or JSON Lines; - is standard input"):args "+"
  send:option("--to", "the endpoint's address"):argname "URL":count(1)
  send:option("--type", "the Content-Type"):argname "TYPE"
  send:flag("--raw", "post the bytes of each file as they are, also broken ones")
end

local function report(file, reply, message, id)
  local name = events.mask(file) .. (id and ": " .. output.masked(id) or "")
  if not reply then
    output.note(("%s: %s"):format(name, events.mask(message)))
    return
  end
  local detail = reply.body ~= "" and " " .. output.masked(reply.body:sub(1, 500)) or ""
  output.line("%s: %d%s", name, reply.status, detail)
end

--- Runs the verb.
---@param args table
---@return integer status
function M.run(args)
  local ok = require("altinn.events.host.send").files {
    files = args.files, to = args.to, raw = args.raw, content_type = args.type, report = report,
  }
  return ok and 0 or 1
end

return M
