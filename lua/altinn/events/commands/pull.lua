-- altinn-events pull: prints events of Altinn's store (90 days), or delivers them to the host as if Altinn had pushed
-- them.
local connection = require "altinn.events.commands.connection"
local events = require "altinn.events"
local head = require "altinn.events.event.head"
local libraries = require "altinn.events.support.libraries"
local command_options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"

local M = {
  summary = "events from Altinn's store, which goes back 90 days",
  needs = { "secret", "credentials", "token" },
}

-- Statuses with which the host refuses an event for good, because of its content.
local OWN_FAULT = { [400] = true, [413] = true, [415] = true, [422] = true }

local SHOWN = 50  -- when no limit is given and nothing is delivered

-- The options of client:events, from the command's options.
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

-- A function that delivers an event: true, or nil and the reason.
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
    if OWN_FAULT[reply.status] then return nil, ("the host refuses it with %d"):format(reply.status), "odd" end
    return nil, ("the host answered %d to the event %s"):format(reply.status, event.id)
  end
end

local function failure_of(raised)
  if type(raised) == "table" then return raised.message or tostring(raised), raised.code end
  return tostring(raised), nil
end

-- Handles events until the limit -> { count, first, last, odd = { { id, reason } }, why, code }; `why` tells why it
-- stopped early. An odd event is passed over.
local function take(client, options, limit, each)
  local taken = { count = 0, odd = output.list {} }
  function options.odd(id, reason)
    taken.odd[#taken.odd + 1] = { id = output.masked(id), reason = output.masked(reason) }
    taken.last = id or taken.last
  end
  local ok, raised = pcall(function()
    for event in client:events(options) do
      local done, why, code = each(event)
      if code == "odd" then
        options.odd(event.id, why)
      elseif not done then
        taken.why, taken.code = why, code
        return
      else
        taken.count, taken.last, taken.first = taken.count + 1, event.id, taken.first or event.id
      end
      if taken.count == limit then return end
    end
  end)
  if not ok then taken.why, taken.code = failure_of(raised) end
  return taken
end

-- Warns when Altinn did not know the event of --after and began at the beginning: then the first event that came is the
-- first of the whole store.
local function tell_restart(client, options, first)
  if not options.after or options.after == "0" or not first then return end
  local beginning = {}
  for name, value in pairs(options) do beginning[name] = value end
  beginning.after, beginning.size, beginning.odd = nil, 1, function() end
  local ok, event = pcall(function()
    local each, state, start = client:events(beginning)
    return (each(state, start))
  end)
  if not ok or not event or event.id ~= first then return end
  output.complain(("--after %s: Altinn does not know this event, or it stands before all that were asked for: these are"
    .. " from the beginning"):format(output.masked(options.after)))
end

-- Complains about the events that were passed over. The status of the command is 1 when there were any.
local function tell_odd(list)
  for _, one in ipairs(list) do
    output.complain(("the event %s was passed over: %s"):format(one.id or "without an id", one.reason))
  end
  return #list > 0 and 1 or 0
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

--- Adds its options to the parser.
---@param pull table
function M.options(pull)
  command_options.add(pull, "config", "altinn", "json")
  pull:option("--resource", "the resource, for instance acme-letters"):argname "NAME":count(1)
  pull:option("--after", "the id of the last event seen (default: from the beginning)"):argname "ID"
  pull:option("--type", "only this type; may be repeated; a * may stand at its end"):argname "TYPE":count "*"
  pull:option("--subject", "only events about this party"):argname "PARTY"
  pull:option("--size", "events in one answer (most: 1000)"):argname "N":convert(command_options.whole "--size")
  pull:option("--limit", "at most so many (default: 50; with --deliver: all)"):argname "N"
    :convert(command_options.whole "--limit")
  pull:option("--deliver", "post them to the host, or to URL, as Altinn would"):argname "URL":args "?"
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
  local taken = take(link.client, options, args.limit or not url and SHOWN or nil, each)
  if args.json then
    output.json { count = taken.count, last = taken.last, delivered = url and taken.count or nil,
      events = not url and rows or nil, odd = #taken.odd > 0 and taken.odd or nil }
  else
    output.out(summary(taken.count, taken.last, url ~= nil))
  end
  tell_restart(link.client, options, taken.first)
  local status = tell_odd(taken.odd)
  return taken.why and link:failure(taken.why, taken.code) or status
end

return M
