-- Effects of the kind `send.mail`: a mail of plain text over SMTP. The whole message is recorded, so that the same
-- bytes go out again.
local base64 = require "altinn.events.support.base64"
local core = require "altinn.events.core"
local digest = require "altinn.events.support.digest"
local lists = require "altinn.events.support.lists"
local mail_text = require "altinn.events.support.mail_text"
local targets = require "altinn.events.rules.effects.target"
local text = require "altinn.events.support.text"
local url = require "altinn.events.support.url"

local M = {}

M.about = "a mail of plain text"
M.sent = "the server takes the message: 250 after DATA"
M.carrier, M.takes = "curl", { "mail" }
M.sample = { mail = "smtps://127.0.0.1", from = "a@example.no" }
M.stand_ins = { to = "a@example.no", subject = "subject", text = "text" }

M.words = {
  { "to", "string|string[]", 'addresses, such as "post@agency.example" or "The Agency <post@agency.example>"' },
  { "subject", "string", "one line, without an identity number" },
  { "text", "string", "the message" },
}

local RECIPIENTS = 100
local TIMEOUT = 60  -- seconds, when the target names none
local NGINX = "the host sends mail, nginx does not"

-- Keys of the target.

local function server_fault(value)
  if type(value) ~= "string" or not value:find("^smtps?://[%w%-._%[%]:]+/?$") then
    return "must be a mail server: smtps://host, or smtp://host (with STARTTLS); :port where it has another one"
  end
end

local function from_fault(value)
  local _, message = mail_text.mailbox(value)
  return message
end

M.keys = {
  { name = "mail", check = server_fault, type = "string", nginx = NGINX,
    about = "the server that takes mail: `smtps://host`, or `smtp://host`, where STARTTLS must succeed" },
  { name = "from", check = from_fault, type = "string", nginx = NGINX, about = "address of the sender" },
  { name = "user", check = targets.one_text, type = "string", nginx = NGINX, about = "who signs in at the server" },
  { name = "password", check = targets.one_text, type = "string", nginx = NGINX, about = "of the user" },
  { name = "plain", check = targets.flag, type = "boolean", nginx = NGINX,
    about = "`true`: `smtp://` without TLS; `false`: with STARTTLS also on this machine, where it is not needed" },
  targets.timeout, targets.ca_file,
}

local function is_loopback(target)
  return url.is_loopback((target.mail:gsub("^smtps?", "http")))
end

--- What a target lacks, or what excludes each other in it.
---@param target table
---@return string|nil message
function M.complete(target)
  if not target.from then return "lacks from: whose mail is it?" end
  if (target.user == nil) ~= (target.password == nil) then
    return "has one of user and password: they belong together"
  end
  if target.plain and target.password and not is_loopback(target) then
    return "has plain, which would send the password unencrypted: leave plain out"
  end
end

M.target_problem = M.complete

-- Effects.

local function each_recipient(to)
  return type(to) == "table" and to or { to }
end

local function mailboxes_of(to)
  local fault, list = lists.fault(each_recipient(to)), {}
  if fault then return nil, "to: " .. fault end
  for index, one in ipairs(each_recipient(to)) do
    local mailbox, message = mail_text.mailbox(one)
    if not mailbox then return nil, "to: " .. message end
    list[index] = mailbox
  end
  if #list == 0 then return nil, "to is missing: an address or a list of addresses" end
  if #list > RECIPIENTS then return nil, ("to: %d addresses, and %d is the most"):format(#list, RECIPIENTS) end
  return list
end

local function text_fault(name, value, is_line)
  if type(value) ~= "string" or value == "" then return ("%s is missing: a text"):format(name) end
  if not core.is_utf8(value) then return name .. " is not UTF-8" end
  if is_line and value:find("[%c\127]") then return name .. " holds a line break or another control character" end
  if value:find("%z") then return name .. " holds a NUL" end
end

--- Checks the fields when the effect is made.
---@param fields table
---@return string|nil message
function M.check(fields)
  local _, message = mailboxes_of(fields.to)
  return message or text_fault("subject", fields.subject, true) or text_fault("text", fields.text)
end

local function message_of(effect, target, about, mailboxes)
  local from = assert(mail_text.mailbox(target.from))
  local body, coding = mail_text.body(effect.text)
  return table.concat({
    "Date: " .. mail_text.date(about.now or os.time()),
    mail_text.addresses("From", { from }),
    mail_text.addresses("To", mailboxes),
    mail_text.header("Subject", effect.subject),
    ("Message-ID: <%s%s@%s>"):format(digest.hex(about.key), digest.hex(about.key:reverse()),
      from.address:match("@(.*)$")),
    "Auto-Submitted: auto-generated",
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: " .. coding, "", body,
  }, "\r\n")
end

--- The record of an effect: see http.lua.
---@param effect table
---@param target table
---@param about { now: number|nil, key: string } now: seconds since 1970; key: the effect's
---@return { to: string[], message: string }|nil record
---@return string|nil message
function M.record(effect, target, about)
  local message = M.check(effect) or targets.person_fault("the subject", effect.subject)
  if message then return nil, message end
  local mailboxes, to = mailboxes_of(effect.to), {}
  for index, mailbox in ipairs(mailboxes) do to[index] = mailbox.address end
  return { to = to, message = message_of(effect, target, about, mailboxes) }
end

--- The request that carries a record to its target.
---@param record { to: string[]|nil, message: string|nil } empty: the server is only asked whether it is there
---@param target table
---@return table request of altinn.events.curl
function M.request(record, target)
  local plain = target.plain
  if plain == nil then plain = is_loopback(target) end
  return {
    carrier = "curl", url = target.mail, timeout = tonumber(target.timeout) or TIMEOUT, ca_file = target.ca_file,
    body = record.message, mail = { from = assert(mail_text.mailbox(target.from)).address, to = record.to,
      user = target.user, password = target.password, plain = plain },
  }
end

-- The last reply of a server that has this status: all its lines. (After it comes the answer to QUIT.)
local function reply_text(lines, status)
  local list, code = {}, ("%03d"):format(status)
  for line in (lines or ""):gmatch("[^\r\n]+") do
    local continued = #list > 0 and list[#list]:sub(1, 4) == code .. "-"
    if line:sub(1, 3) == code then
      if not continued then list = {} end
      list[#list + 1] = line
    end
  end
  return table.concat(list, " ")
end

-- User and password as they are, and as they go over the wire (AUTH PLAIN and LOGIN).
local function hidden(answer, target)
  local user, password = target.user or "", target.password or ""
  local plain = base64.encode("\0" .. user .. "\0" .. password)
  for _, word in ipairs { plain, base64.encode(password), base64.encode(user), password, user } do
    if #word >= 4 then answer = text.replace(answer, word, "…") end
  end
  return answer
end

--- The outcome of an effect, by the reply to its request.
---@param name string the target's
---@param target table
---@param reply { status: integer, body: string, error: string|nil, code: string|nil, not_sent: boolean|nil } status: of
---  the server's last reply; not_sent: nothing of the message went out
---@return altinn.events.effect_outcome outcome
function M.judge(name, target, reply)
  if reply.error then
    return { state = reply.not_sent and "not_sent" or "unknown", kind = reply.code or "network", stage = reply.stage,
      reason = ("target '%s': %s"):format(name, hidden(reply.error, target)) }
  end
  local answer = text.excerpt(hidden(reply_text(reply.body, reply.status), target))
  local status = reply.status
  if status >= 200 and status < 300 then return { state = "sent", status = status, answer = answer } end
  return { state = "refused", status = status, answer = answer, kind = status < 500 and "deferred" or "rejected",
    reason = ("target '%s' answered %s"):format(name, text.cut(answer, 200)) }
end

local FIXES = {
  tls = "is its certificate trusted (ca_file in the target), does it offer STARTTLS (else smtps://)?",
  auth = "correct user and password in the target",
  timeout = "does a firewall stand between? Is it the right port (smtps:// 465, smtp:// 587)?",
}

--- Tries a target: connects, with TLS, signs in, and sends no mail.
---@param target table
---@param tools { send: (fun(request: table): table) }
---@return "ok"|"failed" status
---@return string message
---@return string|nil fix
function M.try(target, tools)
  local outcome = M.judge("", target, tools.send(M.request({}, target)))
  if outcome.state == "sent" then
    return "ok", ("it greets%s%s"):format(target.mail:find("^smtps") and " over TLS" or target.plain and ""
      or not is_loopback(target) and " over TLS" or "", target.user and ", and lets the user in" or "")
  end
  local fix = outcome.state == "refused" and target.user and FIXES.auth or FIXES[outcome.kind]
  return "failed", (outcome.reason:gsub("^target '': ?", ""):gsub("^target '' ", "it ")),
    fix or targets.REACH
end

return M
