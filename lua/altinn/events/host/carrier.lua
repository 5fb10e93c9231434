-- Carries the requests of effects out of the host: over libcurl, with the tokens and the handshake of their targets.
local aside = require "altinn.events.host.aside"
local client = require "altinn.events.client.transport"
local delivery = require "altinn.events.rules.delivery"
local events = require "altinn.events"
local scheduler = require "altinn.events.host.scheduler"

local M = {}

-- Who carries a request, by its `carrier`: each gives a reply, see scheduler.request.
local carriers = {}

function carriers.http(request) return scheduler.request(request) end

carriers.curl = carriers.http

function carriers.aside(request, worker) return aside.carry(worker, request) end

-- What every target says while effects are caught: servers a status, files and programs an outcome. Nothing leaves.
local function taken(request)
  return { status = request.mail and 250 or 200, headers = {}, body = "", outcome = "sent", text = "", answer = "" }
end

--- What the engine's port `send` does; with the setting `caught` (altinn-events dev) nothing is sent.
---@param worker { jobs: table, settings: table }
---@return fun(request: table, job: table|nil, item: table|nil): table send (waits)
function M.new(worker)
  -- The task's `target` says whose request goes out: a request for a token is none of a target's.
  local function perform(request)
    local present = scheduler.task()
    present.target = present.aim
    local reply = carriers[request.carrier or "http"](request, worker)
    present.target = nil
    return reply
  end
  local made = delivery.new {
    perform = perform,
    transport = client.default(), clock = function() return (worker.jobs:now()) end, sleep = scheduler.sleep,
    maskinporten = events.maskinporten,
  }
  return function(request, _, item)
    if worker.settings.caught then return taken(request) end
    scheduler.task().aim = item and item.target
    made.origin, made.environment = worker.settings.origin, worker.settings.environment
    return made:send(request)
  end
end

return M
