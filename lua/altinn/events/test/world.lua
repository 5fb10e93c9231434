-- The test world: the real host in a simulation (or as it is), Altinn in the emulator, targets that do as they are
-- told, and one clock for all of them, which the spec moves.
local arguments = require "altinn.events.rules.arguments"
local calendar = require "altinn.events.rules.calendar"
local core = require "altinn.events.core"
local crash = require "altinn.events.test.crash"
local duration = require "altinn.events.support.duration"
local events = require "altinn.events"
local invariants = require "altinn.events.test.invariants"
local look = require "altinn.events.test.look"
local mistake = require "altinn.events.test.mistake"
local paths = require "altinn.events.client.paths"
local pushes = require "altinn.events.test.pushes"
local scenes = require "altinn.events.emulator.scenes"
local setup = require "altinn.events.test.setup"
local sorted = require("altinn.events.support.names").sorted
local suggest = require "altinn.events.support.suggest"
local targets = require "altinn.events.test.target"
local things = require "altinn.events.test.things"

local M = {}

local World = {}

local OPTIONS = { rules = true, now = true, targets = true, seed = true, configuration = true, host = true,
  party = true }
local NOW = "2026-06-03T10:00:00+02:00"   -- a Wednesday
local OWNER_SCOPES = "altinn:correspondence.read+altinn:correspondence.write+altinn:serviceowner"
  .. "+altinn:events.subscribe"
local TOKEN_SECONDS = 400 * 366 * 86400

-- Options.

local function seconds_of(value, name)
  if type(value) == "number" then return value end
  local seconds, nanoseconds = nil, nil
  if type(value) == "string" then seconds, nanoseconds = core.altinn.moment(value) end
  if seconds then return seconds + nanoseconds / 1e9 end
  mistake.raise("%s: a time is needed, such as \"2026-12-23T10:00:00+01:00\", not %s", name,
    type(value) == "string" and "'" .. value .. "'" or "a " .. type(value))
end

local function check_options(options)
  if type(options) ~= "table" then mistake.raise("test.world wants a table: test.world { rules = { \"rules\" } }") end
  for name in pairs(options) do
    if not OPTIONS[name] then
      mistake.raise("a world has no option '%s'%s; it has %s", tostring(name), suggest.hint(tostring(name), OPTIONS),
        table.concat(sorted(OPTIONS), ", "))
    end
  end
  if options.rules == nil then mistake.raise("rules is missing: test.world { rules = { \"rules/paper.lua\" } }") end
  if options.host ~= nil and options.host ~= "real" and options.host ~= "simulated" then
    mistake.raise("host is \"simulated\" or \"real\", not '%s'", tostring(options.host))
  end
  if options.seed ~= nil and math.type(options.seed) ~= "integer" then mistake.raise("seed is a whole number") end
end

-- Raises unless a value is of one of the types; nil is a type.
local function check_type(what, value, ...)
  for _, name in ipairs { ... } do
    if type(value) == name then return end
  end
  mistake.raise("%s is needed, not a %s", what, type(value))
end

local LATEST = 9e9  -- seconds since 1970: the year 2255

local function in_range(what, seconds)
  if seconds > 0 and seconds < LATEST then return seconds end
  mistake.raise("%s: a time after 1970 and before 2255 is needed", what)
end

-- Making a world.

-- What a world is made of, in force from now on.
local function use(self, made)
  self.made, self.rules = made, {}
  for _, rule in ipairs(made.set) do self.rules[rule.name] = rule end
  for name, config in pairs(made.config.targets) do
    if not self.targets[name] then self.targets[name] = targets.new(name, config) end
  end
  self.target_names = sorted(self.targets)
end

local function token_of(self, party)
  local query = party and "scopes=altinn:correspondence.read&orgNo=" .. party
    or "orgNo=991825827&scopes=" .. OWNER_SCOPES
  return assert(self.altinn:control("GET", ("/token?%s&ttl=%d"):format(query, TOKEN_SECONDS)))
end

-- A run that has so many attempts within a minute of the world goes round for ever.
local ATTEMPTS = 1000

local function count_attempt(self, fields)
  local minute = self:seconds() // 60
  if self.minute ~= minute then self.minute, self.attempts = minute, {} end
  local run = ("%s #%s"):format(tostring(fields.rule), tostring(fields.event))
  self.attempts[run] = (self.attempts[run] or 0) + 1
  if self.attempts[run] < ATTEMPTS then return end
  mistake.raise("this never ends: the run %s is %s for the %dth time: %s", run, tostring(fields.verdict), ATTEMPTS,
    tostring(fields.reason))
end

local function write_line(self, level, what, fields)
  if what == "verdict" then count_attempt(self, fields) end
  local line = { os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(self:seconds())), level, what }
  for _, name in ipairs(sorted(fields)) do line[#line + 1] = ("%s=%s"):format(name, tostring(fields[name])) end
  self.lines[#self.lines + 1] = table.concat(line, " ")
end

--- A world. What is already known of it may be given, so that many worlds of one kind are made fast.
---@param options table
---@param defaults { seed: integer|nil, host: string|nil, coverage: boolean|nil, opened: fun(world: table),
---  closing: fun(world: table) }
---@param made table|nil of setup.of
---@return table world
function M.new(options, defaults, made)
  check_options(options)
  made = made or setup.of(options, mistake.caller())
  local now = in_range("now", seconds_of(options.now or NOW, "now"))
  local self = setmetatable({
    options = options, defaults = defaults, targets = {}, pushes = pushes.new(), letters = {}, lines = {}, faults = {},
    under_way = {}, lines_of = {}, listening = {}, attempts = {}, began = now, answering = false,
    seed = options.seed or defaults.seed or 1,
  }, World)
  use(self, made)
  local kind = options.host or defaults.host or "simulated"
  require("altinn.events.test." .. kind).open(self, { now = now, log = function(...) write_line(self, ...) end,
    token = function() return token_of(self, options.party) end, coverage = defaults.coverage })
  for _, name in ipairs(sorted(options.targets or {})) do self:target(name, options.targets[name]) end
  defaults.opened(self)
  self.fresh = true
  return self
end

-- Using it.

function World:check_open()
  if self.closed then mistake.raise "the world is closed" end
  self.fresh = false
end

function World:seconds() return self.host and self.host:now() or self.began end

-- What the host is in the middle of does not go on meanwhile.
function World:check_idle()
  self:check_open()
  if self.answering then
    mistake.raise "a target that answers can neither let time pass nor stop the host: do it in the spec"
  end
end

-- Raises what the host did wrong.
function World:check(thorough)
  local faults = invariants.faults(self, thorough)
  if #faults > 0 then mistake.raise("the host broke its promise: %s", table.concat(faults, "; ")) end
end

-- The thing that an event of the inbox is about.
function World:thing_of(sequence)
  if not self.lines_of[sequence] then look.add_things(self, self.lines_of) end
  return self.lines_of[sequence] or tostring(sequence)
end

--- The present moment of the world.
---@return string time RFC 3339, in UTC
function World:now() return (os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(self:seconds()))) end

-- Altinn.

--- A letter at Altinn, published at once unless it says otherwise. It raises no event: push does.
---@param values table|nil
---@return table letter
function World:letter(values)
  self:check_open()
  check_type("letter: a table of its values", values, "nil", "table")
  local number = #self.letters + 1
  local all = { recipient = "987654321", sendersReference = "ref-" .. number }
  for name, value in pairs(values or {}) do all[name] = value end
  local one, message = self.altinn:by_chance(scenes.letter, self.altinn, all)
  if not one then mistake.raise("letter: %s", message) end
  if self.is_live then self:listen(one.resource) end
  self.altinn:tick()
  self.letters[number] = things.letter(self, one, number)
  return self.letters[number]
end

--- A call of the emulator's control interface: GET /emulator of the command lists them.
---@param method string
---@param path string below /emulator
---@param body table|nil
---@return any answer
function World:control(method, path, body)
  self:check_open()
  check_type("control: a method", method, "string")
  check_type("control: a path below /emulator", path, "string")
  local answer, message = self.altinn:control(method, path, body)
  if answer == nil then mistake.raise("%s %s: %s", method, path, tostring(message)) end
  return answer
end

-- The text of an event that is given as such. JSON text stays as it is, byte for byte.
local function text_of(self, event, attributes)
  if type(event) == "string" then
    local parsed, message = events.parse(event, { max_bytes = #event })
    if not parsed then mistake.raise("push: %s", message) end
    if next(attributes) == nil then return event end
    event = parsed
  end
  local body = self.pushes:body(event)
  if body and next(attributes) == nil then return body end
  local values = events.totable(body and assert(events.parse(body)) or event)
  for name, value in pairs(attributes) do values[name] = value or nil end
  local text, message = events.encode(values)
  if not text then mistake.raise("push: %s", message) end
  return text
end

local function build(self, name, thing, attributes)
  if type(name) == "string" and not name:find "^%s*{" then
    local known = rawget(events.types, name)  -- reading an unknown one raises
    if thing ~= nil and known then things.check_kind(thing, name, known.about) end
    local record, message = self.altinn:by_chance(scenes.event, self.altinn, name, things.about(self, thing),
      attributes)
    if not record then mistake.raise("push: %s", message) end
    return record.body, record
  end
  check_type("push: the type of an event, or an event,", name, "string", "table", "userdata")
  check_type("push: with an event a table of attributes that differ", thing, "nil", "table")
  local body = text_of(self, name, thing or {})
  return body, require("altinn.events.emulator.publish").record(body)
end

--- Pushes an event to the host, as Altinn does; an event that was pushed before is pushed again. It is durable when the
--- call returns, and nothing has come of it yet.
---@param what string|table a type, or an event: a table or its JSON text
---@param thing table|string|nil what the event is about; with an event: its attributes
---@param attributes table<string, any>|nil that differ from those that Altinn gives it; false leaves one out
---@return table event
function World:push(what, thing, attributes)
  self:check_open()
  check_type("push: a table of attributes that differ", attributes, "nil", "table")
  local body, record = build(self, what, thing, attributes or {})
  if record then self.altinn.events:keep(record) end
  return self:post(body)
end

-- Posts an event to the host; what it refuses raises.
function World:post(body, subscription)
  local reply = self.host:push(body, subscription)
  local event, message = events.parse(body, { max_bytes = #body + 1 })
  if not event or reply.status < 200 or reply.status > 299 then
    mistake.raise("push: the host answers %d: %s", reply.status, message or tostring(reply.body))
  end
  self.pushes:add(body, event, reply.status)
  return event
end

--- From now on the letters raise their events themselves, and Altinn pushes them, again and again where it must.
function World:live()
  self:check_open()
  self.is_live, self.altinn.silent = true, false
  self:listen "acme-letters"
  for _, letter in ipairs(self.letters) do self:listen(letter.resource) end
end

-- Subscribes to a resource.
function World:listen(resource)
  if self.listening[resource] then return end
  self.listening[resource] = true
  self:control("POST", "/subscriptions", { endPoint = self.endpoint, resourceFilter = resource })
end

-- Time.

local PAUSE = 700   -- percent to which memory grows until garbage is collected, while much happens at once

-- Calls a method of the host with more room for garbage: a month of letters takes a third less time.
local function with_room(self, method, ...)
  local before = collectgarbage("setpause", PAUSE)
  local fine, message = pcall(self.host[method], self.host, ...)
  collectgarbage("setpause", before)
  if not fine then error(message, 0) end
end

--- Everything that can happen at this moment.
function World:settle()
  self:check_idle()
  with_room(self, "settle")
  self:check()
end

local function moment_of(self, to)
  if getmetatable(to) == arguments.Workdays then
    return (calendar.resolve({ workdays = to.workdays, clock = to.clock }, self:seconds(),
      self.made.config.holidays or {}))
  end
  if type(to) == "string" and to:find("^%d%d%d%d%-") then return seconds_of(to, "advance") end
  local span, message = duration.parse(to)
  if span then return self:seconds() + span end
  mistake.raise("advance: %s: write \"3d\", \"2026-12-24T09:00:00+01:00\" or test.workdays(2)", message)
end

--- Lets time pass, and all that falls due on the way happen.
---@param to string|number|table a span, a time, or test.workdays(n [, "09:00"])
function World:advance(to)
  self:check_idle()
  local time = in_range("advance", moment_of(self, to))
  if time < self:seconds() then
    mistake.raise("advance: %s lies before the world's present, %s, and time does not go back", tostring(to),
      self:now())
  end
  with_room(self, "advance", time)
  self:check()
end

-- What Altinn answers.

-- The id of a thing that is of the kind that the call reads.
local function id_for(call, thing)
  local kind = paths.reads[call]
  if not kind then
    mistake.raise("reply: there is no read '%s'%s; there are %s", tostring(call),
      suggest.hint(tostring(call), paths.reads), table.concat(sorted(paths.reads), ", "))
  end
  local id = type(thing) == "table" and thing.id or type(thing) == "string" and thing:match("^" .. kind .. ":(.+)$")
  if type(id) ~= "string" then
    mistake.raise("reply: %s reads %s: name one, or write \"%s:ID\"", call,
      kind == "letter" and "a letter" or "an attachment", kind)
  end
  return id
end

local REPLY = { status = true, body = true }

--- What Altinn answers to a read from now on, whatever it would say of the letter otherwise.
---@param thing table|string a letter, "letter:ID" or "attachment:ID"
---@param call string overview, details, content, attachment, attachment_details
---@param answer string|{ status: integer, body: string|nil } the body of a good answer; or a status with its body
function World:reply(thing, call, answer)
  self:check_open()
  local id = id_for(call, thing)
  local reply = type(answer) == "table" and answer or { status = 200, body = answer }
  for name in pairs(reply) do
    if not REPLY[name] then mistake.raise("reply: an answer has no '%s'; it has status, body", tostring(name)) end
  end
  if math.type(reply.status) ~= "integer" or type(reply.body or "") ~= "string" then
    mistake.raise "reply: an answer is a text, or { status = a whole number, body = a text }"
  end
  local media = call == "content" and "text/plain" or reply.status < 300 and "application/json"
    or "application/problem+json"
  self.altinn:say(paths.of(call, id), { status = reply.status, body = reply.body or "",
    headers = { ["Content-Type"] = media } })
end

-- Targets.

-- What a real host needs besides.
local function hook(self, name, ...)
  if self.host[name] then self.host[name](self.host, ...) end
end

local function target_of(self, name)
  local target = self.targets[name]
  if target then return target end
  mistake.raise("there is no target '%s'%s; %s", tostring(name), suggest.hint(tostring(name), self.targets),
    #self.target_names > 0 and "there are " .. table.concat(self.target_names, ", ")
      or "the rules of the world send to none")
end

--- How a target behaves from now on.
---@param name string
---@param behaviour string|table|function
function World:target(name, behaviour)
  local target = target_of(self, name)
  target:behave(behaviour)
  hook(self, "behaves", target)
end

--- What a target has received, each key once, in order.
---@param name string
---@return table[] sent
function World:sent(name)
  hook(self, "collect")
  return target_of(self, name):list()
end

--- Every request that a target got, in order: probes and repetitions among them.
---@param name string
---@return table[] requests
function World:requests(name)
  hook(self, "collect")
  return target_of(self, name):all()
end

-- Verdicts.

function World:verdict(rule, thing) return look.verdict(self, rule, thing) end

function World:verdicts(rule) return look.verdicts(self, rule) end

function World:timers(thing) return look.timers(self, thing) end

--- What a rule remembers of a thing.
---@param rule string
---@param thing table
---@return table<string, any>
function World:memory(rule, thing)
  local kind = getmetatable(thing) and getmetatable(thing).__name
  return look.memory(self, rule, kind, things.about(self, thing).id)
end

function World:why(thing, rule) return look.why(self, thing, rule) end

--- How often each line of the rules' files ran; only where `test.covers`.
---@return table<string, table<integer, integer>> coverage
function World:coverage() return self.host.coverage and self.host:coverage() or {} end

--- The lines of the host's log.
---@return string
function World:log() return table.concat(self.lines, "\n") end

-- The host's life.

--- Puts other rules in force, as a reload does.
---@param given table|string files, folders or texts
function World:reload(given)
  self:check_idle()
  local options = {}
  for name, value in pairs(self.options) do options[name] = value end
  options.rules = given
  local made = setup.of(options, mistake.caller())
  made.config.base_url, made.config.token = self.made.config.base_url, self.made.config.token
  use(self, made)
  hook(self, "prepare", made)
  local done, message = self.host:reload(made.config, made.set)
  if not done then mistake.raise("reload: %s", tostring(message)) end
end

--- Stops the host in order, and starts it again.
function World:restart()
  self:check_idle()
  self.host:restart()
  self.under_way = {}
  self:check(true)
end

--- The power fails, and the host is started again.
function World:kill()
  self:check_idle()
  self.under_way = {}
  self.host:kill()
  self:check(true)
end

--- Tells the scenario in a fresh world without a crash, then once for each moment at which the host may die, with a
--- crash there. A failure names the moment.
---@param tell fun(world: table)
---@return integer count how many moments there are
function World:crash_points(tell)
  if not self.fresh then
    mistake.raise "crash_points begins with fresh worlds: call it before anything else happens in this one"
  end
  return crash.run(self, tell, M.new)
end

--- Ends the world; raises what the host did wrong.
function World:close()
  if self.closed then return end
  self:check_idle()
  self.defaults.closing(self)
  self.closed = true
  local faults = { pcall(invariants.faults, self, true) }
  self.host:close()
  if not faults[1] then error(faults[2], 0) end
  if #faults[2] > 0 then mistake.raise("the host broke its promise: %s", table.concat(faults[2], "; ")) end
end

-- What the parts of the world call.
local INNER = { check_open = true, check_idle = true, seconds = true, check = true, thing_of = true,
  post = true, listen = true }

-- A method that is called with a dot has no world, or takes its first argument for one.
local function with_colon(name, method)
  return function(self, ...)
    if getmetatable(self) ~= World then mistake.raise("write a colon: world:%s(…)", name) end
    return method(self, ...)
  end
end

-- For the definitions of editors: what specs may call.
M.methods = {}

local methods = {}
for name, method in pairs(World) do
  methods[name] = INNER[name] and method or with_colon(name, method)
  M.methods[name] = not INNER[name] and method or nil
end

World.__name, World.__close = "world", function(self) self:close() end
World.__tostring = function(self) return ("world at %s"):format(self:now()) end

local INTERNAL = { host = true, altinn = true, made = true, rules = true, closed = true, is_live = true, fresh = true,
  endpoint = true, target_names = true, seed = true, minute = true,
  with_crash = true }

World.__index = function(_, name)
  if methods[name] or INTERNAL[name] then return methods[name] end
  mistake.raise("a world has no '%s'%s", tostring(name), suggest.hint(tostring(name), methods))
end

return M
