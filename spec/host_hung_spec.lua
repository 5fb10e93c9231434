-- What does not answer costs its own rules alone: the real host, an Altinn
-- and a target that take requests and say nothing.
local host = require "spec.support.host"
local sample = require "spec.support.sample"
local script = require "spec.support.script"
local socket = require "socket"

local altinn, dead, alive, one

before_each(function()
  altinn, dead, alive = script.start(), script.start(), script.start()
  altinn:answer "return { hang = true }"
  dead:answer "return { hang = true }"
  one = host.start { arguments = { "--workers", "1" }, rules = {
    asks = [[rule { name = "asks", on = "*", when = { resource = "asks" }, run = function(_, letter)
      letter:details() end }]],
    dead = [[rule { name = "dead", on = "*", when = { resource = "dead" }, run = function(event)
      return send.http "dead" { key = { event.id }, path = "/x", json = {} } end }]],
    alive = [[rule { name = "alive", on = "*", when = { resource = "alive" }, run = function(event)
      return send.http "alive" { key = { event.id }, path = "/x", json = {} } end }]],
  }, config = ([[return { base_url = "%s", token = "x", targets = {
    dead = { url = "%s", timeout = 30 }, alive = { url = "%s", timeout = 5 } } }]]):format(altinn.url, dead.url,
    alive.url) }
end)

after_each(function()
  if one then
    one:kill()
    one:close()
  end
  for _, server in ipairs { altinn, dead, alive } do server:close() end
end)

local FIRST = { asks = 1000, dead = 2000, alive = 3000 }  -- each resource has letters of its own

local function post(resource, number)
  local text = sample.text { id = resource .. number, resource = "urn:altinn:resource:" .. resource,
    resourceinstance = ("00000000-0000-4000-8000-%012d"):format(FIRST[resource] + number) }
  assert.are.equal(200, (one:post(text)))
end

describe("an Altinn and a target that do not answer", function()
  it("leave another rule's effect on its way", function()
    for number = 1, 200 do post("asks", number) end
    for number = 1, 40 do post("dead", number) end
    -- Until they hold what they can hold.
    local deadline = socket.gettime() + 10
    repeat socket.sleep(0.05) until #altinn:requests() >= 50 and #dead:requests() >= 10 or socket.gettime() > deadline
    local from = socket.gettime()
    post("alive", 1)
    repeat socket.sleep(0.02) until #alive:requests() > 0 or socket.gettime() > from + 20
    assert.are.equal(1, #alive:requests())
    assert(socket.gettime() - from < 5, socket.gettime() - from)
  end)
end)
