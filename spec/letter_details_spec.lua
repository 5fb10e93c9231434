-- What the details of a letter say and do not say, against the emulator, over real libcurl.
local emulator = require "spec.support.emulator"
local events = require "altinn.events"

local SENDER, RECIPIENT = "991825827", "987654321"

describe("the details of a letter", function()
  local altinn

  setup(function() altinn = emulator.start() end)
  teardown(function() altinn:close() end)
  before_each(function() altinn:reset() end)

  local function client(scopes, number)
    return events.client { base_url = altinn.base, token = altinn:token { scopes = scopes, orgNo = number } }
  end

  local function recipient() return client("altinn:correspondence.read", RECIPIENT) end
  local function sender() return client("altinn:correspondence.write", SENDER) end
  local function owner() return client("altinn:correspondence.write altinn:serviceowner", SENDER) end

  local function purged(letter)
    assert(recipient():letter(letter.id):overview())
    assert(recipient():letter(letter.id):purge())
    altinn:advance()
  end

  it("tell a sender what it cannot know, and no more than that", function()
    local letter = altinn:letter()
    local seen = assert(sender():letter(letter.id):details())
    assert.is_false(seen:has_been("PurgedByRecipient"))  -- Published has a lower number: it was not
    assert.is_false(seen:has_been("Read"))
    altinn:step(letter, "read")
    purged(letter)
    assert.is_true(assert(sender():letter(letter.id):details()):has_been("PurgedByRecipient"))

    local forwarded = altinn:letter { allowForwarding = true }
    altinn:step(forwarded, "read")
    assert.are.equal(200, (altinn:as(altinn:token { scopes = "altinn:correspondence.read", orgNo = RECIPIENT }, "POST",
      "/correspondence/api/v1/correspondence/" .. forwarded.id .. "/forward", { forwardTo = "a@example.org" })))
    altinn:advance "2m"
    purged(forwarded)
    seen = assert(sender():letter(forwarded.id):details())
    local was, message = seen:has_been("PurgedByRecipient")
    assert.is_nil(was)
    assert.are.equal("whether the letter was PurgedByRecipient cannot be known: Altinn shows that to its recipient and"
      .. " to the resource's service owner only", message)
    assert.is_nil((sender():letter(forwarded.id):has_been("Archived")))
    assert.is_true(seen:has_been("PurgedByRecipient", "Read"))
    assert.is_false(seen:has_been("Confirmed"))
    assert.is_true(owner():letter(forwarded.id):has_been("PurgedByRecipient"))
    assert.is_false(owner():letter(forwarded.id):has_been("Archived"))
  end)

  it("list the attachments, or say that they are not shown", function()
    local letter = altinn:letter { attachments = { { fileName = "a.pdf", content = "x" } } }
    altinn:advance "5m"
    local list = assert(recipient():letter(letter.id):attachments())
    assert.are.equal("a.pdf", list[1].fileName)
    assert.are.equal(1, #assert(owner():letter(letter.id):attachments()))
    local nothing, message, code = sender():letter(letter.id):attachments()
    assert.is_nil(nothing)
    assert.are.equal("forbidden", code)
    assert.is_truthy(message:find("service owner only", 1, true))
    assert.are.same({}, recipient():letter(altinn:letter().id):attachments())
    local gone, _, why = recipient():letter("0198c3a2-7b1d-7c55-8f0e-2a4b6c8d0e1f"):attachments()
    assert.is_nil(gone)
    assert.are.equal("not_found", why)
  end)

  it("say whom Altinn notified, address by address", function()
    local function notified(letter) return assert(sender():letter(letter.id):details()):notified() end
    local function shown(orders)
      local list = {}
      for index, order in ipairs(orders) do
        local addresses = {}
        for at, one in ipairs(order.addresses) do
          addresses[at] = one.channel .. " " .. one.address .. " " .. one.state
        end
        list[index] = ("%s %s"):format(order.state, table.concat(addresses, ", "))
      end
      return list
    end
    altinn:control("POST", "/world", { contacts = { ["kari@example.no"] = "failed" } })
    local letter = altinn:letter { notification = { notificationTemplate = "GenericAltinnMessage",
      notificationChannel = "EmailAndSms", customRecipients = { { emailAddress = "kari@example.no" } } } }
    local orders = notified(letter)
    assert.is_true(orders.pending)
    assert.is_false(orders.reached or orders.failed)
    altinn:advance "10m"
    orders = notified(letter)
    assert.are.same({ "completed email post@987654321.example.no delivered, sms +4790000000 delivered",
      "completed email kari@example.no failed" }, shown(orders))
    assert.are.same({ true, true, false }, { orders.reached, orders.failed, orders.pending })
    assert.are.equal("Email_Failed_Bounced", orders[2].addresses[1].status)
    assert.are.same({ false, true, "EmailAndSms" }, { orders[2].reached, orders[2].failed, orders[2].channel })
    assert.are.same({}, shown(notified(altinn:letter())))
  end)

  it("name the letters that died with an attachment", function()
    local letter = altinn:letter { attachments = { { fileName = "a.pdf", content = "x", scan = "1m" } } }
    local id = altinn:control("GET", "/letters/" .. letter.id).content.attachments[1].id
    local held = assert(owner():attachment(id):letters())
    assert.are.same({ letter.id, "letter" }, { held[1].id, held[1].kind })
    assert.is_false(held[1]:has_been("Failed"))
  end)
end)
