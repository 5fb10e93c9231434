-- The subscriptions that a set of rules needs, and their difference from the existing subscriptions.
--
-- What "smallest" means. A subscription filters one resource, at most one
-- subject and at most one type, each by exact comparison (Altinn has no
-- wildcards). Of all sets that cover every event some rule wants, the plan
-- takes the one with the fewest subscriptions, and of those the one with the
-- narrowest filters. Two bounds: a filter on the subject is never dropped
-- unless a rule asks for every subject, because it decides the right to
-- subscribe and whose events arrive; and includeSubunits is never set,
-- because rules compare the subject exactly, so that no rule wants the event
-- of a subunit that it does not name. With `narrow` nothing is widened: one
-- subscription for each type, so that less arrives that no rule wants.
local core = require "altinn.events.core"
local endpoint = require "altinn.events.subscriptions.endpoint"
local events = require "altinn.events"
local suggest = require "altinn.events.support.suggest"
local wants = require "altinn.events.subscriptions.wants"

local M = {}

--- Seconds for which Altinn caches subscriptions. For so long a new subscription may miss events, and a deleted one may
--- still deliver.
M.cache = 3600

-- Seconds after which Altinn has given up trying a new endpoint. A subscription that is older and not validated is
-- deleted and made anew, so that its `created` tells from when on it delivers.
local LADDER = 600

local function check_options(options, known, name)
  for key in pairs(options) do
    if not known[key] then
      error(("%s: unknown option '%s'%s"):format(name, tostring(key), suggest.hint(tostring(key), known)), 3)
    end
  end
end

--- A filter as people read it: without the usual prefix, and masked.
---@param value string|nil
---@return string|nil
function M.short(value)
  if value == nil then return nil end
  local text = value:gsub("^urn:altinn:resource:", ""):gsub("^no%.altinn%.correspondence%.", "")
    :gsub("^urn:altinn:organization:identifier%-no:", ""):gsub("^urn:altinn:person:identifier%-no:", "")
  return core.mask(text)
end

-- A box is the set of events that one subscription brings: { resource, subject or nil, type or nil }.

local function key_of(resource, subject, type)
  return table.concat({ resource, subject or "", type or "" }, "\n")
end

-- Narrow: the boxes that lie inside no other box.
local function maximal(boxes)
  local list = {}
  for key, box in pairs(boxes) do
    local outer = false
    for _, other in ipairs { key_of(box.resource, nil, box.type), key_of(box.resource, box.subject, nil),
      key_of(box.resource, nil, nil) } do
      outer = outer or other ~= key and boxes[other] ~= nil
    end
    if not outer then list[#list + 1] = box end
  end
  return list
end

-- Fewest: one box for each resource and subject; for each resource alone when some rule wants every subject.
local function fewest(boxes)
  local every, groups, list = {}, {}, {}
  for _, box in pairs(boxes) do
    if not box.subject then every[box.resource] = true end
  end
  for _, box in pairs(boxes) do
    local subject = not every[box.resource] and box.subject or nil
    local key = key_of(box.resource, subject)
    local group = groups[key]
    if not group then
      groups[key] = { resource = box.resource, subject = subject, type = box.type }
      list[#list + 1] = groups[key]
    elseif group.type ~= box.type then
      group.type = nil
    end
  end
  return list
end

local function in_order(a, b)
  if a.resource ~= b.resource then return a.resource < b.resource end
  if a.subject ~= b.subject then return (a.subject or "") < (b.subject or "") end
  return (a.type or "") < (b.type or "")
end

-- Explanations.

local function some(list, most)
  local shown = {}
  for index = 1, math.min(#list, most) do shown[index] = list[index] end
  local text = table.concat(shown, ", ")
  return #list > most and ("%s and %d more"):format(text, #list - most) or text
end

local function add_once(list, value)
  for _, other in ipairs(list) do
    if other == value then return end
  end
  list[#list + 1] = value
end

-- Calls visit(box) for each box that a rule wants.
local function each_box(wanted, visit)
  local open = { false }
  for _, resource in ipairs(wanted.resources) do
    for _, subject in ipairs(wanted.subjects or open) do
      for _, type in ipairs(wanted.types or open) do
        visit { resource = resource, subject = subject or nil, type = type or nil }
      end
    end
  end
end

-- Adds the boxes of a rule that can be subscribed to. Gives the reasons why the other boxes cannot.
local function add_boxes(boxes, wanted)
  local reasons = {}
  each_box(wanted, function(box)
    local reason = wants.refusal(box)
    if reason then add_once(reasons, reason) else boxes[key_of(box.resource, box.subject, box.type)] = box end
  end)
  return reasons
end

-- Whether a rule with these values (nil: any value) wants events that a filter lets through.
local function names_it(values, filter)
  if filter == nil then return true end
  for _, value in ipairs(values or {}) do
    if value == filter then return true end
  end
  return false
end

-- The rules that leave a filter open, one rule for each reason: "rule 'a' wants all".
local function open_text(filter, needing, values, reason)
  local texts, seen = {}, {}
  for _, one in ipairs(needing) do
    local why = one.wants[reason]
    if not one.wants[values] and not seen[why] then
      seen[why] = true
      texts[#texts + 1] = ("rule '%s' %s"):format(one.name, why)
    end
  end
  if #texts == 0 then return nil end
  return ("no %s: %s"):format(filter, some(texts, 3))
end

local function types_text(needing)
  local short = {}
  for _, one in ipairs(needing) do
    for _, type in ipairs(one.wants.types or {}) do add_once(short, M.short(type)) end
  end
  return ("no typeFilter: %d types are wanted (%s) and a subscription filters one; with narrow there is one for each")
    :format(#short, some(short, 4))
end

local function explain(box, list)
  local needing, others = {}, {}
  for _, one in ipairs(list) do
    if names_it(one.wants.subjects, box.subject) and names_it(one.wants.types, box.type) then
      needing[#needing + 1] = one
      for _, other in ipairs(one.wants.others) do add_once(others, other) end
    end
  end
  box.rules, box.why = {}, {}
  for index, one in ipairs(needing) do box.rules[index] = one.name end
  if not box.subject then
    box.why[1] = open_text("subjectFilter", needing, "subjects", "subject_reason")
  end
  if not box.type then
    box.why[#box.why + 1] = open_text("typeFilter", needing, "types", "type_reason") or types_text(needing)
  end
  if #others > 0 then
    box.why[#box.why + 1] = ("Altinn cannot filter %s: the host drops what does not match"):format(some(others, 4))
  end
end

local function full_resource(name)
  return name:find("^urn:") and name or "urn:altinn:resource:" .. name
end

local function note_of(rule, message)
  return { rule = rule.name, file = rule.file, line = rule.line, message = message }
end

local SUBJECT_DEMANDED = "Altinn demands a subjectFilter of everybody who is not a service owner: add recipient = \"…\""
  .. " (your own number) to when"
local SENDER_ONLY = "its events carry the sender's number, so they reach a service owner alone (a token with the scope"
  .. " altinn:serviceowner)"

-- The note for a rule that leaves the subject open; it applies when the subscriber is not a service owner.
local function demand_of(rule, wanted)
  if wanted.subjects then return nil end
  return note_of(rule, wanted.sender_only and SENDER_ONLY or SUBJECT_DEMANDED)
end

local compute_options = { resources = true, narrow = true }

--- Computes the subscriptions that cover every event some rule wants: the
--- fewest, with the narrowest filters (see the head of this file).
--- Rules that are switched off do not count.
---@param rules table[] what altinn.events.rules.load gave, or tables with name, on, when, enabled
---@param options { resources: string[]|nil, narrow: boolean|nil }|nil resources for rules that name none; one
---  subscription for each type
---@return table plan `subscriptions`, each { resource, subject, type, rules, why }, sorted; `problems`: rules that
---  cannot be subscribed for; `warnings`; `demands`: notes for subscribers who are not a service owner; all three are
---  lists of { rule, file, line, message }
function M.compute(rules, options)
  options = options or {}
  check_options(options, compute_options, "plan")
  local known, boxes, list = {}, {}, {}
  local plan = { problems = {}, warnings = {}, demands = {} }
  for index, name in ipairs(options.resources or {}) do known[index] = full_resource(name) end
  for _, rule in ipairs(rules) do
    if rule.enabled ~= false then
      local wanted, problem = wants.of(rule, known)
      if problem then plan.problems[#plan.problems + 1] = note_of(rule, problem) end
      for _, warning in ipairs(wanted and wanted.warnings or {}) do
        plan.warnings[#plan.warnings + 1] = note_of(rule, warning)
      end
      if wanted and wanted.resources then
        for _, reason in ipairs(add_boxes(boxes, wanted)) do
          plan.warnings[#plan.warnings + 1] = note_of(rule, "would never match at Altinn: " .. core.mask(reason))
        end
        plan.demands[#plan.demands + 1] = demand_of(rule, wanted)
        for _, resource in ipairs(wanted.resources) do
          list[resource] = list[resource] or {}
          table.insert(list[resource], { name = rule.name or "(unnamed)", wants = wanted })
        end
      end
    end
  end
  plan.subscriptions = options.narrow and maximal(boxes) or fewest(boxes)
  table.sort(plan.subscriptions, in_order)
  for _, box in ipairs(plan.subscriptions) do explain(box, list[box.resource]) end
  return plan
end

-- The difference.

local function seconds_of(time)
  if type(time) ~= "string" then return nil end
  return (events.time { specversion = "1.0", id = "1", source = "/", type = "t", time = time })
end

-- Whether a box and a subscription could bring the same event; true also when that is not certain.
local function overlaps(box, subscription)
  local resource = subscription.resourceFilter
  if resource and resource:lower() ~= box.resource then return false end
  local subject, type = subscription.subjectFilter, subscription.typeFilter
  if subject and box.subject and subject ~= box.subject and not subscription.includeSubunits then return false end
  return not (type and box.type and type ~= box.type)
end

-- The key of an existing subscription that a plan could contain; nil when no plan could.
local function key_of_existing(one, options)
  local plain = not one.sourceFilter and not one.includeSubunits and one.resourceFilter
  if not plain or options.owner(one.endPoint) ~= "ours" then return nil end
  if endpoint.normal(one.endPoint) ~= options.endpoint then return nil end
  -- An empty filter matches no event; it differs from a filter that is left out.
  if one.subjectFilter == "" or one.typeFilter == "" then return nil end
  return key_of(one.resourceFilter:lower(), one.subjectFilter, one.typeFilter)
end

-- Whether one of two equal subscriptions is to be kept before the other: validated first, then the oldest.
local function better(one, other)
  if not other then return true end
  if (one.validated == true) ~= (other.validated == true) then return one.validated == true end
  return one.id < other.id
end

-- The index of a planned subscription -> the existing subscription that matches it.
local function mates(planned, existing, options)
  local best, mate = {}, {}
  for _, one in ipairs(existing) do
    local key = key_of_existing(one, options)
    if key and better(one, best[key]) then best[key] = one end
  end
  for index, box in ipairs(planned) do mate[index] = best[key_of(box.resource, box.subject, box.type)] end
  return mate
end

-- The time from which a planned subscription certainly delivers; nil when it does not exist or is not validated.
local function ready(subscription, options)
  if not subscription or subscription.validated ~= true then return nil end
  return (seconds_of(subscription.created) or options.now) + options.overlap
end

local function step_for(box, subscription, options)
  if not subscription then
    return { action = "create", planned = box, at = options.now + M.cache,
      why = "does not exist" }
  end
  if subscription.validated ~= true then
    local made = seconds_of(subscription.created)
    return { action = "validate", planned = box, subscription = subscription,
      anew = not made or made + LADDER < options.now,
      why = "exists, but Altinn could not deliver its validation event, so nothing is delivered" }
  end
  local heard = (seconds_of(subscription.created) or options.now) + M.cache
  local deaf = heard > options.now
  return { action = "keep", planned = box, subscription = subscription, at = deaf and heard or nil,
    why = "exists" }
end

-- A function that gives the indices of the planned subscriptions of a resource; without a resource all indices.
local function by_resource(planned)
  local places, all = {}, {}
  for index, box in ipairs(planned) do
    places[box.resource] = places[box.resource] or {}
    table.insert(places[box.resource], index)
    all[index] = index
  end
  return function(resource) return resource and (places[resource:lower()] or {}) or all end
end

local function removal(subscription, planned, mate, options)
  local step = { action = "remove", subscription = subscription, why = "no rule needs it" }
  if subscription.validated ~= true then
    step.why = "no rule needs it, and it was never validated"
    return step
  end
  local waits
  for _, index in ipairs(options.places(subscription.resourceFilter)) do
    if overlaps(planned[index], subscription) then
      local from = ready(mate[index], options)
      if not waits then step.why = "others take its place" end
      if not from or from > options.now then
        step.action, step.why = "wait", "stays until those that take its place are surely heard"
        waits = math.max(waits or 0, from or options.now + math.max(0, options.overlap))
      end
    end
  end
  step.at = waits or options.now + M.cache
  return step
end

local others = {
  foreign = "its endpoint is not that of this configuration: left alone",
  unknown = "no secret of this configuration stands in its address: an old one, or another system's; only"
    .. " apply --remove-unknown removes it",
}

-- The step for an existing subscription that is not planned.
local function step_beside(subscription, planned, mate, options)
  local owner = options.owner(subscription.endPoint)
  if owner == "ours" or owner == "unknown" and options.remove_unknown then
    local step = removal(subscription, planned, mate, options)
    step.unknown = owner == "unknown" or nil
    return step
  end
  local action = owner or "foreign"
  return { action = action, subscription = subscription, why = others[action] }
end

local difference_options = { endpoint = true, owner = true, now = true, overlap = true, remove_unknown = true }

--- Compares a plan with the subscriptions that exist under this identity.
--- It removes only subscriptions whose endpoint is ours; with `remove_unknown` also those whose endpoint differs from
--- ours in the secret alone. A subscription that brings events a rule wants is removed only when its replacement is
--- validated and older than `overlap`. The age is counted from the server's `created`, so no state is kept between two
--- calls.
---@param planned table[] `subscriptions` of compute
---@param existing table[] as client:subscriptions() gives them
---@param options { endpoint: string, owner: fun(endpoint: string): string|nil, now: number, overlap: number|nil,
---  remove_unknown: boolean|nil } endpoint: the address for new subscriptions; owner: whose an address is
---  ("ours", "unknown" or nil); now: seconds since 1970; overlap: seconds (default: one hour; below 0: a replaced
---  subscription goes as soon as its replacement is validated)
---@return table[] steps each { action, planned, subscription, why, at, anew, unknown }; action is create, validate
---  (`anew`: delete it first), keep, remove, wait (to be removed, not before `at`), foreign or unknown; `at` is the
---  time until which a created or kept subscription may miss events, or a removed one may still deliver
function M.difference(planned, existing, options)
  check_options(options, difference_options, "difference")
  options = { endpoint = endpoint.normal(options.endpoint), owner = options.owner, now = options.now,
    overlap = options.overlap or M.cache, remove_unknown = options.remove_unknown, places = by_resource(planned) }
  local mate, used, steps = mates(planned, existing, options), {}, {}
  for index, box in ipairs(planned) do
    steps[#steps + 1] = step_for(box, mate[index], options)
    if mate[index] then used[mate[index].id] = true end
  end
  for _, subscription in ipairs(existing) do
    if not used[subscription.id] then
      steps[#steps + 1] = step_beside(subscription, planned, mate, options)
    end
  end
  return steps
end

local idle = { keep = true, foreign = true, unknown = true }

--- Whether a step changes something, now or later.
---@param steps table[] what difference gave
---@return boolean
function M.differs(steps)
  for _, step in ipairs(steps) do
    if not idle[step.action] then return true end
  end
  return false
end

--- The time of a subscription's `created`.
---@param subscription table
---@return integer|nil seconds since 1970
function M.created(subscription)
  return (seconds_of(subscription.created))
end

return M
