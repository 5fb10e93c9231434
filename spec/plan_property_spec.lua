-- Random rule sets: the planned subscriptions against brute force over a universe of events. The matcher says what
-- the rules want; what a subscription brings is compared here, by Altinn's rule, without the planner's code.
-- AE_SEED=N tries other sets.
local events = require "altinn.events"
local plan = require "altinn.events.subscriptions.plan"

local SETS = 1000
local SEED = tonumber(os.getenv "AE_SEED" or "") or 20260820

local RESOURCES = { "urn:altinn:resource:acme-a", "urn:altinn:resource:acme-b", "urn:altinn:resource:other" }
-- First the words that heads may name, then those that only a prefix, an exclusion or no condition can reach: they
-- stand for all the others there could be, so no subscription can name them.
local SUBJECTS = { "urn:altinn:partyid:1", "urn:altinn:partyid:2", "urn:altinn:person:idporten-email:1",
  "urn:altinn:partyid:fresh", "urn:altinn:person:idporten-email:fresh", "/fresh", false }
local TYPES = { "t.read.one", "t.read.two", "t.sent", "t.read.fresh", "t.fresh", "fresh" }
local INSTANCES = { "x1", "y1", false }
local NAMED_SUBJECTS, NAMED_TYPES = 3, 3

-- Each event with its place: a resource, and a bit for its subject and type. Events of one place differ in the rest.
local function universe()
  local list = {}
  for r, resource in ipairs(RESOURCES) do
    for s, subject in ipairs(SUBJECTS) do
      for t, type in ipairs(TYPES) do
        for _, instance in ipairs(INSTANCES) do
          local event = { specversion = "1.0", id = "1", source = "/x", type = type, resource = resource,
            subject = subject or nil, resourceinstance = instance or nil }
          list[#list + 1] = { event = assert(events.parse(assert(events.encode(event)))), resource = r,
            subject = s, bit = 1 << ((s - 1) * #TYPES + t - 1) }
        end
      end
    end
  end
  return list
end

local UNIVERSE = universe()

local function one_of(list) return list[math.random(#list)] end

local function some_of(list, count)
  local chosen = {}
  for index = 1, count do
    if math.random(2) == 1 then chosen[#chosen + 1] = list[index] end
  end
  return #chosen > 0 and chosen or { one_of { table.unpack(list, 1, count) } }
end

local function random_subject()
  return one_of {
    function() return nil end,
    function() return one_of { table.unpack(SUBJECTS, 1, NAMED_SUBJECTS) } end,
    function() return some_of(SUBJECTS, NAMED_SUBJECTS) end,
    function() return events.prefix(one_of { "urn:altinn:partyid:", "urn:altinn:person:idporten-email:", "/" }) end,
    function() return { "urn:altinn:partyid:1", events.prefix "urn:altinn:person:idporten-email:" } end,
    function() return events.no(some_of(SUBJECTS, NAMED_SUBJECTS)) end,
    function() return events.no(events.prefix "urn:altinn:partyid:") end,
    function() return one_of { events.absent, events.present } end,
  }()
end

local function random_on()
  return one_of {
    function() return "*" end,
    function() return one_of { table.unpack(TYPES, 1, NAMED_TYPES) } end,
    function() return some_of(TYPES, NAMED_TYPES) end,
    function() return one_of { "t.*", "t.read.*" } end,
    function() return { "t.sent", "t.read.*" } end,
  }()
end

local function random_rule(index)
  local when = { resource = one_of { RESOURCES[1], RESOURCES[1], some_of(RESOURCES, #RESOURCES),
    events.prefix "urn:altinn:resource:acme-" } }
  when.subject = random_subject()
  if math.random(5) == 1 then when.recipient = random_subject() end
  if math.random(6) == 1 then when.type = one_of { "t.sent", events.no "t.read.one", events.prefix "t.read." } end
  if math.random(5) == 1 then when.resourceinstance = one_of { "x1", events.prefix "y", events.absent } end
  return { name = "r" .. index, on = random_on(), when = when, enabled = math.random(10) > 1 }
end

local function random_rules()
  local rules = {}
  for index = 1, math.random(5) do rules[index] = random_rule(index) end
  return rules
end

-- For each resource: the places that some rule wants, and whether some rule there takes any subject whatever.
local function wanted_places(rules)
  local matcher, wanted = events.matcher(), {}
  for r = 1, #RESOURCES do wanted[r] = { places = 0, every_subject = false } end
  for _, rule in ipairs(rules) do
    if rule.enabled then matcher:add(rule.name, { on = rule.on, when = rule.when }) end
  end
  for _, one in ipairs(UNIVERSE) do
    if #matcher:match(one.event) > 0 then
      local at = wanted[one.resource]
      at.places = at.places | one.bit
      at.every_subject = at.every_subject or one.subject > NAMED_SUBJECTS
    end
  end
  return wanted
end

-- As Altinn's SQL function getsubscriptions: exact comparison; a filter that is left out compares nothing.
local function places_of(subscription, r)
  if subscription.resource ~= RESOURCES[r] then return 0 end
  local places = 0
  for s, subject in ipairs(SUBJECTS) do
    for t, type in ipairs(TYPES) do
      if (not subscription.subject or subscription.subject == subject)
        and (not subscription.type or subscription.type == type) then
        places = places | 1 << ((s - 1) * #TYPES + t - 1)
      end
    end
  end
  return places
end

-- All subscriptions there could be on a resource; without a subject only where a rule wants every one.
local function candidates(r, wanted)
  local list = {}
  for s = wanted.every_subject and 0 or 1, NAMED_SUBJECTS do
    for t = 0, NAMED_TYPES do
      local one = { resource = RESOURCES[r], subject = SUBJECTS[s], type = TYPES[t] }
      one.places = places_of(one, r)
      list[#list + 1] = one
    end
  end
  return list
end

-- Whether `count` of the candidates, from the index on, cover what is left.
local function coverable(list, left, count, from)
  if left == 0 then return true end
  if count == 0 then return false end
  for index = from, #list do
    if list[index].places & left ~= 0 and coverable(list, left & ~list[index].places, count - 1, index + 1) then
      return true
    end
  end
  return false
end

local function covered(planned, r, but)
  local places = 0
  for index, one in ipairs(planned) do
    if index ~= but then places = places | places_of(one, r) end
  end
  return places
end

-- What is wrong with a plan, or nil. `on` is the list of those planned for a resource.
local function fault_of(on, r, wanted, narrow)
  if wanted.places & ~covered(on, r) ~= 0 then return "an event that a rule wants is not covered" end
  for index, one in ipairs(on) do
    local others = covered(on, r, index)
    local alone = wanted.places & ~others
    if alone == 0 then return "a subscription is needless" end
    for _, narrower in ipairs(candidates(r, wanted)) do
      if narrower.places & ~places_of(one, r) == 0 and narrower.places ~= places_of(one, r)
        and alone & ~narrower.places == 0 then
        return "a subscription could be narrower"
      end
    end
  end
  if not narrow and #on > 0 and coverable(candidates(r, wanted), wanted.places, #on - 1, 1) then
    return "fewer would do"
  end
end

local function check(rules, narrow)
  local wanted = wanted_places(rules)
  local made = plan.compute(rules, { resources = RESOURCES, narrow = narrow })
  if #made.problems > 0 then return "a problem: " .. made.problems[1].message end
  for r, resource in ipairs(RESOURCES) do
    local on = {}
    for _, one in ipairs(made.subscriptions) do
      if one.resource == resource then on[#on + 1] = one end
    end
    local fault = fault_of(on, r, wanted[r], narrow)
    if fault then return fault .. ", on " .. resource end
  end
end

describe("planned subscriptions of random rules", function()
  for _, narrow in ipairs { false, true } do
    it(narrow and "cover, none needless, none wider than it must be" or "cover, none needless, the fewest there are",
      function()
        local seen = {}
        for set = 1, SETS do
          local seed = SEED + set
          math.randomseed(seed)
          local rules = random_rules()
          local fault = check(rules, narrow)
          assert(not fault, ("AE_SEED=%d: %s"):format(seed - 1, fault or ""))
          local made = plan.compute(rules, { resources = RESOURCES, narrow = narrow })
          seen[#made.subscriptions] = true
        end
        assert.is_true(seen[1] and seen[2] and seen[3], "the sets are all alike")
      end)
  end
end)

-- A server's subscriptions over time, as apply changes them: makes first, removes after.
local function carry_out(server, rules, now, narrow)
  local function steps_of()
    return plan.difference(plan.compute(rules, { resources = RESOURCES, narrow = narrow }).subscriptions, server.list, {
      endpoint = "https://x.no/events", now = now,
      owner = function(address) return address == "https://x.no/events" and "ours" or nil end,
    })
  end
  local function without(id)
    for index, one in ipairs(server.list) do
      if one.id == id then table.remove(server.list, index) end
    end
  end
  for _, step in ipairs(steps_of()) do
    if step.anew then without(step.subscription.id) end
    if step.action == "create" or step.anew then
      server.last = server.last + 1
      server.list[#server.list + 1] = { id = server.last, endPoint = "https://x.no/events", includeSubunits = false,
        resourceFilter = step.planned.resource, subjectFilter = step.planned.subject, typeFilter = step.planned.type,
        created = os.date("!%Y-%m-%dT%H:%M:%SZ", now), at = now, validated = math.random(8) > 1 }
    elseif step.action == "validate" then
      step.subscription.validated = true
    end
  end
  for _, step in ipairs(steps_of()) do
    if step.action == "remove" then without(step.subscription.id) end
  end
  return steps_of()
end

-- The places that surely arrive: validated subscriptions of an hour's age.
local function heard(server, r, now)
  local places = 0
  for _, one in ipairs(server.list) do
    if one.validated and one.at + 3600 <= now then
      places = places | places_of({ resource = one.resourceFilter, subject = one.subjectFilter,
        type = one.typeFilter }, r)
    end
  end
  return places
end

describe("applied plans of random rules", function()
  it("lose nothing that was heard and is still wanted, and end with what is planned", function()
    for run = 1, 150 do
      local seed = SEED + run
      math.randomseed(seed)
      local server, now = { list = {}, last = 0 }, 1787000000
      local rules, narrow
      for _ = 1, 6 do
        rules, narrow = random_rules(), math.random(2) == 1
        now = now + math.random(5000)
        local wanted, before = wanted_places(rules), {}
        for r = 1, #RESOURCES do before[r] = heard(server, r, now) & wanted[r].places end
        carry_out(server, rules, now, narrow)
        for r = 1, #RESOURCES do
          assert(before[r] & ~heard(server, r, now) == 0, ("AE_SEED=%d: something is heard no longer"):format(seed - 1))
        end
      end
      for _ = 1, 4 do
        now = now + 3601
        carry_out(server, rules, now, narrow)
      end
      assert(not plan.differs(carry_out(server, rules, now, narrow)), ("AE_SEED=%d: no end"):format(seed - 1))
      assert.are.equal(#plan.compute(rules, { resources = RESOURCES, narrow = narrow }).subscriptions, #server.list)
    end
  end)
end)
