-- A host in the spec's own process whose worker is the spec's: what the
-- host hands to a worker, and what it makes of the worker's answers.
local http = require "spec.support.http"
local process = require "spec.support.process"
local sql = require "spec.support.sql"

local M = {}

local Own = {}
Own.__index = Own

-- The worker's file: its settings are its code. `say` writes a line for the
-- spec, `told` is whether the spec said a word.
local WORKER = [[
return { main = function(jobs, code)
  local folder = %q
  local function say(line)
    local file = assert(io.open(folder .. "/said", "a"))
    file:write(line, "\n")
    file:close()
  end
  local function told(word)
    local file = io.open(folder .. "/" .. word)
    return file ~= nil and file:close()
  end
  assert(load(code, "=worker", "t", setmetatable({ jobs = jobs, say = say, told = told }, { __index = _G })))()
end }
]]

--- Starts a host with one worker, which runs the code: it sees `jobs` (csrc/lua/host/jobs.c), `say` and `told`.
---@param code string
---@param rules string[] names; each wants all events
---@param options table|nil more for host.start
function M.start(code, rules, options)
  local self = setmetatable({ folder = process.folder() }, Own)
  assert(os.execute("mkdir -p " .. self.folder .. "/altinn/events/host"))
  process.write(self.folder .. "/altinn/events/host/worker.lua", WORKER:format(self.folder))
  process.write(self.folder .. "/said", "")
  self.code, self.heads, self.inbox = code, {}, options and options.inbox or self.folder .. "/inbox.db"
  for i, rule in ipairs(rules) do self.heads[i] = { rule = rule, conditions = {}, order = false } end
  self.options = options or {}
  self:launch()
  return self
end

--- Starts it again.
function Own:launch()
  local path = package.path
  package.path = self.folder .. "/?.lua;" .. path
  local options = {
    inbox = self.inbox, listen = { "127.0.0.1", 0 }, workers = 1, heads = self.heads, worker_settings = self.code,
  }
  for name, value in pairs(self.options) do options[name] = value end
  local handle, message = require("altinn.events.host").start(options)
  package.path = path
  self.handle = assert(handle, message)
end

--- Lets `told(word)` be true.
function Own:tell(word) process.write(self.folder .. "/" .. word, "") end

--- Waits for a line that the worker said.
function Own:said(line, seconds)
  return process.wait(seconds or 10, function()
    return ("\n" .. process.read(self.folder .. "/said")):find("\n" .. line .. "\n", 1, true) ~= nil or nil
  end)
end

--- All lines.
function Own:lines()
  local list = {}
  for line in process.read(self.folder .. "/said"):gmatch("[^\n]+") do list[#list + 1] = line end
  return list
end

function Own:post(body, media)
  return http.post(self.handle:port(), "/events", body, { ["Content-Type"] = media or "application/cloudevents+json" })
end

function Own:query(text, ...) return sql.query(self.inbox, text, ...) end

function Own:execute(text, ...) sql.execute(self.inbox, text, ...) end

--- The value of a metric.
function Own:metric(name)
  return tonumber(self.handle:metrics():match("\naltinn_events_" .. name .. " ([%d.]+)\n"))
end

--- Waits until no event waits for a verdict.
function Own:settle(seconds)
  return process.wait(seconds or 10, function() return self:query("SELECT 1 FROM waiting")[1] == nil or nil end)
end

function Own:close()
  self:tell "stop"
  if self.handle then self.handle:stop() end
  process.remove(self.folder)
end

return M
