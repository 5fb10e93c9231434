-- altinn-events subscriptions: by hand.
local connection = require "altinn.events.commands.connection"
local head = require "altinn.events.event.head"
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"
local plan = require "altinn.events.subscriptions.plan"

local M = {
  summary = "subscriptions by hand; see plan for those of the rules",
  needs = { "secret", "endpoint", "base_url", "credentials", "token" },
}

--- A subscription for a listing: the server's names, no secret, no identity
--- number in clear.
---@param link table a connection
---@param one table
---@param now number
---@return table row
function M.row(link, one, now)
  local heard = (plan.created(one) or now) + plan.cache
  return {
    id = one.id, endPoint = link:mask(one.endPoint), resourceFilter = output.masked(one.resourceFilter),
    subjectFilter = output.masked(one.subjectFilter), typeFilter = output.masked(one.typeFilter),
    sourceFilter = output.masked(one.sourceFilter), consumer = output.masked(one.consumer),
    createdBy = output.masked(one.createdBy), created = one.created, validated = one.validated == true,
    includeSubunits = one.includeSubunits == true, ours = link:owns(one.endPoint),
    deaf_until = one.validated == true and heard > now and output.moment(heard) or nil,
  }
end

local function print_row(row)
  output.line("%7d  %-13s  %s  %s%s  %s", row.id, row.validated and "validated" or "not validated",
    plan.short(row.resourceFilter) or "any resource", plan.short(row.subjectFilter) or "every subject",
    row.includeSubunits and " with subunits" or "", plan.short(row.typeFilter) or "every type")
  output.line("         %s%s, made %s", row.endPoint or "?", row.ours and "" or " (not this configuration's)",
    row.created or "?")
  if row.deaf_until then output.line("         may miss events until %s", row.deaf_until) end
end

local verbs = {}

function verbs.list(args, link)
  local list, message, code = link.client:subscriptions()
  if not list then return link:failure(message, code) end
  local rows, now = output.list {}, os.time()
  for index, one in ipairs(list) do rows[index] = M.row(link, one, now) end
  local identity = output.masked(link:identity(list))
  if args.json then
    output.json { identity = identity, count = #rows, subscriptions = rows }
    return 0
  end
  output.line("identity %s", identity)
  for _, row in ipairs(rows) do print_row(row) end
  output.line("%d subscription%s", #rows, #rows == 1 and "" or "s")
  return 0
end

-- Options as filters: short forms become what stands in events.
local function filters_of(args)
  local wanted = { on = args.type, when = { resource = args.resource, recipient = args.subject } }
  local conditions, message = head.compile(wanted)
  message = message or head.faults(wanted)[1]
  if message then
    return nil, (message:gsub("^when%.recipient: ", "--subject: "):gsub("^when%.resource: ", "--resource: "))
  end
  local filters = {}
  for _, condition in ipairs(conditions) do
    local one = condition.alternatives[1]
    if one.prefix then return nil, "on: Altinn compares whole values, a type with a star matches nothing" end
    filters[condition.attribute] = one[1]
  end
  if args.type == "*" then return nil, "for every type leave --type out" end
  return filters
end

local function print_created(link, args, one, address)
  if args.json then
    output.json(M.row(link, one, os.time()))
  else
    print_row(M.row(link, one, os.time()))
    if not args.to and not args.name and link:owns(address) then
      output.out("         under the plan's own address: 'apply' removes it when no rule needs it (--name keeps it)")
    end
  end
  return 0
end

function verbs.create(args, link)
  local filters, message, code, detail, address, made
  filters, message = filters_of(args)
  if not filters then
    output.complain(message)
    return 2
  end
  address = args.to
  if not address then
    address, message, code = link:address(args.name)
    if not address then return output.failure(message, code) end
  end
  if not filters.subject and link:needs_subject() then
    output.complain("warning: Altinn demands a subjectFilter of everybody who is not a service owner: --subject NUMBER")
  end
  made, message, code, detail = link.client:subscribe {
    endpoint = address, resource = filters.resource, subject = filters.subject, type = filters.type,
    include_subunits = args.include_subunits, wait = args.wait > 0 and args.wait or nil,
  }
  if made then return print_created(link, args, made, address) end
  local one = type(detail) == "table" and detail.subscription
  if one then
    output.complain(link:unvalidated(one, args.wait))
    return 1
  end
  return link:failure(message, code)
end

function verbs.delete(args, link)
  local status, rows = 0, output.list {}
  for index, id in ipairs(args.ids) do
    local ok, message, code = link.client:unsubscribe(id)
    rows[index] = { id = id, deleted = ok and true or false, code = code,
      heard_until = ok and output.moment(os.time() + plan.cache) or nil }
    if not ok then
      status = link:failure(("subscription %d: %s"):format(id, message), code)
    elseif not args.json then
      output.line("%d deleted; may still deliver until %s", id, rows[index].heard_until)
    end
  end
  if args.json then output.json { subscriptions = rows } end
  return status
end

--- Adds its options to the parser.
---@param subscriptions table
function M.options(subscriptions)
  subscriptions:command_target "subscriptions_verb"
  options.add(subscriptions:command("list", "list those of this identity"), "config", "altinn", "json")
  local create = options.add(subscriptions:command("create", "make one"), "config", "altinn", "json", "wait")
  create:option("--resource", "the resource, for instance acme-letters"):argname "NAME":count(1)
  create:option("--subject", "only events about this party"):argname "PARTY"
  create:option("--type", "only events of this type"):argname "TYPE"
  create:flag("--include-subunits", "also about the subunits of the party")
  create:option("--name", "a word at the end of the address; keeps it apart from those of the plan"):argname "NAME"
  create:option("--to", "the whole address to post to, instead of the configured endpoint"):argname "URL"
  local delete = options.add(subscriptions:command("delete", "delete some"), "config", "altinn", "json")
  delete:argument("ids", "their numbers"):args "+":convert(options.whole "ids")
end

--- Runs the verb.
---@param args table
---@param config table
---@return integer status
function M.run(args, config)
  local link, message, code = connection.open(config)
  if not link then return output.failure(message, code) end
  return verbs[args.subscriptions_verb](args, link)
end

return M
