-- kill -9 at any instant: what was acknowledged is there once, with its
-- verdicts; what was never sent is not. ALTINN_EVENTS_KILL_ROUNDS says how
-- often, ALTINN_EVENTS_KILL_SEED repeats a run's choices.
local cjson = require "cjson"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local socket = require "socket"
local sql = require "spec.support.sql"
local target = require "spec.support.target"

local ROUNDS = tonumber(os.getenv("ALTINN_EVENTS_KILL_ROUNDS") or "") or 20
local SEED = tonumber(os.getenv("ALTINN_EVENTS_KILL_SEED") or "") or os.time()

local CONNECTIONS = 6
local MOST = 250         -- requests in a round, so that the target keeps up
local LETTERS = 5
local WORKERS, AT_ONCE = 2, 4

local RULES = {
  note = ([[rule {
    name = "note", on = "correspondencepublished", order = "letter", limit = { at_once = %d },
    run = function(event, letter)
      return send.http("log") { key = { event.id }, path = "/" .. letter.id, json = { id = event.id } }
    end,
  }]]):format(AT_ONCE),
  look = [[rule {
    name = "look", on = "*", order = false,
    run = function(event) return skip("seen " .. event.id) end,
  }]],
}

-- What was sent, in the client's eyes: id -> "sent" or "acknowledged"; the
-- batches, each a list of ids; those that came again alone.
local client = { known = {}, order = {}, batches = {}, again = {}, count = 0, refused = {}, acknowledged = 0 }

local function new_event()
  client.count = client.count + 1
  local id = ("kill-%05d"):format(client.count)
  client.known[id] = "sent"
  client.order[#client.order + 1] = id
  return id
end

local function text_of(id)
  local letter = tonumber(id:match("%d+")) % LETTERS
  return sample.text { id = id, resourceinstance = ("0198c3a2-7b1d-7c55-8f0e-%012d"):format(letter),
    subject = "urn:altinn:organization:identifier-no:9" .. ("%08d"):format(tonumber(id:match("%d+"))) }
end

-- One in six is a batch, one in six comes again, as Altinn's ladder brings
-- it: acknowledged before or not.
local function next_request()
  local dice = math.random(6)
  if dice == 1 and #client.order > 0 then
    local id = client.order[math.random(math.max(1, #client.order - 40), #client.order)]
    client.again[id] = true
    return { id }, "application/cloudevents+json", text_of(id)
  elseif dice == 2 then
    local ids, texts = {}, {}
    for i = 1, 3 do ids[i] = new_event() end
    for i, id in ipairs(ids) do texts[i] = text_of(id) end
    client.batches[#client.batches + 1] = ids
    return ids, "application/cloudevents-batch+json", "[" .. table.concat(texts, ",") .. "]"
  end
  local id = new_event()
  return { id }, "application/cloudevents+json", text_of(id)
end

local function send_next(connection)
  local ids, media, body = next_request()
  connection.ids, connection.answer = ids, ""
  return connection.socket:send(("POST /events HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\n" ..
    "Content-Length: %d\r\n\r\n%s"):format(media, #body, body))
end

-- An answer without a body is whole with its empty line.
local function take_answer(connection)
  local status = connection.answer:match("^HTTP/1%.1 (%d+) .-\r\n\r\n")
  if not status then return end
  if status ~= "200" then client.refused[#client.refused + 1] = connection.answer end
  for _, id in ipairs(status == "200" and connection.ids or {}) do
    if client.known[id] ~= "acknowledged" then client.acknowledged = client.acknowledged + 1 end
    client.known[id] = "acknowledged"
  end
  connection.ids = nil
end

-- False when the host is gone.
local function read_some(connection)
  local text, message, part = connection.socket:receive(4096)
  connection.answer = connection.answer .. (text or part or "")
  take_answer(connection)
  return message ~= "closed"
end

local function connect(port)
  local one = socket.connect("127.0.0.1", port)
  if not one then return nil end
  one:settimeout(0)
  one:setoption("tcp-nodelay", true)
  return { socket = one }
end

local function open_connections(port)
  local list, by_socket = {}, {}
  for _ = 1, CONNECTIONS do
    local connection = connect(port)
    if not connection then break end
    list[#list + 1] = connection.socket
    by_socket[connection.socket] = connection
  end
  return list, by_socket
end

local function drop(list, one)
  one:close()
  for i, each in ipairs(list) do
    if each == one then return table.remove(list, i) end
  end
end

-- Posts until the host is gone.
local function load(port)
  local list, by_socket = open_connections(port)
  local left, deadline = MOST, socket.gettime() + 10
  while #list > 0 and socket.gettime() < deadline do
    for i = #list, 1, -1 do
      local connection = by_socket[list[i]]
      if not connection.ids and left > 0 then
        left = left - 1
        if not send_next(connection) then drop(list, connection.socket) end
      end
    end
    for _, one in ipairs((socket.select(list, nil, 0.05))) do
      if not read_some(by_socket[one]) then drop(list, one) end
    end
  end
  assert(#list == 0, "the host was not killed")
end

-- kill -9 by a process of its own, so that the client goes on meanwhile.
local function kill_after(one, seconds)
  assert(os.execute(("(sleep %.4f; kill -KILL %d) >/dev/null 2>&1 &"):format(seconds, one.process.pid)))
end

-- One round in five dies while it starts, the others under load or while
-- effects go out.
local function round(one, number)
  if number % 5 == 0 then
    one:begin()
    kill_after(one, math.random() * 0.05)
  else
    assert(one:launch())
    kill_after(one, math.random() * 0.15)
    load(one.port)
  end
  assert(one.process:wait_exit(30), "the host outlived kill -9")
end

local function rows(one, text, ...) return sql.query(one.inbox, text, ...) end

describe("kill -9 at random instants", function()
  local one, service, listing
  local hint = ("(ALTINN_EVENTS_KILL_SEED=%d ALTINN_EVENTS_KILL_ROUNDS=%d)"):format(SEED, ROUNDS)

  setup(function()
    math.randomseed(SEED)
    service = target.start()
    one = host.start {
      rules = RULES, arguments = { "--workers", tostring(WORKERS) },
      config = ('return { targets = { log = { url = "%s", timeout = 5 } } }'):format(service.url),
    }
    one:kill()
    for number = 1, ROUNDS do round(one, number) end
    assert(one:launch())
    assert(one:settle(30), "events wait still " .. hint)
    listing = one:list("--limit", "1000000")
  end)

  teardown(function()
    if one then one:close() end
    if service then service:close() end
  end)

  it("had something to kill", function()
    assert.is_true(client.acknowledged > ROUNDS, ("only %d acknowledged %s"):format(client.acknowledged, hint))
    assert.are.same({}, client.refused, hint)
  end)

  it("lose no acknowledged event, store none twice, and invent none", function()
    local stored = {}
    for _, event in ipairs(listing.events) do
      stored[event.id] = (stored[event.id] or 0) + 1
      assert.is_string(client.known[event.id], "nobody sent " .. event.id .. " " .. hint)
      assert.are.equal(1, stored[event.id], event.id .. " " .. hint)
    end
    for id, state in pairs(client.known) do
      assert.is_true(state == "sent" or stored[id] == 1, id .. " was acknowledged and is lost " .. hint)
    end
    assert.are.equal(#listing.events, listing.count)
  end)

  it("store a batch as a whole or not at all", function()
    local stored = {}
    for _, event in ipairs(listing.events) do stored[event.id] = true end
    for _, ids in ipairs(client.batches) do
      local whole = stored[ids[1]] and stored[ids[2]] and stored[ids[3]]
      for _, id in ipairs(ids) do
        assert.is_true(whole or not stored[id] or client.again[id], table.concat(ids, " ") .. " is torn " .. hint)
      end
    end
  end)

  it("leave each event with a final verdict of each rule that wants it", function()
    for _, event in ipairs(listing.events) do
      local verdicts = {}
      for _, run in ipairs(event.runs) do verdicts[run.rule] = run.verdict end
      assert.are.same({ note = "done", look = "skipped" }, verdicts, event.id .. " " .. hint)
    end
    assert.are.equal(0, rows(one, "SELECT count(*) AS n FROM waiting")[1].n)
  end)

  it("send each effect, and again only what was under way at a kill", function()
    local sent, more = {}, 0
    for _, request in ipairs(service:requests()) do
      local id = cjson.decode(request.body).id
      assert.are.equal("log:note/" .. id, request.headers["idempotency-key"], hint)
      if sent[id] then more = more + 1 end
      sent[id] = true
    end
    for _, event in ipairs(listing.events) do
      assert.is_true(sent[event.id], event.id .. " was not sent " .. hint)
      sent[event.id] = nil
    end
    assert.is_nil(next(sent), "sent without an event in the inbox " .. hint)
    assert.is_true(more <= ROUNDS * WORKERS * AT_ONCE, ("%d were sent again %s"):format(more, hint))
    local states = rows(one, "SELECT state, count(*) AS n FROM effect GROUP BY state")
    assert.are.same({ { state = "sent", n = listing.count } }, states, hint)
  end)

  it("keep the order of a letter's effects", function()
    local sequences, last = {}, {}
    for _, event in ipairs(listing.events) do sequences[event.id] = event.sequence end
    for _, request in ipairs(service:requests()) do
      local sequence = sequences[cjson.decode(request.body).id]
      assert.is_true(sequence >= (last[request.path] or 0),
        ("event %d after %d %s"):format(sequence, last[request.path] or 0, hint))
      last[request.path] = sequence
    end
  end)

  it("leave a sound file, which knows each event again", function()
    assert.are.same({ { integrity_check = "ok" } }, rows(one, "PRAGMA integrity_check"))
    local _, event = next(listing.events)
    assert.are.equal(200, (one:post(text_of(event.id))))
    assert.are.equal(listing.count, one:list().count)
  end)

  it("leave no trace in the log but those of starts", function()
    for start = 1, one.starts do
      local log = process.read(("%s/host-%d.err"):format(one.folder, start)) or ""
      assert.is_nil(log:find("level=error", 1, true), log .. hint)
    end
  end)
end)
