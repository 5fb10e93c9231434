-- Pulled events and lists of letters against a real server, over real libcurl.
local altinn = require "spec.support.altinn"
local script = require "spec.support.script"

local ORGANISATION = altinn.ORGANISATION

local server

setup(function() server = script.start() end)
teardown(function() server:close() end)

local function client(more) return altinn.client(server, more) end

-- A script that serves events 1..count (their ids) as Altinn pages them; `hidden` says which the caller may not see.
local function pages(count, more)
  server:answer(([[
    local count = %d
    local after, size = request.query:match("after=([^&]*)"), tonumber(request.query:match("size=(%%d+)"))
    local first = (tonumber(after) or 0) + 1
    %s
    local list = {}
    for id = first, math.min(count, first + size - 1) do
      if not hidden or not hidden(id) then
        list[#list + 1] = ('{"specversion":"1.0","id":"%%d","source":"/s","type":"t"}'):format(id)
      end
    end
    return { body = "[" .. table.concat(list, ", ") .. "]",
      headers = { ["Content-Type"] = "application/cloudevents+json; charset=utf-8" } }]]):format(count,
    more or "local hidden"))
end

local function pull(wanted, most)
  local ids = {}
  wanted.resource = "acme-letters"
  for event in client():events(wanted) do
    ids[#ids + 1] = event.id
    if #ids == most then break end
  end
  return ids
end

local function numbers(from, to)
  local list = {}
  for number = from, to do list[#list + 1] = tostring(number) end
  return list
end

describe("pulled events", function()
  it("come page after page, without the server's next", function()
    pages(25)
    assert.are.same(numbers(1, 25), pull { size = 10 })
    local targets = {}
    for _, request in ipairs(server:requests()) do targets[#targets + 1] = request.query end
    assert.are.same({
      "resource=urn:altinn:resource:acme-letters&after=0&size=10",
      "resource=urn:altinn:resource:acme-letters&after=10&size=10",
      "resource=urn:altinn:resource:acme-letters&after=20&size=10",
      "resource=urn:altinn:resource:acme-letters&after=25&size=10",
      "resource=urn:altinn:resource:acme-letters&after=25&size=1000",
    }, targets)
    assert.are.same(numbers(21, 25), pull { after = "20" })
    assert.are.same({}, pull { after = "25" })
    assert.are.same(numbers(1, 3), pull({ size = 2 }, 3))
  end)

  it("go on after a page that is empty because of access", function()
    pages(100, "local hidden = function(id) return id > 10 and id <= 30 end")
    local ids = pull { size = 10 }
    assert.are.equal(80, #ids)
    assert.are.equal("100", ids[80])
  end)

  it("are given once, though the cursor is lost on the way", function()
    -- Lost for a moment: the beginning comes again, then 20 leads on.
    pages(50, [[
      if after == "20" and not state.lost then state.lost, first = true, 1 end
      if state.lost then count = 60 end
      local hidden]])
    assert.are.same(numbers(1, 60), pull { size = 10 })
    -- Lost for ever, with the event itself: 20 has been deleted meanwhile.
    pages(60, [[
      if after == "20" then first, state.lost = 1, true end
      local hidden = state.lost and function(id) return id == 20 end]])
    assert.are.same(numbers(1, 60), pull { size = 10 })
  end)

  it("end when a server gives the same page for ever", function()
    pages(10, "first = 1 local hidden")
    assert.are.same(numbers(1, 10), pull { size = 10 })
  end)

  -- What Altinn takes and is no event here, among good ones.
  local ODD = [=[
    local odd = { ["3"] = '"source":"/a b"', ["4"] = '"source":"/s","weight":1.5',
      ["6"] = '"source":"/s","source":"/t"', ["12"] = '"source":"/s","comment":"]},{"' }
    local list = {}
    for id = first, math.min(count, first + size - 1) do
      list[#list + 1] = ('{"specversion":"1.0","id":"%d",%s,"type":"t","data":[{"a":"]\\\\\\"["},[1,2]]}'):format(id,
        odd[tostring(id)] or '"source":"/s"')
    end
    if true then return { body = "[" .. table.concat(list, ", ") .. "]" } end
    local hidden]=]

  it("go on past what is no event, which is told with its id and why", function()
    pages(12, ODD)
    local odd, ids = {}, {}
    for event in client():events { resource = "acme-letters", size = 5, odd = function(id, reason, detail)
      odd[#odd + 1] = id .. " " .. detail.attribute
      assert.is_string(reason)
      ids[#ids + 1] = "-"
    end } do ids[#ids + 1] = event.id end
    assert.are.same({ "3 source", "4 weight", "6 source" }, odd)
    assert.are.same({ "1", "2", "-", "-", "5", "-", "7", "8", "9", "10", "11", "12" }, ids)
  end)

  it("without anybody to tell raise it after the good ones of its page", function()
    pages(12, ODD)
    local ids = {}
    local ok, failure = pcall(function()
      for event in client():events { resource = "acme-letters", size = 5 } do ids[#ids + 1] = event.id end
    end)
    assert.is_false(ok)
    assert.are.same({ "1", "2", "5" }, ids)
    assert.is_truthy(failure.message:find("the pulled event 3 is none that can be read: source", 1, true))
    assert.are.equal("invalid", failure.code)
  end)

  it("are asked for with type, subject and what else is wanted", function()
    pages(0)
    pull { size = 1000, type = { "correspondencepublished", "dialogporten.*" }, subject = ORGANISATION }
    assert.are.equal("resource=urn:altinn:resource:acme-letters&after=0&subject=" .. ORGANISATION
      .. "&type=no.altinn.correspondence.correspondencepublished&type=dialogporten.%25&size=1000",
      server:requests()[1].query)
    assert.are.equal(1, #server:requests())
  end)

  it("raise what goes wrong, as an object that prints as its message", function()
    local function raised(run)
      local ok, failure = pcall(run)
      assert.is_false(ok)
      assert.are.equal(failure.message, tostring(failure))
      return failure
    end
    pages(20, "if first > 10 then return { status = 403 } end local hidden")
    local got = 0
    local failure = raised(function()
      for _ in client():events { resource = "acme-letters", size = 10 } do got = got + 1 end
    end)
    assert.are.equal(10, got)
    assert.are.equal("forbidden", failure.code)
    assert.are.equal(403, failure.detail.status)
    assert.are.equal("invalid", raised(function() client():events { resource = "" } end).code)
    assert.are.equal("resource", raised(function() client():events {} end).detail.attribute)
    server:always(200, '[{"specversion":"1.0","id":"1","source":"/s","type":"t"},{"id":"2"}]')
    failure = raised(function()
      for event in client():events { resource = "acme-letters" } do assert.are.equal("1", event.id) end
    end)
    assert.are.same({ 2, "2" }, { failure.detail.index, failure.detail.id })
    server:always(200, '[{"specversion":"1.0","id":"1","source":"/s","type":"t"},{"id":"2"')
    assert.are.equal("syntax", raised(function() client():events { resource = "acme-letters" } () end).code)
    assert.has_error(function() client():events { resorce = "a" } end)
    assert.has_error(function() client():events { resource = "a", size = 1.5 } end)
    assert.has_error(function() client():events { resource = "a", size = 0 } end)
    assert.has_error(function() client():events { resource = 5 } end)
  end)
end)

-- A script that lists letters as Altinn does: newest first, 1000 at most, both ends exclusive. `make` is Lua that
-- fills `all` with { id, time, status }.
local function lists(make)
  server:answer(([[
    if not state.all then
      local all = {}
      %s
      table.sort(all, function(a, b) return a[2] > b[2] or a[2] == b[2] and a[1] > b[1] end)
      state.all = all
    end
    local function moment(name)
      local text = request.query:match("[?&]?" .. name .. "=([^&]*)")
      if not text then return nil end
      local whole, fraction = text:match("^(%%d+%%-%%d+%%-%%d+T%%d+:%%d+:%%d+)%%.?(%%d*)Z$")
      assert(whole, "a strange time: " .. text)
      return whole .. "." .. fraction .. ("0"):rep(6 - #fraction)
    end
    local from, to, status = moment("from"), moment("to"), request.query:match("status=(%%a+)")
    local ids = {}
    for _, one in ipairs(state.all) do
      if (not from or one[2] > from) and (not to or one[2] < to) and (not status or one[3] == status) then
        ids[#ids + 1] = '"' .. one[1] .. '"'
        if #ids == 1000 then break end
      end
    end
    return { body = '{"ids":[' .. table.concat(ids, ",") .. ']}' }]]):format(make))
end

local function letters(wanted)
  local ids, seen = {}, {}
  wanted.resource, wanted.role = "acme-letters", wanted.role or "Recipient"
  for id in client():letters(wanted) do
    assert.is_nil(seen[id], id)
    seen[id], ids[#ids + 1] = true, id
  end
  return ids
end

describe("lists of letters", function()
  it("come whole, past the server's limit, newest first", function()
    -- 3500 in a year, in bursts, some in the same microsecond and in neighbouring ones.
    lists [[
      for number = 1, 3500 do
        local day = number // 50
        all[number] = { ("id-%05d"):format(number), ("2025-%02d-%02dT12:00:00.%06d"):format(1 + day // 28, 1 + day % 28,
          number % 50 // 2), "Read" }
      end]]
    local ids = letters {}
    assert.are.equal(3500, #ids)
    assert.are.equal("id-03500", ids[1])
    assert.are.equal("id-00001", ids[3500])
    assert(#server:requests() < 60, #server:requests())
    assert.are.equal("resourceId=acme-letters&role=Recipient", server:requests()[1].query)
  end)

  it("keep both ends, and take times as texts and as seconds", function()
    lists [[
      for number = 0, 9 do
        all[#all + 1] = { "id-" .. number, "2026-01-01T00:00:0" .. number .. ".000000", "Read" }
      end]]
    assert.are.same({ "id-4", "id-3" }, letters { from = "2026-01-01T00:00:02Z", to = "2026-01-01T01:00:05+01:00" })
    assert.are.same({ "id-4", "id-3" }, letters { from = 1767225602, to = 1767225605 })
    assert.are.equal("resourceId=acme-letters&role=Recipient&from=2026-01-01T00:00:02Z&to=2026-01-01T00:00:05Z",
      server:requests()[2].query)
    assert.are.same({ "id-4", "id-3", "id-2" }, letters { from = 1767225601.5, to = "2026-01-01T00:00:04.0000001Z" })
    assert.are.same({}, letters { status = "confirmed" })
  end)

  it("pass on all filters of Altinn's list, under its names", function()
    lists "all = {}"
    assert.are.same({}, letters { onBehalfOf = "987654321", sendersReference = "r-1", altinn2CorrespondenceId = 12,
      idempotentKey = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f" })
    assert.are.equal("resourceId=acme-letters&role=Recipient&onBehalfOf=0192:987654321&sendersReference=r-1"
      .. "&idempotentKey=0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f&altinn2CorrespondenceId=12", server:requests()[1].query)
    assert.has_error(function() letters { senders_reference = "x" } end,
      "unknown option 'senders_reference' of letters (did you mean 'sendersReference'?)")
  end)

  it("split by status what has one and the same time, and say when that is not enough", function()
    lists [[
      for number = 1, 1800 do
        all[number] = { "id-" .. number, "2026-01-01T00:00:00.000000", number % 2 == 0 and "Read" or "Published" }
      end]]
    assert.are.equal(1800, #letters { from = 1767225600 - 5, to = 1767225600 + 5 })
    lists [[for number = 1, 1500 do all[number] = { "id-" .. number, "2026-01-01T00:00:00.000000", "Read" } end]]
    local ok, failure = pcall(letters, { from = 1767225600 - 5, to = 1767225600 + 5 })
    assert.is_false(ok)
    assert.are.equal("too_large", failure.code)
    assert.is_truthy(tostring(failure):find("2026-01-01", 1, true))
  end)

  it("refuse what cannot be meant", function()
    local function code(wanted)
      local ok, failure = pcall(letters, wanted)
      assert.is_false(ok)
      return failure.code
    end
    assert.are.equal("invalid", code { role = "both" })
    assert.are.equal("invalid", code { from = "yesterday" })
    assert.are.equal("invalid", code { from = 5, to = 4 })
    assert.are.equal("invalid", code { status = "Rad" })
    assert.has_error(function() client():letters { resource = "a", role = "Sender", form = 5 } end)
    assert.has_error(function() client():letters { resource = "a", role = "Sender", from = {} } end)
    assert.has_error(function() client():letters { resource = "a", role = "Sender", from = 0 / 0 } end)
  end)
end)
