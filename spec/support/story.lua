-- A story of a spec: rule files in the real host, Altinn in the emulator, the targets as servers and folders, and one
-- clock for all of them. The host can be killed at any write that it makes durable, and goes on where it was.
local cjson = require "cjson"
local calendar = require "altinn.events.rules.calendar"
local core = require "altinn.events.core"
local emulator = require "spec.support.emulator"
local fault = require "spec.support.fault"
local host = require "spec.support.host"
local inbox = require "altinn.events.host.inbox"
local process = require "spec.support.process"
local smtp = require "spec.support.smtp"
local target = require "spec.support.target"

local M = {}

local SECONDS = 60           -- that anything may take on a busy machine
local SCOPES = "altinn:correspondence.read altinn:correspondence.write altinn:serviceowner altinn:events.subscribe"
local RESOURCE, OWNER, RECIPIENT = "acme-letters", "991825827", "987654321"
local AGAIN = 0.05           -- seconds until a settled host is looked at once more
local AT_ONCE = 8            -- stories that are told side by side
local SOON = 3               -- a run that is due within so many seconds is waited for

local Story = {}
Story.__index = Story
Story.__close = function(self) self:close() end

local clock_library

-- Compiles the libraries that stand before the C library's; once for all stories.
local function compile()
  if clock_library then return clock_library end
  fault.compile()
  clock_library = fault.absolute():gsub("[^/]+$", "story-clock.so")
  assert(os.execute(("env -u LD_PRELOAD cc -std=gnu11 -O1 -Wall -Wextra -fPIC -shared -o %s spec/c/clock.c -ldl")
    :format(process.quote(clock_library))))
  return clock_library
end

local function environment(self, at)
  local env = at and fault.environment { file = ".db-wal", call = "sync", at = at, action = "kill",
    count = self.folder .. "/syncs" } or {}
  local before = env.LD_PRELOAD or os.getenv "LD_PRELOAD"
  env.LD_PRELOAD = (before and before ~= "" and before .. " " or "") .. self.clock_library
  env.CLOCK_FILE = self.folder .. "/clock"
  return env
end

local function write_clock(self)
  local file = self.folder .. "/clock"
  process.write(file .. ".new", ("%d"):format(math.floor(self.ahead)))
  assert(os.rename(file .. ".new", file))
end

local function configuration(self, text)
  local values = { ALTINN = self.altinn.base, FOLDER = self.folder, TOKEN = self.altinn:token {
    scopes = self.scopes, orgNo = self.party, ttl = 86400 * 300 } }
  for name, one in pairs(self.targets) do values[name] = one.url end
  return (([[return { base_url = "$ALTINN", token = "$TOKEN", targets = { %s } }]]):format(text or "")
    :gsub("%$([%w_]+)", values))
end

-- The rule files, with texts of them replaced: the folders of the example are not those of a spec.
local function read_rules(self, paths, replace)
  local rules = {}
  for _, path in ipairs(paths) do
    local text = assert(process.read(path), path)
    for from, to in pairs(replace or {}) do
      text = text:gsub(from:gsub("%p", "%%%0"), (to:gsub("%$FOLDER", self.folder):gsub("%%", "%%%%")))
    end
    rules[path:match("([^/]+)%.lua$")] = text
  end
  return rules
end

--- A morning before Easter of the next year, as RFC 3339: nine o'clock in Norway or a little later.
---@param days integer before Easter Sunday
---@return string
function M.before_easter(days)
  local year = os.date("!*t").year + 1
  for date, name in pairs(calendar.holidays(year)) do
    if name:find "Easter Sunday" then
      local y, m, d = calendar.date(date)
      return os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(calendar.moment(y, m, d, 9 * 3600)) - days * 86400)
    end
  end
end

local function start_host(self, options)
  self.host = host.start {
    rules = read_rules(self, options.rules, options.replace), config = configuration(self, options.targets),
    listen = "127.0.0.1:" .. process.free_port(), env = environment(self, options.crash_at),
    may_fail = options.crash_at ~= nil, arguments = { "--workers", "2" },
  }
  if not self.host.running then assert(self:revive(), self.host:log()) end
end

---@class story.options
---@field rules string[] paths
---@field replace table<string, string>|nil texts of the rule files that are replaced; $FOLDER: a folder of the story
---@field now string|nil the time at which it begins, RFC 3339 in UTC
---@field services string[]|nil names of servers that take whatever comes; their addresses are $NAME in `targets`
---@field mail boolean|nil there is a mail server, $mail
---@field targets string|nil the text of the configuration's targets
---@field party string|nil of the host's token
---@field scopes string|nil of the host's token
---@field subscribe table|false|nil what the subscription holds besides; false: there is none
---@field crash_at integer|nil the host is killed in place of this call, by number, that makes its log durable; 0: the
---  calls are counted only

--- Starts a story.
---@param options story.options
function M.start(options)
  local self = setmetatable({ folder = process.folder(), targets = {}, ahead = 0, kills = 0,
    scopes = options.scopes or SCOPES, party = options.party or OWNER }, Story)
  self.clock_library = compile()
  self.altinn = emulator.start()
  for _, name in ipairs(options.services or {}) do self.targets[name] = target.start() end
  if options.mail then self.targets.mail = smtp.start() end
  assert(os.execute("mkdir " .. process.quote(self.folder .. "/letters")))
  if options.now then self:at(options.now) end
  write_clock(self)
  start_host(self, options)
  if options.subscribe ~= false then
    self.altinn:subscribe(("http://127.0.0.1:%d/events"):format(self.host.port), options.subscribe)
  end
  self:settle()
  self.began = self:syncs()
  return self
end

function Story:now() return os.time() + self.ahead end

-- Time. Emulator and host have one clock; the emulator's stands still between two steps.

local function move(self, seconds)
  self.ahead = self.ahead + seconds
  write_clock(self)
end

--- Begins at a time: RFC 3339 in UTC.
function Story:at(time)
  self.altinn:control("POST", "/clock", { to = time })
  move(self, core.altinn.moment(time) - self:now())
end

--- Lets time pass, and waits for nothing.
---@param seconds number
function Story:pass(seconds)
  move(self, seconds)
  self.altinn:advance(seconds)
end

--- Lets time pass, and what is due by then happen.
---@param seconds number
function Story:advance(seconds)
  self:pass(seconds)
  self:settle()
end

--- Lets time pass until a working day, counted from today.
---@param count integer
---@param clock string|nil such as "09:00"
function Story:workdays(count, clock)
  self:advance(calendar.resolve({ workdays = count, clock = clock }, self:now(), {}) - self:now() + 2)
end

-- The host.

-- A host that was killed goes on, and is not killed again.
function Story:revive()
  if not self.host.process:status() then return false end
  self.kills = self.kills + 1
  self.host.env = environment(self)
  assert(self.host:launch(), "the host does not start again")
  return true
end

local function is_open(run, now)
  if run.verdict == "waiting" or run.verdict == "running" then return true end
  if not run.due then return false end
  return core.altinn.moment(run.due) - now <= SOON
end

local function is_busy(self)
  local listing = inbox.list(self.host.inbox, { limit = 10000 })
  if not listing then return true end
  local now = self:now()
  for _, event in ipairs(listing.events) do
    for _, run in ipairs(event.runs) do
      if is_open(run, now) then return true end
    end
  end
  return false
end

local function is_undelivered(self)
  for _, one in ipairs(self.altinn:deliveries()) do
    if one.state == "waiting" or one.state == "sending" then return true end
  end
  return false
end

--- Waits until nothing can happen before time passes. Altinn's repeated pushes come at once.
function Story:settle()
  local fine = process.wait(SECONDS, function()
    if self:revive() then return nil end
    if is_undelivered(self) then
      move(self, 30)
      self.altinn:advance(30)
      return nil
    end
    if is_busy(self) then return nil end
    process.wait(AGAIN, function() return nil end)
    return not self.host.process:status() and not is_busy(self) or nil
  end)
  assert(fine, "the story does not come to rest: " .. self.host:log():sub(-2000))
end

--- Kills the host, which goes on from what is durable.
function Story:kill()
  self.host:kill()
  self:settle()
end

-- Altinn.

--- A letter, which is published at once.
function Story:letter(values)
  local all = { resource = RESOURCE, recipient = RECIPIENT }
  for name, value in pairs(values or {}) do all[name] = value end
  local letter = self.altinn:letter(all)
  self:settle()
  return letter
end

--- Somebody does something with a letter: "read", "confirm", "purge", …
function Story:step(letter, step, values)
  self.altinn:step(letter, step, values)
  self:settle()
end

--- The malware scan finds something in the letter's first attachment.
function Story:fail_scan(letter)
  local id = self.altinn:control("GET", "/letters/" .. letter.id).content.attachments[1].id
  self.altinn:control("POST", ("/attachments/%s/fail"):format(id), {})
  self.altinn:advance()
  self:settle()
end

--- What happens meanwhile raises events of which the host never hears.
function Story:lose(what)
  self.altinn:control("POST", "/faults", { kind = "lose", next = 100 })
  what()
  self.altinn:control("DELETE", "/faults")
end

--- What the service has received, each key once: Idempotency-Key -> request; and how many requests came.
function Story:received(name)
  local by_key, count = {}, 0
  for _, request in ipairs(self.targets[name]:requests()) do
    if request.method ~= "GET" then
      count = count + 1
      local key = request.headers["idempotency-key"]
      local before = by_key[key]
      assert(not before or before.body == request.body, "two bodies under the key " .. tostring(key))
      by_key[key] = request
    end
  end
  return by_key, count
end

--- The methods of a service's requests, in order.
function Story:methods(name)
  local list = {}
  for index, request in ipairs(self.targets[name]:requests()) do list[index] = request.method end
  return list
end

--- The one thing that a service was asked for: its request, with `json`.
function Story:only(name)
  local by_key = self:received(name)
  local key, request = next(by_key)
  assert(key and not next(by_key, key), ("not one key but %d at '%s'"):format(key and 2 or 0, name))
  local ok, value = pcall(cjson.decode, request.body)
  request.json = ok and value or nil
  return request
end

--- The texts of the mails that arrived, each Message-ID once.
function Story:mails()
  local list, seen = {}, {}
  for _, session in ipairs(self.targets.mail:sessions()) do
    local id = (session.message or ""):match("Message%-ID: (%S+)")
    if id and not seen[id] then list[#list + 1] = session.message end
    if id then seen[id] = true end
  end
  return list
end

--- The verdicts: "rule" -> list of "state: reason" in the order of arrival.
function Story:verdicts(rule)
  local list = {}
  local events = assert(inbox.list(self.host.inbox, { limit = 10000 })).events
  for index = #events, 1, -1 do
    for _, run in ipairs(events[index].runs) do
      if run.rule == rule then list[#list + 1] = ("%s: %s"):format(run.verdict, run.reason) end
    end
  end
  return list
end

--- The states of a rule's runs, in the order of arrival.
function Story:states(rule)
  local list = self:verdicts(rule)
  for index, text in ipairs(list) do list[index] = text:match("^%a+") end
  return list
end

--- How many calls made the log durable so far; only in a story with `crash_at`.
function Story:syncs() return tonumber(process.read(self.folder .. "/syncs") or "") or 0 end

function Story:close()
  self.ended = self:syncs()
  self.host:kill()
  self.host:close()
  self.altinn:close()
  for _, one in pairs(self.targets) do one:close() end
  process.remove(self.folder)
end

-- Runs functions side by side, some at a time: each goes on when the others wait.
local function side_by_side(list)
  local running, pause = {}, process.pause
  process.pause = coroutine.yield
  local ok, message = pcall(function()
    while #list > 0 or #running > 0 do
      while #list > 0 and #running < AT_ONCE do running[#running + 1] = coroutine.create(table.remove(list, 1)) end
      for index = #running, 1, -1 do
        local fine, what = coroutine.resume(running[index])
        if not fine then error(what, 0) end
        if coroutine.status(running[index]) == "dead" then table.remove(running, index) end
      end
      pause(0.001)
    end
  end)
  process.pause = pause
  for _, one in ipairs(running) do coroutine.close(one) end
  if not ok then error(message, 0) end
end

--- Tells a story without a crash, then once for each call that makes the host's log durable, killed in its place;
--- several at a time. The kills of the start are left out: they are the same in all stories.
---@param options table of M.start
---@param tell fun(story: table) makes everything happen, and checks what came of it
---@return integer kills how many of the stories had a kill
function M.with_crashes(options, tell)
  local function told(at)
    local all = { crash_at = at }
    for name, value in pairs(options) do all[name] = value end
    local one <close> = M.start(all)
    local ok, message = pcall(tell, one)
    assert(ok, ("killed at %d: %s\n%s"):format(at, tostring(message), one.host:log():sub(-3000)))
    return one
  end
  local whole, kills, list = told(0), 0, {}
  for at = whole.began + 1, whole.ended do
    list[#list + 1] = function()
      local one = told(at)  -- not within the sum: others add to it meanwhile
      kills = kills + one.kills
    end
  end
  side_by_side(list)
  return kills
end

return M
