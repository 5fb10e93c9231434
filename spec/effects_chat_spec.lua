-- send.slack and send.teams: messages by webhooks.
local cjson = require "cjson"
local host = require "spec.support.host"
local sample = require "spec.support.sample"
local script = require "spec.support.script"
local sender = require "spec.support.sender"

local server, one, own

before_each(function()
  server = script.start()
  own = sender.new { slack = { slack = server.url .. "/services/T0/B0/a-secret-of-slack" },
    teams = { teams = server.url .. "/workflows/a-secret-of-teams?sig=signature-of-it" } }
end)

after_each(function()
  server:close()
  if one then one:close() end
  one = nil
end)

local function sent(kind, fields)
  local outcome = own.send(kind, kind, fields)
  assert.are.equal("sent", outcome.state, outcome.reason)
  local request = server:requests()[1]
  assert.are.equal("application/json", request.headers["content-type"])
  return cjson.decode(request.body), request
end

local function refused(kind, fields, wanted)
  local item, message = own.prepare(kind, kind, fields)
  assert.is_nil(item)
  assert.is_truthy(message:find(wanted, 1, true), message)
end

describe("send.slack", function()
  it("sends the text as it is: no link, mention or formatting comes of it", function()
    local message, request = sent("slack", { text = "<!channel> <@U1> <https://x|y> a & b *c*" })
    assert.are.same({ text = "&lt;!channel&gt; &lt;@U1&gt; &lt;https://x|y&gt; a &amp; b *c*", mrkdwn = false,
      unfurl_links = false, unfurl_media = false }, message)
    assert.are.equal("/services/T0/B0/a-secret-of-slack", request.path)
    assert.are.equal("slack:k:1", request.headers["idempotency-key"])
  end)

  it("refuses beforehand what Slack would cut", function()
    refused("slack", { text = ("å"):rep(40001) }, "40001 characters, and Slack takes 40000")
    assert(own.prepare("slack", "slack", { text = ("å"):rep(40000) }))
    assert.has_error(function() own.prepare("slack", "slack", {}) end)
  end)

  it("says what Slack answers, without the secret address", function()
    server:always(404, "no_service at /services/T0/B0/a-secret-of-slack")
    local outcome = own.send("slack", "slack", { text = "a" })
    assert.are.same({ "refused", 404 }, { outcome.state, outcome.status })
    assert.is_truthy(outcome.reason:find("target 'slack' answered 404: no_service", 1, true), outcome.reason)
    assert.is_nil((outcome.reason .. outcome.answer):find("a-secret", 1, true))
  end)
end)

describe("send.teams", function()
  it("sends an Adaptive Card of title, text and facts", function()
    local message, request = sent("teams", { title = "Malware", text = "line 1\nline 2", facts = { { "Letter", "a1" },
      { "Files", 2 } } })
    assert.are.equal("sig=signature-of-it", request.query)
    assert.are.equal("message", message.type)
    local attachment = message.attachments[1]
    assert.are.equal("application/vnd.microsoft.card.adaptive", attachment.contentType)
    local card = attachment.content
    assert.are.same({ "AdaptiveCard", "1.4" }, { card.type, card.version })
    assert.are.same({ { "TextBlock", "Malware" }, { "TextBlock", "line 1\n\nline 2" } },
      { { card.body[1].type, card.body[1].text }, { card.body[2].type, card.body[2].text } })
    assert.are.same({ type = "FactSet", facts = { { title = "Letter", value = "a1" },
      { title = "Files", value = "2" } } }, card.body[3])
    assert.is_nil(card.msteams)  -- where mentions would stand
  end)

  it("shows texts as they are", function()
    local message = sent("teams", { title = "*a* _b_ [x](https://y)", text = "- one\n1. two\n<at>all</at> c:\\d",
      facts = { { "*a*", "[x](https://y)" } } })
    local body = message.attachments[1].content.body
    assert.are.equal("\\*a\\* \\_b\\_ \\[x\\](https://y)", body[1].text)
    assert.are.same({ { title = "\\*a\\*", value = "\\[x\\](https://y)" } }, body[3].facts)
    assert.are.equal("\\- one\n\n1\\. two\n\n\\<at\\>all\\</at\\> c:\\\\d", body[2].text)
  end)

  it("sends a card of one's own, unchanged", function()
    local message = sent("teams", { card = { type = "AdaptiveCard", version = "1.2", body = { { type = "TextBlock",
      text = "**bold**" } } } })
    assert.are.equal("**bold**", message.attachments[1].content.body[1].text)
    assert.has_error(function() own.prepare("teams", "teams", { card = {}, text = "x" }) end)
    assert.has_error(function() own.prepare("teams", "teams", {}) end)
    assert.has_error(function() own.prepare("teams", "teams", { facts = { { "a" } } }) end)
  end)

  it("refuses beforehand more than 28 KB, counted as Teams expands it", function()
    assert(own.prepare("teams", "teams", { text = ("a"):rep(28000) }))
    refused("teams", { text = ("a"):rep(29000) }, "and Teams takes 28672: shorten it")
    assert(own.prepare("teams", "teams", { text = ("å"):rep(4600) }))  -- two bytes here, six there
    refused("teams", { text = ("å"):rep(4800) }, "as Teams counts them")
    refused("teams", { text = ('"'):rep(10000) }, "as Teams counts them")
  end)
end)

describe("the host", function()
  it("sends both, and refuses one kind to the other's target before it starts", function()
    server:answer "return { status = 202 }"
    one = host.start {
      rules = { both = [[rule { name = "both", on = "*", run = function(event)
        return { send.slack("slack") { text = "hei " .. event.id }, send.teams("teams") { title = "hei" } } end }]] },
      config = ([[return { targets = { slack = { slack = "%s/s" }, teams = { teams = "%s/t" } } }]]):format(server.url,
        server.url),
    }
    assert.are.equal(200, (one:post(sample.text { id = "7" })))
    assert(one:settle())
    assert.are.equal("done", one:verdicts()["7/both"].verdict)
    local paths = {}
    for index, request in ipairs(server:requests()) do paths[index] = request.path end
    assert.are.same({ "/s", "/t" }, paths)
    one:rewrite { both = [[rule { name = "both", on = "*", run = function()
      return send.slack("teams") { text = "x" } end }]] }
    local status, out, err = one:run("check", one.folder .. "/rules", "--config", one.folder .. "/altinn-events.lua")
    assert.are.equal(1, status)
    assert.is_truthy((out .. err):find("the target has teams, and send.slack sends to targets with slack: write"
      .. " send.teams", 1, true), out .. err)
  end)
end)
