-- Requests and replies of the client against Altinn's OpenAPI documents, which are not part of this repository:
-- ALTINN_EVENTS_OPENAPI names their folder.
local events = require "altinn.events"
local json = require "altinn.events.support.json"
local schema = require "spec.support.schema"

local folder = os.getenv "ALTINN_EVENTS_OPENAPI" or "openapi"
local documents = {
  events = schema.open(folder .. "/events-reconstructed.json", "/events/api/v1"),
  letters = schema.open(folder .. "/correspondence-reconstructed.json"),
  official_events = schema.open(folder .. "/altinn-platform-events-v1.official-2025.json", "/events/api/v1"),
  official_letters = schema.open(folder .. "/altinn-correspondence-v1.official-tt02.json"),
}

local ID = "0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"
local FILE = "11111111-2222-3333-4444-555555555555"
local ORGANISATION = "urn:altinn:organization:identifier-no:987654321"

-- A client whose replies `answer(request)` gives; and all that it asked.
local function client(answer)
  local asked = {}
  return events.client { environment = "tt02", token = "token-of-a-spec", attempts = 1, transport = function(request)
    asked[#asked + 1] = request
    return answer(request)
  end }, asked
end

local function drain(iterator)
  local list = {}
  for one in iterator do list[#list + 1] = one end
  return list
end

-- Every call, with all it can be told: what it is in the documents, and how it is made.
local SUBSCRIBE = { endpoint = "https://hooks.example.org/altinn?code=S3CRET", resource = "acme-letters" }
local calls = {
  { "events", function(c)
    return c:subscribe(SUBSCRIBE)
  end },
  { "events", function(c)
    return c:subscribe { endpoint = SUBSCRIBE.endpoint, resource = "urn:altinn:resource:acme-letters",
      subject = ORGANISATION, type = "correspondencepublished", include_subunits = true }
  end, newer = true },
  { "events", function(c) return c:subscriptions() end },
  { "events", function(c) return c:subscription(12) end },
  { "events", function(c) return c:unsubscribe(12) end },
  { "events", function(c) return drain(c:events { resource = "acme-letters" }) end },
  { "events", function(c)
    return drain(c:events { resource = "acme-letters", after = "æ b", subject = ORGANISATION, size = 1000,
      type = { "correspondencepublished", "dialogporten.*" } })
  end },
  { "letters", function(c) return drain(c:letters { resource = "acme-letters", role = "Recipient" }) end },
  { "letters", function(c)
    return drain(c:letters { resource = "acme-letters", role = "sender", from = 1767225600.25,
      to = "2026-02-01T00:00:00+01:00", status = "confirmed" })
  end },
  { "letters", function(c) return c:letter(ID):overview() end },
  { "letters", function(c) return c:letter(ID):details() end },
  { "letters", function(c) return c:letter(ID):content() end },
  { "letters", function(c) return c:letter(ID):mark_read() end, newer = true },
  { "letters", function(c) return c:letter(ID):confirm() end },
  { "letters", function(c) return c:letter(ID):purge() end },
  { "letters", function(c) return c:letter(ID):download(FILE, function() end) end },
  { "letters", function(c) return c:attachment(ID):overview() end },
  { "letters", function(c) return c:attachment(ID):details() end },
}

local function each(name, run)
  if not documents.events then
    return pending(name .. ": ALTINN_EVENTS_OPENAPI does not name the documents' folder")
  end
  it(name, run)
end

describe("with Altinn's documents", function()
  local function check(document, call)
    local made, asked = client(function() return { status = 400, headers = {}, body = "" } end)
    pcall(call[2], made)
    assert.are.equal(1, #asked)
    local why = document:request_fault(asked[1])
    assert.is_nil(why, ("%s %s: %s"):format(asked[1].method, asked[1].url, tostring(why)))
  end

  each("every request is one that the server knows", function()
    for _, call in ipairs(calls) do check(documents[call[1]], call) end
  end)

  each("and one that the official documents know, where they are not older", function()
    for _, call in ipairs(calls) do
      if not call.newer then check(documents["official_" .. call[1]], call) end
    end
  end)

  each("every operation of the documents that a recipient or subscriber needs is asked for", function()
    local covered = {}
    for _, call in ipairs(calls) do
      local made, asked = client(function() return { status = 400, headers = {}, body = "" } end)
      pcall(call[2], made)
      local _, operation = documents[call[1]]:request_fault(asked[1])
      covered[operation] = true
    end
    local left = {}
    for _, name in ipairs { "events", "letters" } do
      for path, methods in pairs(documents[name].root.paths) do
        for method, operation in pairs(methods) do
          if type(operation) == "table" and operation.responses and not covered[operation] then
            left[#left + 1] = method .. " " .. path:gsub("^/correspondence/api/v1", "")
          end
        end
      end
    end
    table.sort(left)
    assert.are.same({
      "delete /attachment/{attachmentId}", "get /app/party", "get /app/{org}/{app}",
      "get /attachment/{attachmentId}/download", "get /correspondence/{correspondenceId}/attachments/downloadall",
      "post /attachment", "post /attachment/{attachmentId}/upload", "post /correspondence",
      "post /correspondence/{correspondenceId}/forward", "post /events", "put /subscriptions/validate/{id}",
    }, left)
  end)

  -- The reply that the document promises for a request, filled at random.
  local function promised(document, draw)
    return function(request)
      local why, operation = document:request_fault(request)
      assert.is_nil(why)
      for status, reply in pairs(operation.responses) do
        if status:find("^2") then
          local media, content = next(reply.content or {})
          if not media then return { status = tonumber(status), headers = {}, body = "" } end
          local value = document:sample(content.schema, draw)
          if type(value) == "table" then
            if value.correspondenceId then value.correspondenceId = ID end
            if value.attachmentId then value.attachmentId = ID end
          end
          if media == "application/cloudevents+json" then value = json.list {} end  -- events have specs of their own
          local body = media:find("json") and assert(json.encode(value)) or "text"
          return { status = tonumber(status), headers = { ["content-type"] = media }, body = body }
        end
      end
    end
  end

  each("every reply that the documents promise is read", function()
    local seed = 1
    local function draw(most)
      seed = seed * 16807 % 2147483647
      return seed % most + 1
    end
    for _ = 1, 50 do
      for number, call in ipairs(calls) do
        local value, message = call[2]((client(promised(documents[call[1]], draw))))
        assert.is_truthy(value, ("call %d: %s"):format(number, tostring(message)))
      end
    end
  end)

  each("every failure that the documents promise has a code and a sentence", function()
    for _, call in ipairs(calls) do
      local document, made, asked = documents[call[1]], client(function() return { status = 400 } end)
      pcall(call[2], made)
      local _, operation = document:request_fault(asked[1])
      for status, reply in pairs(operation.responses) do
        if status:find("^4") then
          local _, content = next(reply.content or {})
          local body = content and json.encode(document:sample(content.schema, function(most) return most end)) or ""
          local failing = client(function() return { status = tonumber(status), headers = {}, body = body } end)
          local ok, value, message, code = pcall(call[2], failing)
          if not ok then value, message, code = nil, value.message, value.code end
          assert.is_nil(value)
          assert.is_string(code)
          assert.is_truthy(message:find("(HTTP " .. status, 1, true), message)
        end
      end
    end
  end)
end)
