-- A host of a spec: the real command, on ports of its own, in a folder of
-- its own.
local cjson = require "cjson"
local http = require "spec.support.http"
local process = require "spec.support.process"

local M = {}

local Host = {}
Host.__index = Host

local NOTHING = 'rule { name = "nothing", on = "x.never.raised", run = function() return skip("no") end }\n'

-- The wrapper in PATH, as `make test` sets it, or the one of the build.
local function command()
  local found = os.execute("command -v altinn-events >/dev/null 2>&1")
  return found and "altinn-events" or "build/lua5.4/bin/altinn-events"
end

--- The command's name or path.
function M.program() return command() end

local function write_rules(folder, rules)
  process.remove(folder .. "/rules")
  assert(os.execute("mkdir -p " .. process.quote(folder .. "/rules")))
  for name, text in pairs(rules) do
    local path = ("%s/rules/%s.lua"):format(folder, name)
    assert(os.execute("mkdir -p " .. process.quote(path:match("^(.*)/"))))
    process.write(path, text)
  end
end

local function command_line(self)
  local words = { command(), "run", process.quote(self.folder .. "/rules"),
    "--config", process.quote(self.folder .. "/altinn-events.lua"),
    "--listen", self.listen or "127.0.0.1:0", "--admin", "127.0.0.1:0" }
  if self.inbox ~= false then
    words[#words + 1] = "--inbox " .. process.quote(self.inbox)
  end
  for _, word in ipairs(self.arguments) do words[#words + 1] = process.quote(word) end
  local env = {}
  for name, value in pairs(self.env) do env[#env + 1] = name .. "=" .. process.quote(value) end
  return (#env > 0 and "env " .. table.concat(env, " ") .. " " or "") .. (self.before and self.before .. " " or "")
    .. table.concat(words, " ")
end

local function parse_listening(self)
  local log = self.process:errors()
  local address, admin = log:match("msg=listening address=%S-:(%d+) admin=%S-:(%d+)")
  if not address then address, admin = log:match('"msg":"listening","address":"[^"]-:(%d+)","admin":"[^"]-:(%d+)"') end
  if not address then return self.process:status() and "ended" or nil end
  self.port, self.admin_port = tonumber(address), tonumber(admin)
  return "listening"
end

--- Starts the process and does not wait for it; the log begins anew.
function Host:begin()
  self.starts = self.starts + 1
  self.process = process.start(self.folder, "host-" .. self.starts, command_line(self))
end

--- Starts (again) and waits until it listens. False and the log when it ends.
function Host:launch()
  self:begin()
  local state = process.wait(60, parse_listening, self)
  return state == "listening", self.process:errors()
end

---@param options { rules: table|nil, config: string|nil, arguments: table|nil, env: table|nil, listen: string|nil,
---  inbox: string|nil, may_fail: boolean|nil, before: string|nil: a command that runs the host's }
function M.start(options)
  local folder = process.folder()
  local self = setmetatable({
    folder = folder, inbox = options.inbox or folder .. "/inbox.db", arguments = options.arguments or {},
    env = options.env or {}, listen = options.listen, before = options.before, starts = 0,
  }, Host)
  write_rules(folder, options.rules or { nothing = NOTHING })
  process.write(folder .. "/altinn-events.lua", options.config or "return {}\n")
  local ok, log = self:launch()
  if not ok and not options.may_fail then error("the host does not start: " .. log) end
  self.running = ok
  return self
end

function Host:rewrite(rules) write_rules(self.folder, rules) end

function Host:log() return self.process:errors() end

function Host:wait_log(pattern, seconds)
  return process.wait(seconds or 30, function() return self:log():match(pattern) end)
end

--- Waits for a text in the log, which a thread of its own writes.
function Host:wait_line(text, seconds)
  return process.wait(seconds or 30, function() return self:log():find(text, 1, true) ~= nil or nil end)
end

function Host:signal(name) return self.process:signal(name) end

function Host:stop() return self.process:stop() end

function Host:kill()
  self:signal "KILL"
  return self.process:wait_exit(30)
end

function Host:restart()
  self:stop()
  local ok, log = self:launch()
  assert(ok, log)
end

--- Ends it and takes its folder away.
function Host:close()
  if self.process and not self.process:status() then
    self:signal "TERM"
    if not self.process:wait_exit(15) then self:kill() end
  end
  process.remove(self.folder)
end

function Host:post(body, headers, path)
  return http.post(self.port, path or "/events", body, headers)
end

function Host:metrics()
  local _, _, text = http.request(self.admin_port, { path = "/metrics" })
  local metrics = { text = text }
  for name, value in text:gmatch("altinn_events_(%S+) ([%d.]+)\n") do metrics[name] = tonumber(value) end
  return metrics
end

--- Waits until no event waits for a verdict.
function Host:settle(seconds)
  return process.wait(seconds or 30, function() return self:metrics().waiting == 0 end)
end

--- Runs the command; its exit status, its output, its messages.
function Host:run(...)
  return M.command(self.folder, ...)
end

--- `altinn-events` with these words: exit status, output, messages.
function M.command(folder, ...)
  local words = { command() }
  for _, word in ipairs { ... } do words[#words + 1] = process.quote(word) end
  local out, err = folder .. "/command.out", folder .. "/command.err"
  local _, _, status = os.execute(("%s >%s 2>%s </dev/null"):format(table.concat(words, " "), process.quote(out),
    process.quote(err)))
  return status, process.read(out), process.read(err)
end

--- What `inbox list --json` prints.
function Host:list(...)
  local status, out, err = self:run("inbox", "list", "--json", "--inbox", self.inbox, ...)
  assert(status == 0, err)
  return cjson.decode(out)
end

--- All runs in the inbox: "event id/rule" -> verdict.
function Host:verdicts()
  local found = {}
  for _, event in ipairs(self:list("--limit", "100000").events) do
    for _, run in ipairs(event.runs) do found[event.id .. "/" .. run.rule] = run end
  end
  return found
end

--- The ids in the inbox, as a set, and their number.
function Host:ids()
  local ids, list = {}, self:list("--limit", "1000000")
  for _, event in ipairs(list.events) do ids[event.id] = (ids[event.id] or 0) + 1 end
  return ids, list.count
end

return M
