-- send.mail: the message, the talk with a mail server, and what is known when it breaks off.
local host = require "spec.support.host"
local mail_text = require "altinn.events.support.mail_text"
local mime = require "mime"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local sender = require "spec.support.sender"
local smtp = require "spec.support.smtp"

local server, one

after_each(function()
  if server then server:close() end
  if one then one:close() end
  server, one = nil, nil
end)

local NOW = 1795852800  -- 2026-11-28T08:00:00Z

local function mail(more)
  local fields = { key = "k:1", to = "post@agency.example", subject = "Hei", text = "One line" }
  for name, value in pairs(more or {}) do fields[name] = value end
  return fields
end

local function new(more)
  local target = { mail = server and server.url or "smtp://127.0.0.1:1", from = "The Altinn <altinn@agency.example>" }
  for name, value in pairs(more or {}) do target[name] = value end
  return sender.new { duty = target }
end

local function send(fields, target) return new(target).send("mail", "duty", mail(fields), { now = NOW }) end

local function message_of(fields, about)
  local item = assert(new().prepare("mail", "duty", mail(fields), about or { now = NOW }))
  return require("cjson").decode(item.text).message, item
end

-- Headers of a message, unfolded; its body.
local function read(message)
  local head, body = message:match("^(.-)\r\n\r\n(.*)$")
  local headers = {}
  for name, value in (head:gsub("\r\n[ \t]", " ") .. "\r\n"):gmatch("([^:\r\n]+): ?(.-)\r\n") do
    headers[name] = value
  end
  return headers, body
end

-- The text of encoded words.
local function decoded(value)
  return (value:gsub("%?=%s+=%?", "?==?"):gsub("=%?UTF%-8%?B%?(.-)%?=", function(word) return mime.unb64(word) end))
end

local function unquoted(body)
  return (body:gsub("=\r\n", ""):gsub("=(%x%x)", function(code) return string.char(tonumber(code, 16)) end))
end

describe("a mail", function()
  it("has all headers, and its body as it is when it is plain", function()
    local headers, body = read((message_of()))
    assert.are.same({ "Sat, 28 Nov 2026 08:00:00 +0000", '"The Altinn" <altinn@agency.example>', "post@agency.example",
      "Hei", "auto-generated", "1.0", "text/plain; charset=utf-8", "7bit" }, { headers.Date, headers.From, headers.To,
      headers.Subject, headers["Auto-Submitted"], headers["MIME-Version"], headers["Content-Type"],
      headers["Content-Transfer-Encoding"] })
    assert.is_truthy(headers["Message-ID"]:find("^<%x+@agency%.example>$"), headers["Message-ID"])
    assert.are.equal("One line\r\n", body)
  end)

  it("has the same Message-ID for the same key, and another for another; no number is in it", function()
    local function id(key) return read((message_of { key = key }))["Message-ID"] end
    assert.are.equal(id "k:1", id "k:1")
    assert.are_not.equal(id "k:1", id "k:2")
    local about = { now = NOW, pseudonym = function(number) return "p" .. #number end }
    local message, item = message_of({ key = "case:12057012345" }, about)
    assert.are.equal("duty:case:p11", item.key)
    assert.is_nil(message:find("12057012345", 1, true))
  end)

  it("encodes headers beyond ASCII in words that are short enough, and folds long ones", function()
    local subject = ("Blåbærsyltetøy på brød "):rep(8)
    local message = message_of { subject = subject, to = { 'Ås "Post" <a@b.no>', "c@d.no" } }
    local headers = read(message)
    assert.are.equal(subject, decoded(headers.Subject))
    assert.are.equal('Ås "Post" <a@b.no>, c@d.no', (decoded(headers.To)))
    for line in message:gmatch("(.-)\r\n") do assert.is_true(#line <= 78, line) end
    headers = read((message_of { subject = ("word "):rep(40) .. "end" }))
    assert.are.equal(("word "):rep(40) .. "end", headers.Subject)
    headers = read((message_of { subject = "=?UTF-8?B?eA==?=" }))
    assert.are.equal("=?UTF-8?B?eA==?=", decoded(headers.Subject))  -- what looks encoded is not taken for it
  end)

  it("codes its body as quoted-printable where it must", function()
    local text = "Blåbær =\n" .. ("æ"):rep(200) .. " \n.\n..two\n" .. ("x"):rep(500)
    local message = message_of { text = text }
    local headers, body = read(message)
    assert.are.equal("quoted-printable", headers["Content-Transfer-Encoding"])
    for line in body:gmatch("(.-)\r\n") do assert.is_true(#line <= 76 and not line:find("[ \t]$"), line) end
    assert.are.equal((text:gsub("\n", "\r\n")) .. "\r\n", unquoted(body))
  end)

  it("goes to a hundred addresses at most", function()
    local to = {}
    for index = 1, 100 do to[index] = ("a%d@agency.example"):format(index) end
    assert(new().prepare("mail", "duty", mail { to = to }))
    to[101] = "one@agency.example"
    local ok, message = pcall(function() return new().prepare("mail", "duty", mail { to = to }) end)
    assert.is_false(ok)
    assert.is_truthy(tostring(message):find("to: 101 addresses, and 100 is the most", 1, true), tostring(message))
  end)

  it("refuses line breaks, numbers in the subject, and what is no address", function()
    for _, case in ipairs {
      { { subject = "a\r\nBcc: x@y.no" }, "subject holds a line break" },
      { { to = "a@b.no\r\nBcc: x@y.no" }, "to: holds a line break" },
      { { to = { "a@b.no", "nobody" } }, "'nobody' is no address" },
      { { to = {} }, "to is missing" }, { { to = 5 }, "must be an address" },
      { { to = "å@b.no" }, "is no address" }, { { to = "a@-b.no" }, "is no address" },
      { { to = "a@b.no, c@d.no" }, "is no address" }, { { text = "" }, "text is missing" },
      { { text = "\255" }, "text is not UTF-8" },
    } do
      local ok, message = pcall(function() return new().prepare("mail", "duty", mail(case[1])) end)
      assert.is_false(ok)
      assert.is_truthy(tostring(message):find(case[2], 1, true), tostring(message))
    end
    local item, message = new().prepare("mail", "duty", mail { subject = "Om 12057012345" })
    assert.is_nil(item)
    assert.is_truthy(message:find("the subject holds an identity number (Om ***********)", 1, true), message)
  end)

  it("reads addresses", function()
    for text, wanted in pairs { ["a@b.no"] = { address = "a@b.no" }, ["<a@b.no>"] = { address = "a@b.no" },
      ['"A, B" <a.b+c@localhost>'] = { address = "a.b+c@localhost", name = "A, B" } } do
      assert.are.same(wanted, mail_text.mailbox(text))
    end
  end)
end)

describe("send.mail", function()
  it("gives the message to the server, dots and all", function()
    server = smtp.start()
    local outcome = send({ text = "One\n.two\n..\nthree", to = { "a@b.no", "C <c@d.no>" } }, {})
    assert.are.same({ state = "sent", status = 250, answer = "250 2.0.0 queued as 4711" }, outcome)
    local session = server:wait(1)[1]
    assert.are.equal("One\r\n.two\r\n..\r\nthree\r\n", select(2, read(session.message)))
    local talk = table.concat(session.commands, "\n")
    assert.is_truthy(talk:find("MAIL FROM:<altinn@agency.example>", 1, true), talk)
    assert.is_truthy(talk:find("RCPT TO:<a@b.no>\nRCPT TO:<c@d.no>\nDATA\nQUIT", 1, true), talk)
  end)

  it("signs in", function()
    server = smtp.start()
    assert.are.equal("sent", send({}, { user = "altinn", password = "a-secret" }).state)
    local talk = table.concat(server:wait(1)[1].commands, "\n")
    assert.is_truthy(talk:find("AUTH PLAIN\n" .. mime.b64 "\0altinn\0a-secret", 1, true), talk)
    server:script '{ auth = "535 5.7.8 not altinn with a-secret" }'
    local outcome = send({}, { user = "altinn", password = "a-secret" })
    assert.are.same({ "refused", 535, "rejected" }, { outcome.state, outcome.status, outcome.kind })
    assert.is_nil((outcome.reason .. outcome.answer):find("a-secret", 1, true))
  end)

  it("speaks TLS", function()
    server = smtp.start { tls = "smtps" }
    local outcome = send({}, { ca_file = server.ca_file })
    assert.are.equal("sent", outcome.state, outcome.reason)
    assert.is_truthy(server:wait(1)[1].message:find("One line", 1, true))
  end)

  it("speaks TLS after STARTTLS", function()
    server = smtp.start { tls = "starttls", script = "{ starttls = true }" }
    local outcome = send({}, { ca_file = server.ca_file, plain = false })
    assert.are.equal("sent", outcome.state, outcome.reason)
    local sessions = server:wait(2)
    local talk = table.concat(sessions[1].message and sessions[1].commands or sessions[2].commands, "\n")
    assert.is_truthy(talk:find("^EHLO .*\nMAIL FROM"), talk)
  end)

  it("sends nothing where STARTTLS is wanted and not offered", function()
    server = smtp.start()
    local outcome = send({}, { plain = false })
    assert.are.same({ "not_sent", "tls" }, { outcome.state, outcome.kind })
    assert.is_truthy(outcome.reason:find("the server offers no STARTTLS", 1, true), outcome.reason)
  end)

  it("is refused by what the server answers: 4yz again, 5yz never", function()
    server = smtp.start()
    for _, case in ipairs {
      { 'mail = "451 4.7.1 greylisted"', 451, "deferred", "target 'duty' answered 451 4.7.1 greylisted" },
      { 'rcpt = "550 5.1.1 no such user"', 550, "rejected", "550 5.1.1 no such user" },
      { 'data = "452 full"', 452, "deferred", "452 full" },
      { 'dot = "554-5.7.1 spam\\r\\n554 go away"', 554, "rejected", "554-5.7.1 spam 554 go away" },
      { 'greeting = "554 no service"', 554, "rejected", "554 no service" },
      { 'dot = "421 4.3.2 shutting down"', 421, "deferred", "421" },
    } do
      server:script("{ " .. case[1] .. " }")
      local outcome = send()
      assert.are.same({ "refused", case[2], case[3] }, { outcome.state, outcome.status, outcome.kind },
        case[1] .. tostring(outcome.reason))
      assert.is_truthy(outcome.reason:find(case[4], 1, true), outcome.reason)
    end
  end)

  it("knows what became of it when the server dies", function()
    server = smtp.start { tls = "smtps" }
    local outcome = send()  -- nobody trusts the certificate
    assert.are.same({ "not_sent", "tls" }, { outcome.state, outcome.kind })
    server:close()
    server = smtp.start()
    local closed = { mail = "smtp://127.0.0.1:" .. process.free_port() }
    outcome = send({}, closed)
    assert.are.same({ "not_sent", "network" }, { outcome.state, outcome.kind })
    local long = ("a line of the message\n"):rep(100)
    for where, state in pairs { greeting = "not_sent", mail = "not_sent", data = "unknown", body = "unknown",
      dot = "unknown", answer = "sent" } do
      server:script(("{ die = %q }"):format(where))
      outcome = send { text = long }
      assert.are.equal(state, outcome.state, where .. ": " .. tostring(outcome.reason))
    end
  end)

  it("goes to another machine with TLS, unless the target says plain", function()
    local kind = require("altinn.events.rules.effects").kinds.mail
    for _, case in ipairs {
      { "smtp://mail.example.no", nil, false }, { "smtp://mail.example.no", true, true }, { "smtp://127.0.0.1:25", nil,
        true }, { "smtp://localhost", false, false }, { "smtps://mail.example.no", nil, false },
    } do
      local request = kind.request({}, { mail = case[1], from = "a@example.no", plain = case[2] })
      assert.are.equal(case[3], request.mail.plain, case[1])
    end
  end)

  it("tells neither user nor password, whoever repeats them", function()
    local kind, target = require("altinn.events.rules.effects").kinds.mail, { mail = "smtps://m", user = "an-agency",
      password = "a-secret-word" }
    for _, reply in ipairs {
      { status = 0, error = "cannot sign in as an-agency with a-secret-word", code = "auth" },
      { status = 535, body = "535 an-agency a-secret-word is wrong\r\n" },
      { status = 535, body = ("535 AUTH PLAIN %s\r\n"):format(mime.b64("\0an-agency\0a-secret-word")) },
      { status = 535, body = ("535 %s %s\r\n"):format(mime.b64("an-agency"), mime.b64("a-secret-word")) },
    } do
      local outcome = kind.judge("duty", target, reply)
      local told = outcome.reason .. tostring(outcome.answer)
      assert.is_nil(told:find("a-secret-word", 1, true) or told:find("an-agency", 1, true), told)
      assert.is_nil(told:find(mime.b64("a-secret-word"), 1, true), told)
      assert.is_nil(told:find("AGFuLWFnZW5jeQ", 1, true), told)  -- the beginning of AUTH PLAIN
    end
  end)

  it("bounds what the server says", function()
    server = smtp.start { script = '{ greeting = ("220-" .. ("x"):rep(500) .. "\\r\\n"):rep(1000) .. "220 ready" }' }
    local outcome = send()
    assert.are.same({ "not_sent", "too_large" }, { outcome.state, outcome.kind })
  end)
end)

describe("the configuration", function()
  it("says what a mail target lacks", function()
    local faults = require "altinn.events.support.faults"
    local keys = require "altinn.events.host.config_keys"
    for text, target in pairs {
      ["targets.duty lacks from"] = { mail = "smtps://m.no" },
      ["targets.duty.mail must be a mail server"] = { mail = "https://m.no", from = "a@b.no" },
      ["targets.duty.from 'x' is no address"] = { mail = "smtps://m.no", from = "x" },
      ["targets.duty has one of user and password"] = { mail = "smtps://m.no", from = "a@b.no", user = "u" },
      ["plain, which would send the password unencrypted"] = { mail = "smtp://m.no", from = "a@b.no", user = "u",
        password = "p", plain = true },
      ["targets.duty.headers is for targets with slack or teams or url, and this one has mail"] = {
        mail = "smtps://m.no", from = "a@b.no", headers = {} },
    } do
      local problems = {}
      keys.check({ targets = { duty = target } }, problems)
      local lines = {}
      for index, fault in ipairs(problems) do lines[index] = faults.sentence(fault.message, fault.remedy) end
      assert.is_truthy(table.concat(lines, "\n"):find(text, 1, true), table.concat(lines, "\n"))
    end
  end)
end)

describe("the host", function()
  it("sends a rule's mail once, and the same bytes again while nobody knows", function()
    server = smtp.start { script = '{ die = "dot" }' }
    one = host.start {
      rules = { tell = [[local count = 0
        rule { name = "tell", on = "*", run = function(event, letter)
          count = count + 1
          return send.mail("duty") { key = letter, to = "post@agency.example", subject = "Brev " .. count,
            text = "Hei på deg" } end }]] },
      config = ([[return { targets = { duty = { mail = "%s", from = "altinn@agency.example" } } }]]):format(server.url),
    }
    assert.are.equal(200, (one:post(sample.text { id = "m1" })))
    assert(server:wait(1))
    server:script "{}"
    assert(process.wait(20, function()
      local run = one:verdicts()["m1/tell"]
      return run and run.verdict == "done" or nil
    end))
    local list = server:sessions()
    assert.are.equal(2, #list)
    assert.are.equal(list[1].message, list[2].message)
    assert.is_truthy(list[2].message:find("Subject: Brev 1", 1, true))
    assert.is_nil(one:verdicts()["m1/tell"].reason:find("unknown", 1, true))
  end)

  it("puts a mail that is refused for good among the dead letters", function()
    server = smtp.start { script = '{ rcpt = "550 5.1.1 no such user" }' }
    one = host.start {
      rules = { tell = [[rule { name = "tell", on = "*", run = function()
        return send.mail("duty") { to = "a@b.no", subject = "s", text = "t" } end }]] },
      config = ([[return { targets = { duty = { mail = "%s", from = "altinn@agency.example" } } }]]):format(server.url),
    }
    assert.are.equal(200, (one:post(sample.text { id = "m2" })))
    assert(one:settle())
    local run = one:verdicts()["m2/tell"]
    assert.are.equal("dead", run.verdict)
    assert.is_truthy(run.reason:find("550 5.1.1 no such user", 1, true), run.reason)
  end)
end)
