-- A letter about which Altinn could tell nobody: somebody has to follow it up.
--
-- Events   correspondencenotificationallfailed comes for a failed reminder too, and for one of several orders: the
--          details say whether any notification has reached anybody. correspondencenotificationcreationfailed: an order
--          was refused.
-- Powers   reads the letter's details, sends to the target `cases`.
-- Failures Altinn is still trying other addresses: the rule asks again after four hours, for two days.
--          The letter is read meanwhile: nothing to follow up.

rule {
  name   = "follow-up-notification",
  about  = "Nobody could be notified of the letter: a task in the case system",
  owner  = "post@agency.example",
  on     = { "correspondencenotificationallfailed", "correspondencenotificationcreationfailed" },
  when   = { resource = "acme-letters" },
  unless = { been = { "Read", "Confirmed", "PurgedByRecipient", "PurgedByAltinn" } },
  may    = { "read:details", "send:cases" },

  run = function(event, letter, context)
    local details = letter:details()
    local orders, tried = details:notified(), {}
    if orders.reached then return skip "a notification has arrived" end
    if orders.pending and context.attempt <= 12 then return retry_after("4h", "Altinn is still trying") end
    for _, order in ipairs(orders) do
      for _, one in ipairs(order.addresses) do tried[#tried + 1] = { channel = one.channel, status = one.status } end
    end
    return send.http("cases") {
      key = letter, path = "/v1/tasks",
      json = { letter = letter.id, reference = details.sendersReference, tried = tried, since = event.time,
        task = "Nobody was notified of this letter" },
    }
  end,
}
