-- altinn-events pull: events from Altinn's store (90 days), to be looked at
-- or delivered to the host as if they had been pushed.
local connection = require "altinn.events.commands.connection"
local events = require "altinn.events"
local head = require "altinn.events.event.head"
local libraries = require "altinn.events.support.libraries"
local output = require "altinn.events.commands.output"

local M = {}

local SHOWN = 50  -- when no limit is given and nothing is delivered

-- Options as what client:events takes.
local function wanted(args)
  local conditions, message = head.compile {
    on = #args.type > 0 and args.type or nil, when = { resource = args.resource, recipient = args.subject },
  }
  if not conditions then return nil, message end
  local options = { after = args.after, size = args.size }
  for _, condition in ipairs(conditions) do
    if condition.attribute == "type" then
      options.type = {}
      for index, one in ipairs(condition.alternatives) do
        options.type[index] = one[1] .. (one.prefix and "*" or "")
      end
    else
      options[condition.attribute] = condition.alternatives[1][1]
    end
  end
  return options
end

local function row_of(event)
  local row = {}
  for name, value in pairs(events.totable(event)) do
    if name ~= "data" then row[name] = type(value) == "string" and events.mask(value) or value end
  end
  return row
end

local function print_row(row)
  output.line("%s  %s  %s  %s", row.time or "?", row.type, row.resourceinstance or "", row.subject or "")
end

-- What is done with each event: a function that gives true, or nil and why.
local function delivery(config, url)
  local send = require "altinn.events.host.send"
  local multi = libraries.load("altinn.events.curl").new { connections = 1 }
  if url == true then
    url = "http://" .. config.listen .. "/events" .. (config.secrets[1] and "/" .. config.secrets[1] or "")
  end
  return function(event)
    local reply, message, code = multi:perform {
      method = "POST", url = url, body = send.body(event), timeout = 45,
      headers = { ["Content-Type"] = "application/json; charset=utf-8" },
    }
    if not reply then return nil, "the host was not reached: " .. message, code end
    if reply.status >= 200 and reply.status < 300 then return true end
    return nil, ("the host answered %d to the event %s"):format(reply.status, event.id)
  end
end

local function failure_of(raised)
  if type(raised) == "table" then return raised.message or tostring(raised), raised.code end
  return tostring(raised), nil
end

-- Takes events until the limit; gives their number, the id of the last, and why it ended early.
local function take(client, options, limit, each)
  local count, last, why, code = 0, nil, nil, nil
  local ok, raised = pcall(function()
    for event in client:events(options) do
      local done
      done, why, code = each(event)
      if not done then return end
      count, last = count + 1, event.id
      if count == limit then return end
    end
  end)
  if not ok then why, code = failure_of(raised) end
  return count, last, why, code
end

local function summary(count, last, delivered)
  local what = ("%d event%s%s"):format(count, count == 1 and "" or "s", delivered and " delivered" or "")
  return last and ("%s; --after %s goes on from here"):format(what, output.masked(last)) or what
end

local function deliver_to(args)
  if not args.deliver then return nil end
  local given = type(args.deliver) == "table" and args.deliver[1] or args.deliver
  return type(given) == "string" and given or true
end

--- Runs the verb.
---@param args table
---@param config table
---@return integer status
function M.run(args, config)
  local options, message = wanted(args)
  if not options then
    output.complain(message)
    return 2
  end
  local link, code
  link, message, code = connection.open(config)
  if not link then return output.failure(message, code) end
  local url, rows = deliver_to(args), output.list {}
  local each = url and delivery(config, url) or function(event)
    rows[#rows + 1] = row_of(event)
    if not args.json then print_row(rows[#rows]) end
    return true
  end
  local count, last, why
  count, last, why, code = take(link.client, options, args.limit or not url and SHOWN or nil, each)
  if args.json then
    output.json { count = count, last = last, delivered = url and count or nil, events = not url and rows or nil }
  else
    output.out(summary(count, last, url ~= nil))
  end
  return why and link:failure(why, code) or 0
end

return M
