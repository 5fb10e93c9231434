-- altinn-events doctor: tries everything between here and Altinn in turn, and says for each finding how to mend it.
local connection = require "altinn.events.commands.connection"
local endpoint = require "altinn.events.subscriptions.endpoint"
local events = require "altinn.events"
local findings = require "altinn.events.rules.findings"
local http_date = require "altinn.events.support.http_date"
local libraries = require "altinn.events.support.libraries"
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"
local plan = require "altinn.events.subscriptions.plan"
local prepare = require "altinn.events.host.prepare"
local probe = require "altinn.events.commands.probe"
local rules = require "altinn.events.rules.loading"
local targets = require "altinn.events.commands.targets"
local urls = require "altinn.events.support.url"

local M = {
  summary = "try everything between here and Altinn, and say how to mend what fails",
  needs = { "secret", "credentials", "token" },
}

local TIMEOUT = 15
local CLOCK_MOST = 10      -- seconds that Maskinporten tolerates
local CLOCK_GOOD = 5

-- Where Altinn's pushes come from: the new addresses of spring 2026 and the old one, by
-- https://docs.altinn.studio/nb/events/subscribe-to-events/ and its English page.
local addresses = {
  tt02 = { "20.100.48.118/31", "20.100.48.120/31", "20.100.24.41/32" },
  production = { "51.13.20.208/31", "51.13.20.210/31", "20.100.46.139/32" },
}

local Visit = {}
Visit.__index = Visit

-- Adds a finding. status: ok, warning, failed, or skipped (not tried because of another finding).
function Visit:find(check, status, message, fix)
  self.findings[#self.findings + 1] = { check = check, status = status, message = self:clean(message),
    fix = fix and self:clean(fix) }
end

function Visit:clean(text)
  return endpoint.hide(events.mask(tostring(text)), self.config.secrets)
end

function Visit:perform(request)
  self.multi = self.multi or libraries.load("altinn.events.curl").new { connections = 1 }
  request.timeout = math.min(request.timeout or TIMEOUT, TIMEOUT)
  return self.multi:perform(request)
end

-- The advice when another finding may tell more.
function Visit:above()
  for _, finding in ipairs(self.findings) do
    if finding.status == "failed" or finding.status == "warning" then
      return "see the findings above; then run this again"
    end
  end
  return "mend that, then run this again"
end

local function check_configuration(visit)
  local config, missing = visit.config, {}
  if not config.environment and not config.base_url then missing[#missing + 1] = "environment" end
  if not config.credentials and not config.token then missing[#missing + 1] = "credentials" end
  if not config.endpoint then missing[#missing + 1] = "endpoint" end
  if #missing > 0 then
    visit:find("configuration", "failed", table.concat(missing, ", ") .. " not set",
      "set them in altinn-events.lua; the README, \"Connect to Altinn\", shows how")
  elseif #config.secrets == 0 then
    visit:find("configuration", "warning", "there is no secret: anybody can post events to the webhook",
      "set secret (openssl rand -hex 32 makes one)")
  elseif #config.warnings > 0 then
    for _, warning in ipairs(config.warnings) do visit:find("configuration", "warning", warning) end
  else
    visit:find("configuration", "ok", config.file and "read from " .. config.file or "complete")
  end
end

local unreachable = {
  tls = "the certificate is not trusted: is ca-certificates installed, and does a proxy break TLS open?",
  timeout = "no answer: does a firewall or proxy stand between? https_proxy names a proxy",
  network = "is the address right, does its name resolve, and may this machine reach it?",
}

local function check_platform(visit)
  local url, message = connection.base_url(visit.config)
  if not url then return visit:find("platform", "skipped", message) end
  local before = os.time()
  local reply, why, code = visit:perform {
    url = url .. "/events/api/v1/subscriptions", ca_file = visit.config.ca_file,
  }
  if not reply then
    local near = code == "network" and urls.is_loopback(url)
    visit:find("platform", "failed", ("%s: %s"):format(url, why), near
      and "does the emulator run there? altinn-events emulate starts it" or unreachable[code] or unreachable.network)
    return
  end
  visit.date, visit.asked = http_date.parse(reply.headers.date), (before + os.time()) / 2
  if reply.status == 401 or reply.status == 200 then
    visit:find("platform", "ok", url .. (url:find("^https:") and " answers, its certificate is trusted" or " answers"))
  else
    visit:find("platform", reply.status >= 500 and "warning" or "failed",
      ("%s answers %d where 401 was expected"):format(url, reply.status),
      reply.status >= 500 and "Altinn may be in trouble: try again later" or
        "is this Altinn's platform? Set environment (tt02 or production) instead of an address")
  end
end

local function check_clock(visit)
  if not visit.date then
    visit:find("clock", "skipped", "nothing to compare it with")
    return
  end
  local off = math.floor(visit.asked - visit.date + 0.5)
  local size, fix = math.abs(off), "let the system keep the time: timedatectl set-ntp true"
  local text = ("%d s %s Altinn's"):format(size, off < 0 and "behind" or "ahead of")
  if size > CLOCK_MOST then visit:find("clock", "failed", text .. "; grants are refused beyond 10 s", fix)
  elseif size > CLOCK_GOOD then visit:find("clock", "warning", text, fix)
  else visit:find("clock", "ok", "agrees with Altinn's") end
end

local function check_credentials(visit)
  local link, message, code = connection.open(visit.config)
  if not link then
    if code == "usage" then return visit:find("credentials", "skipped", message) end
    return visit:find("credentials", "failed", message,
      "correct credentials in altinn-events.lua: client_id, key_file, kid or certificate, scopes")
  end
  local claims
  claims, message, code = link:claims()
  if not claims then
    visit:find("credentials", "failed", message, code == "auth"
      and "compare client_id, key, kid and scopes with the client in Digdir's self-service portal"
      or visit:above())
    return
  end
  local expires = tonumber(claims.exp)
  if expires and expires <= os.time() then
    visit:find("credentials", "failed", "the token expired at " .. output.moment(expires), "get a new one")
    return
  end
  visit.link, visit.claims = link, claims
  visit:find("credentials", "ok", "a token for " .. (connection.identity_of(claims) or "an unknown identity"))
end

local function scopes_of(claims)
  local text, set = claims.scope or claims["urn:altinn:scope"] or "", {}
  if type(text) == "table" then text = table.concat(text, " ") end
  for scope in tostring(text):lower():gmatch("%S+") do set[scope] = true end
  return set
end

-- Judges the scopes of a token for asking about letters -> status, message, way out.
local function letters_finding(has)
  local read, write = has["altinn:correspondence.read"], has["altinn:correspondence.write"]
  local owner = has["altinn:serviceowner"]
  if read and write then
    return "warning", "correspondence.read and .write are in one token: Altinn then takes a recipient for the sender,"
      .. " and confirming fails with 1025",
      "keep one of them in credentials.scopes: .read for recipients, .write for service owners"
  elseif read and owner then
    return "warning", "altinn:serviceowner with correspondence.read and without .write: Altinn takes the owner for the"
      .. " recipient, and asking about a letter records it as fetched or read",
      "service owners: altinn:correspondence.write and altinn:serviceowner, without .read, in credentials.scopes"
  elseif not read and not write then
    return "warning", "neither altinn:correspondence.read nor .write: rules cannot ask about letters",
      "ask servicedesk@altinn.no for one of them (.read for recipients, .write for service owners), add it to the"
      .. " client and to credentials.scopes"
  end
  return "ok", "altinn:events.subscribe and altinn:correspondence." .. (read and "read" or "write")
    .. (owner and ", altinn:serviceowner" or "")
end

local function check_scopes(visit)
  if not visit.claims then return visit:find("scopes", "skipped", "there is no token") end
  local has = scopes_of(visit.claims)
  if not has["altinn:events.subscribe"] then
    return visit:find("scopes", "failed", "altinn:events.subscribe is missing: no subscriptions, no pull",
      "it is open to everybody: add it to the client in Digdir's self-service, and to credentials.scopes")
  end
  visit:find("scopes", letters_finding(has))
end

local function check_rights(visit)
  if not visit.link then return visit:find("rights", "skipped", "there is no token") end
  local list, message, code = visit.link.client:subscriptions()
  if list then
    visit.subscriptions = list
    visit:find("rights", "ok", ("subscriptions can be read; there are %d under %s"):format(#list,
      visit.link:identity(list)))
  else
    visit:find("rights", "failed", "subscriptions cannot be read: " .. tostring(message),
      code == "forbidden" and "the scope altinn:events.subscribe is not in the token"
        or visit:above())
  end
end

local endpoint_fixes = {
  tls = "the certificate must chain to a publicly trusted authority, with its intermediate ones: Altinn refuses others",
  timeout = "is the host running, and does the firewall let Altinn's addresses in?",
  network = "is the host running, does the name resolve, does the proxy listen?",
}

local function endpoint_finding(visit, shown, reply)
  local fix = probe.fix(reply.status, shown)
  if fix then return visit:find("endpoint", "failed", ("%s answers %d"):format(shown, reply.status), fix) end
  visit:find("endpoint", "ok", shown .. " takes Altinn's validation event")
end

local function check_endpoint(visit)
  if not visit.config.endpoint then return visit:find("endpoint", "skipped", "endpoint is not set") end
  local address = endpoint.address(visit.config.endpoint, visit.config.secrets[1])
  local shown = endpoint.mask(address, visit.config.endpoint, visit.config.secrets)
  if address:find("^http:") and not urls.is_loopback(address) then
    return visit:find("endpoint", "failed", shown .. " is not https",
      "Altinn posts to https only: put a proxy in front")
  end
  local reply, why, code = visit:perform(probe.request(address))
  if reply then return endpoint_finding(visit, shown, reply) end
  visit:find("endpoint", "failed", ("%s: %s"):format(shown, why), endpoint_fixes[code] or endpoint_fixes.network)
end

local function check_addresses(visit)
  local list = addresses[visit.config.environment]
  if not list then
    return visit:find("addresses", "skipped", "Altinn publishes none for " .. (visit.config.environment or "this one"))
  end
  visit:find("addresses", "ok", "the firewall must let in " .. table.concat(list, ", "))
end

local function describe(one)
  return ("%d (%s)"):format(one.id, plan.short(one.resourceFilter) or "?")
end

-- Checks that our subscriptions are validated, and older than Altinn's caches.
local function check_subscriptions(visit)
  local list = visit.subscriptions
  if not list then return visit:find("subscriptions", "skipped", "they could not be read") end
  local now, ours, fine = os.time(), 0, true
  for _, one in ipairs(list) do
    local owner = visit.link:owner(one.endPoint)
    if owner == "unknown" then
      visit:find("subscriptions", "warning", ("%s posts to %s, which has no secret of this configuration")
        :format(describe(one), visit.link:mask(one.endPoint)),
        "if it is another system's, leave it; if the secret is an old one, 'altinn-events apply --remove-unknown'")
    elseif owner == "ours" then
      ours = ours + 1
      local heard = (plan.created(one) or now) + plan.cache
      fine = fine and one.validated == true and heard <= now
      if one.validated ~= true then
        visit:find("subscriptions", "failed", describe(one) .. " is not validated: nothing is delivered",
          "mend the endpoint, then run 'altinn-events apply'")
      elseif heard > now then
        visit:find("subscriptions", "warning",
          ("%s may miss events until %s: Altinn's caches last an hour"):format(describe(one), output.moment(heard)),
          "wait; 'altinn-events pull' brings what was missed")
      end
    end
  end
  if ours == 0 then
    visit:find("subscriptions", "warning", "none has this endpoint: Altinn sends nothing",
      "run 'altinn-events apply'")
  elseif fine then
    visit:find("subscriptions", "ok", ("%d with this endpoint"):format(ours))
  end
end

local function check_rules(visit)
  local set, list = prepare.rules(visit.config)
  local kinds = { error = "failed", warning = "warning", hint = "warning" }
  for _, finding in ipairs(list) do
    if finding.code ~= "place" then  -- check_places tells of these
      visit:find("rules", kinds[finding.severity], findings.text(finding), finding.severity == "error"
        and "'altinn-events check' tells all, and 'run' refuses it" or nil)
    end
  end
  if not set then return end
  visit.rules = set
  local made = plan.compute(set, { resources = visit.config.resources, narrow = visit.config.narrow })
  for _, note in ipairs(made.problems) do
    visit:find("rules", "failed", rules.describe_problem(note), "without it 'plan' and 'apply' cannot go on")
  end
  if #made.problems > 0 then return end
  for _, note in ipairs(visit.link and visit.link:needs_subject(visit.subscriptions) and made.demands or {}) do
    visit:find("rules", "warning", rules.describe_problem(note),
      "Altinn refuses its subscription (403) or brings nothing by it until then")
  end
  if not visit.subscriptions or not visit.config.endpoint then
    return visit:find("rules", "ok", ("they need %d subscription%s"):format(#made.subscriptions,
      #made.subscriptions == 1 and "" or "s"))
  end
  local steps = plan.difference(made.subscriptions, visit.subscriptions, {
    endpoint = visit.link:address(), now = os.time(),
    owner = function(address) return visit.link:owner(address) end,
  })
  if plan.differs(steps) then
    visit:find("rules", "warning", "the subscriptions are not those that the rules need",
      "'altinn-events plan' shows the difference, 'altinn-events apply' mends it")
  else
    visit:find("rules", "ok", "the subscriptions are those that the rules need")
  end
end

local checks = {
  check_configuration, check_platform, check_clock, check_credentials, check_scopes, check_rights, check_endpoint,
  check_addresses, check_subscriptions, check_rules, targets.try,
}

local signs = { ok = "ok", warning = "WARNING", failed = "FAILED", skipped = "skipped" }

local function print_findings(list)
  local width = 14
  for _, finding in ipairs(list) do width = math.max(width, #finding.check) end
  for _, finding in ipairs(list) do
    output.line("%-8s %s%s %s", signs[finding.status], finding.check, (" "):rep(width - #finding.check),
      finding.message)
    if finding.fix then output.line("%s -> %s", (" "):rep(width + 9), finding.fix) end
  end
end

--- Adds its options to the parser.
---@param doctor table
function M.options(doctor)
  options.add(doctor, "config", "altinn", "json")
  doctor:option("--target", "try only this target of effects; nothing is sent that has an effect"):argname "NAME"
  doctor:epilog "Exit status: 0 nothing failed, though there may be warnings; 1 something failed; 2 wrong usage."
end

--- Runs the verb.
---@param args table
---@param config table
---@return integer status 1 when something failed
function M.run(args, config)
  local visit = setmetatable({ config = config, findings = output.list {} }, Visit)
  if args.target then targets.try(visit, args.target)
  else
    for _, check in ipairs(checks) do check(visit) end
  end
  if visit.multi then visit.multi:close() end
  local ok = true
  for _, finding in ipairs(visit.findings) do ok = ok and finding.status ~= "failed" end
  if args.json then
    output.json { ok = ok, findings = visit.findings }
    return ok and 0 or 1
  end
  print_findings(visit.findings)
  return ok and 0 or 1
end

return M
