-- Rules that are right and look odd: check says nothing of them.
local findings = require "altinn.events.rules.findings"
local rules = require "altinn.events.rules.loading"

local TARGETS = {
  print = { url = "https://print.example.no" }, cases = { url = "https://cases.example.no" },
  duty = { teams = "https://teams.example.no/x" }, post = { mail = "smtps://mail.example.no", from = "a@example.no" },
  out = { folder = "/srv/out" }, list = { append = "/srv/list.csv" }, load = { command = { "/bin/true" } },
}

-- The findings of files, as lines.
local function found(files)
  if type(files) == "string" then files = { ["rules/a.lua"] = files } end
  local set, problems = rules.load({ "rules/a.lua" }, { sources = files })
  assert(set, problems and rules.describe_problem(problems[1]))
  local lines = {}
  for index, one in ipairs(findings.of(set, TARGETS, true)) do
    lines[index] = ("%d:%d %s %s"):format(one.line, one.column, one.code, one.message)
  end
  return lines
end

-- A rule with a body; `more` stands behind it.
local function rule(body, parts, more)
  return ('rule {\n  name = "a", on = "correspondencepublished", %s\n  run = function(event, letter, context)\n%s\n'
    .. "  end,\n%s\n}\n"):format(parts or "", body, more or "")
end

local function silent(title, files) it(title, function() assert.are.same({}, found(files)) end) end

describe("check is silent of what is returned", function()
  silent("from a variable", rule [[ local job = send.http("print") { key = letter } return job ]])
  silent("from a variable that gets its value later", rule [[
    local verdict
    if event.subject then verdict = skip("theirs") else verdict = send.http("print") { key = letter } end
    return verdict ]])
  silent("from a list that is filled", rule [[
    local list = {}
    for index = 1, 3 do list[#list + 1] = send.http("print") { key = { letter, index } } end
    return list ]])
  silent("from a list that table.insert fills", rule [[
    local list = { remember { seen = true } }
    table.insert(list, send.http("print") { key = letter })
    return list ]])
  silent("by a helper", [[
    local function notify(letter, what) return send.http("print") { key = { letter, what } } end
    ]] .. rule [[ return notify(letter, "paper") ]])
  silent("by a helper that may return nothing", [[
    local function early(event) if not event.subject then return skip("nobody") end end
    ]] .. rule [[ return early(event) or send.http("print") { key = letter } ]])
  silent("by a helper that is tested before", [[
    local function early(event) if not event.subject then return skip("nobody") end end
    ]] .. rule [[
    local verdict = early(event)
    if verdict then return verdict end
    return send.http("print") { key = letter } ]])
  silent("by a helper in a table", [[
    local helpers = {}
    function helpers.notify(letter) return send.http("print") { key = letter } end
    ]] .. rule [[ return helpers.notify(letter) ]])
  silent("by a method of a table", [[
    local helpers = { target = "print" }
    function helpers:notify(letter) return send.http(self.target) { key = letter } end
    ]] .. rule [[ return helpers:notify(letter) ]])
  silent("by a module", { ["rules/a.lua"] = 'local words = require "words"\n' .. rule [[ return words.notify(letter) ]],
    ["rules/lib/words.lua"] = [[
      local M = {}
      function M.notify(letter) return send.http("print") { key = letter } end
      return M ]] })
  silent("by pcall", rule [[
    local ok, verdict = pcall(function() return send.http("print") { key = letter, json = letter:details().status } end)
    if not ok then error(verdict, 0) end
    return verdict ]])
  silent("by a coroutine", rule [[
    local make = coroutine.wrap(function() coroutine.yield(send.http("print") { key = letter }) end)
    return make() ]])
  silent("by and and or", rule [[
    return event.subject and skip("theirs") or send.http("print") { key = letter } ]])
  silent("in a list with a hole", rule [[
    return { event.subject and remember { seen = true } or nil, send.http("print") { key = letter } } ]])
  silent("through table.unpack", rule [[
    local list = { send.http("print") { key = letter } }
    return { table.unpack(list) } ]])
  silent("by a function that calls itself", [[
    local function try(letter, n)
      if n == 0 then return skip("nothing") end
      if n == 1 then return send.http("print") { key = letter } end
      return try(letter, n - 1)
    end ]] .. rule [[ return try(letter, 3) ]])
  silent("by a function with varargs", [[
    local function first(...) return (...) end ]] .. rule [[ return first(skip("a"), 2) ]])
  silent("after goto", rule [[
    for _, file in ipairs(letter:attachments()) do
      if file.isEncrypted then goto continue end
      if file.fileName then return send.http("print") { key = letter } end
      ::continue::
    end
    return skip("no file") ]])
  silent("inside a loop without an end", rule [[
    local n = 0
    while true do
      n = n + 1
      if n > 3 then return send.http("print") { key = letter } end
    end ]])
  silent("inside a repeat without an end", rule [[
    local n = 0
    repeat
      n = n + 1
      if n > 3 then return skip("enough") end
    until false ]])
  silent("with error on the other path", rule [[
    local status = letter:details().status
    if status == "Read" then return skip("read") end
    error("odd status " .. status) ]])
  silent("with assert(false) at the end", rule [[
    if event.subject then return skip("theirs") end
    assert(false, "nobody") ]])
  silent("nothing on all paths", rule [[ if event.subject then log("theirs") end ]])
  silent("nil and why", rule [[
    if not event.subject then return nil, "nobody is addressed" end
    return send.http("print") { key = letter } ]])
  silent("nil in place of nothing", rule [[
    if not event.subject then return nil end
    return done("one") ]])
end)

describe("check is silent of conditions", function()
  silent("with several types", [[
    rule { name = "a", on = { "correspondencepublished", "correspondencepurged" }, run = function(event, letter)
      if events.describe(event).name == "correspondencepurged" then return skip("gone") end
      if event.type == "no.altinn.correspondence.correspondencepublished" then return done(letter.id) end
      return done("other")
    end }]])
  silent("on the resource's URN", rule [[
    if event.resource == "urn:altinn:resource:acme-letters" then return done("ours") end return skip("other") ]])
  silent("on the subject's URN", rule [[
    if event.subject == "urn:altinn:organization:identifier-no:987654321" then return done("ours") end
    return skip("other") ]])
  silent("on attributes of others' events", [[
    rule { name = "a", on = "com.example.paid", run = function(event)
      if event.resource == "plain" or event.amount == 5 or event.type == "com.example.paid" then return done("a") end
      return skip("b")
    end }]])
  silent("x ~= a and x ~= b", rule [[
    local name = events.describe(event).publisher
    if name ~= "app" and name ~= "broker" then return done("a") end return skip("b") ]])
  silent("x == a or x == b", rule [[
    local status = letter:details().status
    if status == "Read" or status == "Confirmed" then return skip("seen") end return done("a") ]])
  silent("on two values that both may differ", rule [[
    local a, b = event.subject, event.alternativesubject
    if a ~= "x" or b ~= "y" then return done("a") end return skip("b") ]])
  silent("(not a) == b", rule [[
    local wanted, seen = event.subject ~= nil, letter:has_been("Read")
    if (not seen) == wanted then return done("a") end return skip("b") ]])
  silent("not (a == b)", rule [[
    if not (letter.kind == "letter") then return skip("other") end return done("a") ]])
  silent("with a default", rule [[ local name = event.subject or "nobody" return done(name) ]])
  silent("on an attachment's status", [[
    rule { name = "a", on = "attachmentpublished", run = function(_, attachment)
      if attachment:overview().status == "Published" then return done("a") end return skip("b")
    end }]])
  silent("on a timer in run, where later starts it", rule [[
    if context.timer then return done("waited") end
    return later { at = "1d" } ]])
  silent("on a timer of a name that is found out", rule([[
    return later { at = "1d", run = event.subject and "remind" or "run" } ]], "", [[
    remind = function(_, _, context) return done(tostring(context.timer.with)) end, ]]))
  silent("on times as numbers", rule [[
    if events.time(event) < 1767225600 then return skip("old") end return done("new") ]])
  silent("on NaN", rule [[
    local n = tonumber(event.id) or 0
    if n ~= 0 and n == n // 1 then return done("a") end return skip("b") ]])
  silent("that look the same and call", rule [[
    local next_one = coroutine.wrap(function() coroutine.yield(1) coroutine.yield(2) end)
    if next_one() == 1 then return done("a") elseif next_one() == 1 then return done("b") end return skip("c") ]])
end)

describe("check is silent of what bodies are given", function()
  silent("under other names", [[ rule { name = "a", on = "correspondencepublished", run = function(e, l, c)
    log(e.id, l.id, c.attempt) return done(l:details().status) end }]])
  silent("and put away", rule [[
    local details, id = letter:details(), letter.id
    local status, content = details.status, details.content
    log(status, content.messageTitle, id)
    return done(details.statusHistory[1].status) ]])
  silent("a method in a variable", rule [[
    local details = letter.details
    return done(details(letter).status) ]])
  silent("a method of a name that is found out", rule([[
    local method = event.subject and "confirm" or "mark_read"
    letter[method](letter)
    return done("a") ]], 'may = { "confirm", "mark:read" },'))
  silent("a variable that becomes another", rule [[ letter = { detials = 1 } return done(tostring(letter.detials)) ]])
  silent("a local letter in another function", [[
    local function of(letter) return letter.title end
    ]] .. rule [[ return done(of { title = "x" }) ]])
  silent("a parameter called letter of a table", [[
    local function title(one) return one.anything:upper() end
    ]] .. rule [[ return done(title { anything = "x" }) ]])
  silent("a list of letters", [[
    rule { name = "a", on = "attachmentuploadfailed", run = function(_, attachment)
      local names = {}
      for index, letter in ipairs(attachment:letters()) do names[index] = letter:details().sendersReference end
      return done(table.concat(names, ", "))
    end }]])
  silent("answers with methods", rule [[
    local orders = letter:details():notified()
    for _, order in ipairs(orders) do log(order.id, order.anything) end
    return done(tostring(orders.reached)) ]])
  silent("a context's log in a variable", rule [[ local log = context.log log.info("a") log("b") return done("c") ]])
  silent("methods of texts", rule [[
    return done(event.id:upper():sub(1, 3) .. ("%s"):format(letter.id):lower() .. #event.id) ]])
  silent("a table of functions called by name", [[
    local of = { correspondencepublished = function(letter) return done(letter.id) end }
    ]] .. rule [[ return of[events.describe(event).name](letter) ]])
  silent("the same answer inside a callback, asked before", rule [[
    local status, list = letter:details().status, { 2, 1 }
    table.sort(list, function(a, b) return #letter:details().status + a < b end)
    return done(status .. list[1]) ]])
  silent("pcall around a call to Altinn that is judged", rule [[
    local ok, failure = pcall(letter.details, letter)
    if not ok and failure.code == "not_found" then return skip("gone: " .. failure.message) end
    if not ok then error(failure, 0) end
    return done("there") ]])
  silent("pcall around something else", rule [[
    local ok, value = pcall(tonumber, event.id, 99)
    if not ok then return skip("no number") end
    return done(tostring(value)) ]])
end)

describe("check is silent of effects", function()
  silent("of all kinds", rule [[
    return {
      send.http("print") { key = letter, method = "PUT", path = "/a/" .. events.escape(letter.id),
        headers = { A = 1 } },
      send.cloudevent("cases") { key = letter, event = events.totable(event) },
      send.mail("post") { key = letter, to = { "b@example.no" }, subject = "x " .. letter.id, text = "y" },
      send.teams("duty") { key = letter, title = "x", facts = { { "a", letter.id } } },
      send.file("out") { key = letter, name = letter.id .. ".json", json = { letter = letter.id } },
      send.file("list") { key = event, line = table.concat({ letter.id, event.time }, ";") },
      send.command("load") { key = letter, arguments = { "--", letter.id }, text = "x" },
    } ]])
  silent("in one list under keys of their own", rule [[
    return { send.http("print") { key = letter }, send.http("cases") { key = letter },
      send.http("print") { key = { letter, "second" } } } ]])
  silent("without a key", rule [[ return { send.http("print") { path = "/a" }, send.http("print") { path = "/b" } } ]])
  silent("with fields that are put together", rule [[
    local fields = { key = letter }
    if event.subject then fields.path = "/a" end
    return send.http("print")(fields) ]])
  silent("to a target that is chosen", rule [[
    local target = event.subject and "print" or "cases"
    return send.http(target) { key = letter } ]])
  silent("of a kind that is chosen", rule [[
    local make = event.subject and send.http or send.cloudevent
    return make("print") { key = letter } ]])
  silent("with a key of a party and the letter", rule [[
    return send.http("print") { key = { letter, event.subject } } ]])
  silent("with a key that another rule shares", rule [[ return send.http("print") { key = "case:" .. letter.id } ]])
  silent("with a subject of an organisation in a path", rule([[
    return send.http("print") { key = letter, path = "/" .. events.escape(event.subject) } ]],
    'when = { recipient = "987654321" },'))
  silent("with JSON that a library makes", rule [[
    local cjson = require "cjson"
    return send.http("print") { key = letter, body = cjson.encode { a = 1 } } ]])
  silent("with brackets in a text", rule [[
    return send.mail("post") { key = letter, to = "b@example.no", subject = "[x] " .. letter.id,
      text = "{" .. letter.id } ]])
  silent("with nil in a table for JSON", rule [[
    return send.http("print") { key = letter, json = { 1, nil, 3, subject = event.subject or events.null } } ]])
  silent("with a probe", rule([[ return send.http("print") { key = letter, probe = "look" } ]], "", [[
    look = function(_, letter, context)
      local reply = context.get("/" .. letter.id)
      if reply.status == 200 then return sent end
      if reply.status == 404 then return not_sent end
      error("it answered " .. reply.status)
    end, ]]))
end)

describe("check is silent of time, memory and steps", function()
  silent("steps of different names", rule([[
    for index, file in ipairs(letter:attachments()) do
      step("file " .. index, function() letter:download(file, "/tmp/" .. index) end)
    end
    return send.http("print") { key = letter } ]], 'may = { "read:overview", "download", "send:print" },'))
  silent("one step in two branches", rule [[
    local n
    if event.subject then n = step("ask", function() return 1 end)
    else n = step("ask", function() return 2 end) end
    return done("a" .. n) ]])
  silent("one step in a branch that returns, and behind it", rule [[
    if event.subject then return done(step("ask", function() return "a" end)) end
    return done(step("ask", function() return "b" end)) ]])
  silent("one step by a loop that it ends", rule [[
    for _, file in ipairs(letter:attachments()) do
      if file.fileName then step("first", log) break end
    end
    return done("a") ]])
  silent("a step with a function of the file", [[
    local function ask() return { a = 1 } end
    ]] .. rule [[ return done(tostring(step("ask", ask).a)) ]])
  silent("memory with a default", rule [[
    return remember { count = (context.memory.count or 0) + 1, expires = "90d" } ]])
  silent("memory that is looked at before", rule [[
    if context.memory.count then return remember { count = context.memory.count + 1 } end
    return remember { count = 1 } ]])
  silent("memory in a body that a timer starts", rule([[
    return { remember { count = 1 }, later { at = "1d", run = "again" } } ]], "", [[
    again = function(_, _, context) return remember { count = context.memory.count + 1 } end, ]]))
  silent("retry_after with a bound", rule [[
    if context.attempt < 5 then return retry_after("4h", "not yet") end
    return skip("waited long enough") ]])
  silent("an act in a body of its own", rule([[
    return { send.http("print") { key = letter }, later { at = 0, run = "receipt" } } ]],
    'may = { "send:print", "confirm" },', [[
    receipt = function(_, letter) letter:confirm() return done("confirmed") end, ]]))
  silent("an act in a step before an effect", rule([[
    step("confirm", function() return letter:confirm() end)
    return send.http("print") { key = letter } ]], 'may = { "send:print", "confirm" },'))
  silent("constants of the file, and tables that only loading fills", [[
    local DAYS, names = 3, {}
    for index, name in ipairs { "a", "b" } do names[index] = name:upper() end
    ]] .. rule [[ return later { at = workdays(DAYS), with = names[1] } ]])
  silent("a table of the body that a helper fills", [[
    local function fill(list) list[1] = "a" end
    ]] .. rule [[ local list = {} fill(list) return done(list[1]) ]])
end)

describe("check is silent of what stands outside of bodies", function()
  silent("an effect's kind and target in a variable of the file", 'local to_print = send.http "print"\n' .. rule([[
    return to_print { key = letter, json = { status = letter:details().status } } ]],
    'may = { "read:details", "send:print" },'))
  silent("a word that is required", 'local events = require "altinn.events"\n' .. rule [[
    return done(events.describe(event).name) ]])
  silent("a table that is called", rule [[
    local list = setmetatable({}, { __call = function() return nil end })
    for one in list do log(one) end
    return done() ]])
  silent("a function that makes bodies", [[
    local function to(target) return function(_, letter) return send.http(target) { key = letter } end end
    rule { name = "a", on = "correspondencepublished", run = to "print" } ]])
  silent("rules that a loop makes", [[
    for _, name in ipairs { "a", "b" } do
      rule { name = "to-" .. name, on = "correspondencepublished", run = function(_, letter)
        return send.http("print") { key = { letter, name } }
      end }
    end ]])
  silent("a function that is named before", "local tell\n" .. rule [[ return tell(letter) ]]
    .. "function tell(letter) return done(letter:details().status) end")
  silent("a rule of several kinds of things", [[
    rule { name = "a", on = { "correspondencepublished", "attachmentpublished" }, run = function(_, thing)
      if thing.kind == "attachment" then return done(tostring(#thing:letters())) end
      return done(thing:details().status)
    end }]])
  silent("a failure that becomes a wish", rule [[
    local ok, failure = pcall(function() return letter:overview() end)
    if not ok then return failure.code == "not_found" and skip("gone") or retry_after("1h", failure.message) end
    return done() ]])
end)
