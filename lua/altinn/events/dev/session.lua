-- A session of `dev`: the emulator, the host, the watcher and the keys in one loop, and what they print.
local altinn_module = require "altinn.events.dev.altinn"
local dry = require "altinn.events.dev.dry"
local findings = require "altinn.events.rules.findings"
local follower = require "altinn.events.dev.follower"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local house = require "altinn.events.dev.house"
local keys = require "altinn.events.dev.keys"
local lines = require "altinn.events.dev.lines"
local log = require "altinn.events.dev.log"
local places = require "altinn.events.dev.place"
local terminal = require "altinn.events.dev.terminal"
local widths = require "altinn.events.dev.width"

local M = {}

local TICK = 0.02     -- seconds of one round at most
local LOOK = 0.05     -- between two looks at the inbox
local WATCH = 0.1     -- between two looks at the files
local VALIDATION = "platform.events.validatesubscription"  -- of a subscription: no event of anybody's
local NARROW = 60     -- columns: on a narrower terminal an address has a line of its own
local SEARCHED = 100  -- events that are searched for the last one that a rule wants

local Session = {}
Session.__index = Session

-- Printing.

local function write(self, text)
  text = text .. "\n"
  if self.held then self.held[#self.held + 1] = text return end
  if not terminal.write(text) then self.broken = true end
end

--- Prints a line of parts, each { text, colour }, cut to the terminal; also where nobody reads any more, which ends the
--- session.
---@param parts table[]
function Session:print(parts) write(self, lines.joined(parts, terminal.style())) end

--- The same whole: folded where the terminal is narrower.
---@param parts table[]
function Session:tell(parts) write(self, lines.folded(parts, terminal.style())) end

--- The time of Altinn and the host, as lines begin with it.
---@return string
function Session:clock()
  return lines.clock(math.floor((self.altinn and self.altinn:now() or os.time()) * 1000))
end

--- Prints what the session itself has to say.
---@param text string
---@param colour string|nil
function Session:say(text, colour)
  self:tell { { self:clock(), "dim" }, { lines.clean(text), colour } }
end

--- Keeps lines back while another program has the terminal; false: prints them.
---@param hold boolean
function Session:hold(hold)
  local list = self.held
  self.held = hold and {} or nil
  for _, text in ipairs(not hold and list or {}) do
    if not terminal.write(text) then self.broken = true end
  end
end

-- What stands beside the address stands below it where there is no room.
local function print_row(self, row, columns)
  local parts, width = { { ("%-16s"):format(row[1]), "bold" }, { row[2] }, { row[3] or "", "dim" } }, 0
  for _, part in ipairs(parts) do width = width + widths.of(part[1]) + 2 end
  if not columns or width - 2 <= columns or not row[3] then return self:print(parts) end
  parts[3] = nil
  self:print(parts)
  self:tell { { "  " .. row[3], "dim" } }
end

local function header(self)
  local base, emulator = "http://127.0.0.1:" .. self.house:port(), self.altinn:base()
  local resource = self.altinn.resources[1]
  local rows = {
    { "altinn-events dev", ("%d rule%s"):format(#self.house.set, #self.house.set == 1 and "" or "s") },
    { "webhook", base .. "/events", "altinn-events send event.json --to " .. base .. "/events" },
    { "Altinn in a box", emulator, ("curl %s/emulator/letters -d '{\"resource\":\"%s\"}'"):format(emulator, resource) },
    { "health, metrics", "http://127.0.0.1:" .. self.house:admin_port() },
    { "state", self.folder .. "/", ("altinn-events inbox list --inbox %s/inbox.db"):format(self.folder) },
    { "effects", self.options.real and "are sent for real" or "are shown, not sent (--real sends them)" },
  }
  local columns = terminal.style().columns
  for _, row in ipairs(rows) do
    for at, text in ipairs(row) do row[at] = lines.clean(text) end
    if columns and columns < NARROW then
      self:print { { row[1], "bold" } }
      self:print { { "  " .. row[2] } }
    else
      print_row(self, row, columns)
    end
  end
  if self.interactive then self:tell { { keys.summary, "dim" } } end
end

-- Rules.

-- Warnings are told when they are new. Places of targets do not matter while nothing is sent.
local function tell_findings(self, list)
  local told = {}
  for _, finding in ipairs(list) do
    local text, is_error = findings.text(finding), finding.severity == "error"
    told[text] = true
    local is_news = is_error or not self.told[text] and (finding.code ~= "place" or self.options.real)
    for line in (is_news and text or ""):gmatch "[^\n]+" do
      self:tell { { lines.masked(line), is_error and "red" or "yellow" } }
    end
  end
  self.told = told
end

-- The last event that one of the sets wants; else the last one of somebody's.
local function last_event(self, ...)
  local matches, other = {}, nil
  for index, set in ipairs { ... } do matches[index] = keys.matcher(set) end
  for _, row in ipairs(self.follower:back(SEARCHED)) do
    for _, is_wanted in ipairs(matches) do
      if is_wanted(row.body) then return row end
    end
    other = other or keys.type_of(row.body) ~= VALIDATION and row or nil
  end
  return other
end

--- The event that keys and reloads speak of.
---@return table|nil row
function Session:last() return last_event(self, self.house.set) end

local function verdict_parts(row)
  if row.was == row.is then return { row.is or "", nil } end
  return { ("%s  =>  %s"):format(row.was or "did not want it", row.is or "does not want it any more"), "cyan" }
end

local function tell_differences(self, event, list)
  local number = "#" .. event.sequence
  if #list == 0 then self:print { { "  " .. number, "dim" }, { "no rule wants the last event, before and now" } } end
  for _, row in ipairs(list) do
    local same = row.was == row.is and #row.gone + #row.new == 0
    self:tell { { "  " .. number, "dim" }, { lines.clean(row.rule) }, { same and "as before" or "changed",
      same and "dim" or "bold" }, verdict_parts(row) }
    for _, one in ipairs(row.gone) do self:tell { { "     - " .. one, "red" } } end
    for _, one in ipairs(row.new) do self:tell { { "     + " .. one, "green" } } end
    for _, one in ipairs(row.same) do self:print { { "       " .. one, "dim" } } end
  end
end

local function runs_of(self, event, one)
  local called, runs, message = pcall(dry.runs, event, self.altinn:now(), one.config, one.set, self.altinn)
  if called and runs then return runs end
  return nil, tostring(not called and runs or message)
end

-- Shows what the last event would do now, and what it did under the rules before. A rehearsal that fails is told, and
-- ends nothing.
local function rehearse(self, before, now)
  local event = last_event(self, now.set, before.set)
  if not event then
    self:say("no event has come yet" .. (self.interactive and ": l makes a letter" or ""))
    return
  end
  local old, new, message
  new, message = runs_of(self, event, now)
  if new then old, message = runs_of(self, event, before) end
  if not old then return self:say("the last event cannot be rehearsed: " .. lines.masked(message), "yellow") end
  tell_differences(self, event, dry.compare(old, new))
end

local function counted(count) return ("%d rule%s in force"):format(count, count == 1 and " is" or "s are") end

-- Reads configuration and rules anew; broken ones are told, and those before stay.
function Session:reload()
  local own = { folder = self.folder, base_url = self.altinn:base(), real = self.options.real }
  local config, problems = places.config(self.options, own)
  if not config then
    for _, problem in ipairs(problems) do self:tell { { lines.masked(problem), "red" } } end
    return self:say("the configuration is broken: the one before stays in force", "red")
  end
  local set, list = places.rules(config)
  if not set then
    tell_findings(self, list)
    return self:say(#self.house.set > 0 and "the rules are broken: those before stay in force"
      or "there are no rules in force", "red")
  end
  self.altinn:know(set)
  config.token = self.altinn:token()
  local before = { config = self.house.config, set = self.house.set }
  local done, lost = self.house:reload(config, set)
  if not done then return self:say(lost, "red") end
  for _, finding in ipairs(lost) do list[#list + 1] = finding end
  tell_findings(self, list)
  self.paths = places.watched(config)
  self:say(counted(#set) .. ": what the last event would do, nothing is sent")
  rehearse(self, before, { config = config, set = set })
end

-- The loop.

local function watch(self, now)
  if now < self.watch_at then return end
  self.watch_at = now + WATCH
  local traces = host.traces(self.paths)
  if traces == self.traces then return end
  self.traces = traces
  self:reload()
end

local function look(self, now)
  if now < self.look_at then return end
  self.look_at = now + LOOK
  local facts, message = self.follower:look()
  if not facts then return self:say(message, "red") end
  for _, fact in ipairs(facts) do
    if fact.type ~= VALIDATION then self:print(lines.parts(fact)) end
  end
end

local function tell_log(self)
  for _, parts in ipairs(self.log:take()) do
    table.insert(parts, 1, { self:clock(), "dim" })
    self:print(parts)
  end
end

local ENDS = { term = true, int = true, failed = true }

local function take_signal(self)
  local what = self.house:signal()
  if what == "int" and self.held then return end  -- meant for the editor
  if ENDS[what] then self.ending = what
  elseif what == "hup" then self.ending = self.interactive and what or self:reload()
  elseif what == "forced" then self.house:reload(self.house.config, self.house.set)
  elseif what == "unwell" then self:say(select(2, self.house:health()) or "the inbox does not store", "red") end
end

local function take_keys(self)
  local typed, why = host.keys(0, self.interactive)
  if why == "broken" then self.broken = true
  elseif why == "closed" then self.interactive = keys.give_up()
  elseif typed ~= "" then keys.take(self, typed) end
end

--- One round.
function Session:step()
  local _, now = self.altinn.emulator.clock.real()
  self.altinn:step(TICK)
  self.house:go_to(self.altinn:now())
  take_signal(self)
  take_keys(self)
  keys.step(self)
  tell_log(self)
  look(self, now)
  if not self.held then watch(self, now) end
  local saved, message = self.altinn:save()
  if not saved and not self.unsaved then self:say(message, "red") end
  self.unsaved = not saved
end

local function loop(self)
  header(self)
  for _, note in ipairs(self.notes) do self:say(note, "yellow") end
  tell_findings(self, self.findings)
  self.findings = nil
  repeat self:step() until self.ending or self.broken
end

-- Beginning and ending.

local function start_altinn(self, port)
  local message
  self.altinn, message = altinn_module.new { listen = { "127.0.0.1", port }, file = self.folder .. "/altinn.json",
    log = function(level, what, fields)
      local parts = log.parts { level = level == "info" and "debug" or level, msg = what, reason = fields.reason,
        status = fields.status }
      if parts and self.house then self:print { { self:clock(), "dim" }, table.unpack(parts) } end
    end }
  return self.altinn, message
end

local function quiet() end

local function start_house(self, ports)
  local own = { folder = self.folder, listen = ports.webhook, admin = ports.admin, base_url = self.altinn:base(),
    real = self.options.real }
  local config, problems = places.config(self.options, own)
  if not config then return nil, table.concat(problems, "\n") end
  local set, list = places.rules(config)
  self.findings, set = list, set or places.nothing()
  self.altinn:know(set)
  config.token = self.altinn:token()
  self.paths = places.watched(config)
  self.traces = host.traces(self.paths)
  local message
  self.house, message = house.start(config, set, quiet)
  if not self.house then return nil, message end
  self.house:go_to(self.altinn:now())
  self.altinn:push_to(("http://127.0.0.1:%d/events"):format(self.house:port()))
  self.follower, message = follower.new(config.inbox, { now = math.floor(self.house:now() * 1000) })
  return self.follower, message
end

local function finish(self)
  local whole = true
  keys.give_up()
  self:hold(false)
  if self.follower then self.follower:close() end
  if self.altinn then self.altinn:save(true) end
  if self.house then whole = self.house:stop() end
  if self.altinn then
    tell_log(self)
    self.altinn:close()
  end
  return whole
end

local function begin(self)
  local usual = places.usual_ports(self.options)
  local ports, notes = places.ports { webhook = usual.webhook, admin = usual.admin, ["Altinn in a box"] = 8490 }
  self.notes = notes
  local fine, message = start_altinn(self, ports["Altinn in a box"])
  if fine then fine, message = start_house(self, ports) end
  return fine, message
end

--- Runs a session until it is ended.
---@param options { config: string|nil, env_file: string|nil, values: table, real: boolean|nil, folder: string }
---@return integer status
---@return string|nil message of a failure
function M.run(options)
  local self = setmetatable({ options = options, folder = options.folder, told = {}, watch_at = 0, look_at = 0 },
    Session)
  local message
  self.log, message = log.catch()
  if not self.log then return 1, message end
  local called, fine
  called, fine, message = xpcall(begin, debug.traceback, self)
  if called and fine then
    self.interactive = keys.start()
    called, fine = xpcall(loop, debug.traceback, self)
    if called then message = self.ending == "failed" and "a worker failed" or nil end
  end
  local ended, whole = xpcall(finish, debug.traceback, self)
  log.release()
  if not ended then called, fine = false, whole end
  if not called then message = fine end
  if whole == false then host.leave(1) end
  return message and 1 or 0, message
end

return M
