-- The configuration: defaults, the file, the environment, options.
local config = require "altinn.events.host.config"
local process = require "spec.support.process"
local wording = require "spec.support.wording"

local folder, variables
local getenv = os.getenv

before_each(function()
  folder, variables = process.folder(), {}
  os.getenv = function(name) return variables[name] end -- luacheck: ignore
end)
after_each(function()
  os.getenv = getenv -- luacheck: ignore
  process.remove(folder)
end)

local function file(text)
  local path = folder .. "/altinn-events.lua"
  process.write(path, text)
  return path
end

local function load(text, values)
  return config.load { config = text and file(text), values = values }
end

-- All problems as one text, without the folder.
local function problems_of(text, values)
  local made, problems = load(text, values)
  assert.is_nil(made)
  return (table.concat(problems, "\n"):gsub(folder:gsub("%p", "%%%0") .. "/", ""))
end

local says = wording.says

describe("a configuration that is not Lua", function()
  it("is told without what stands there, which may be a secret", function()
    local text = problems_of('return { secret = "0123456789abcdef,\n}')
    says(text, "unfinished string")
    assert.is_nil(text:find("0123456789", 1, true))
  end)
end)

describe("a slip in the configuration", function()
  it("is told: no return, two servers on one port", function()
    says(problems_of '{ listen = "127.0.0.1:8480" }', "return is missing before the table")
    says(problems_of '{ "listen": "127.0.0.1:8480" }', "this is JSON")
    for _, text in ipairs { 'admin = "127.0.0.1:8480"', 'admin = "localhost:8480"',
      'listen = "0.0.0.0:8481", secret = "0123456789abcdef"' } do
      says(problems_of(("return { %s }"):format(text)), "admin and listen are the same address")
    end
    assert(load 'return { listen = "127.0.0.1:0", admin = "127.0.0.1:0" }')
    assert(config.load { config = file 'return { listen = env "NOWHERE" }', needs = {} })
  end)

  it("is warned of: a variable that nothing reads, a key that is not there", function()
    process.write(folder .. "/variables", "export ALTINN_EVENTS_LISTEN=127.0.0.1:9000\nALTINN_EVENTS_LISTN=x\n"
      .. "ALTINN_EVENTS_TARGETS_PRINT_URL=https://x.no\nOTHER=1\n")
    local made = assert(config.load { env_file = folder .. "/variables",
      config = file 'return { credentials = { key_file = "/nowhere.pem" } }' })
    assert.are.equal("127.0.0.1:9000", made.listen)
    says(table.concat(made.warnings, "\n"),
      "there is no variable ALTINN_EVENTS_LISTN (did you mean 'ALTINN_EVENTS_LISTEN'?)",
      "credentials.key_file: /nowhere.pem: No such file or directory")
    assert.are.equal(2, #made.warnings)
    made = assert(config.load { config = file 'return { token = file "/nowhere", secret = env "NOWHERE" }',
      needs = {} })
    local remedies = {}
    for _, one in ipairs(config.findings(nil, made)) do remedies[one.message:match("^%l+")] = one.remedy end
    says(remedies.file, "as the user that it runs as")
    says(remedies.env, "--env-file FILE")
  end)
end)

describe("defaults", function()
  it("need no file", function()
    local made = assert(config.load {})
    assert.are.equal("127.0.0.1:8480", made.listen)
    assert.are.equal("127.0.0.1:8481", made.admin)
    assert.are.equal("altinn-events.db", made.inbox)
    assert.are.same({ "rules" }, made.rules)
    assert.are.same({}, made.secrets)
    assert.are.same({}, made.targets)
    assert.are.same({}, made.limits)
    assert.are.equal("logfmt", made.log.format)
    assert.is_nil(made.workers)
    assert.is_nil(made.file)
  end)

  it("are new with each load", function()
    assert(config.load {}).targets.mine = {}
    assert.is_nil(assert(config.load {}).targets.mine)
  end)
end)

describe("what comes before what:", function()
  local text = 'return { listen = "127.0.0.1:1", admin = "127.0.0.1:2", inbox = "file.db", workers = 3, secret = "f" }'

  it("the file before the defaults", function()
    local made = assert(load(text))
    assert.are.equal("127.0.0.1:1", made.listen)
    assert.are.equal("127.0.0.1:2", made.admin)
    assert.are.equal("file.db", made.inbox)
    assert.are.equal(3, made.workers)
    assert.are.same({ "f" }, made.secrets)
    assert.are.equal(folder .. "/altinn-events.lua", made.file)
  end)

  it("a variable before the file", function()
    variables = { ALTINN_EVENTS_LISTEN = "127.0.0.1:11", ALTINN_EVENTS_ADMIN = "127.0.0.1:12",
      ALTINN_EVENTS_INBOX = "env.db", ALTINN_EVENTS_WORKERS = "13", ALTINN_EVENTS_SECRET = "e" }
    local made = assert(load(text))
    assert.are.equal("127.0.0.1:11", made.listen)
    assert.are.equal("127.0.0.1:12", made.admin)
    assert.are.equal("env.db", made.inbox)
    assert.are.equal(13, made.workers)
    assert.are.same({ "e" }, made.secrets)
  end)

  it("an option before a variable", function()
    variables = { ALTINN_EVENTS_LISTEN = "127.0.0.1:11", ALTINN_EVENTS_INBOX = "env.db" }
    local made = assert(load(text, { listen = "127.0.0.1:21", rules = { "a", "b" }, workers = 23 }))
    assert.are.equal("127.0.0.1:21", made.listen)
    assert.are.equal("env.db", made.inbox)
    assert.are.equal(23, made.workers)
    assert.are.same({ "a", "b" }, made.rules)
  end)

  it("an empty variable counts as none", function()
    variables = { ALTINN_EVENTS_INBOX = "" }
    assert.are.equal("file.db", assert(load(text)).inbox)
  end)

  it("a wrong variable or option is refused as in the file", function()
    variables = { ALTINN_EVENTS_WORKERS = "many" }
    says(problems_of("return {}"), "workers must be a whole number from 1 to 64")
    variables = { ALTINN_EVENTS_LISTEN = "8480" }
    says(problems_of("return {}"), "listen must be HOST:PORT")
    variables = {}
    says(problems_of("return {}", { admin = "x" }), "admin must be HOST:PORT")
  end)

  it("the file may be named by a variable", function()
    variables = { ALTINN_EVENTS_CONFIG = file 'return { inbox = "named.db" }' }
    assert.are.equal("named.db", assert(config.load {}).inbox)
  end)
end)

describe("the file", function()
  it("takes one text where a list is meant, and lists", function()
    local made = assert(load 'return { rules = "mine", secret = "one" }')
    assert.are.same({ "mine" }, made.rules)
    assert.are.same({ "one" }, made.secrets)
    made = assert(load 'return { rules = { "a", "b" }, secret = { "new", "old" } }')
    assert.are.same({ "a", "b" }, made.rules)
    assert.are.same({ "new", "old" }, made.secrets)
  end)

  it("fetches secrets from the environment and from files", function()
    variables = { WEBHOOK_SECRET = "from-env" }
    process.write(folder .. "/token", "Bearer abc\n\n")
    local made = assert(load(([[return {
      secret = env "WEBHOOK_SECRET",
      targets = { print = { url = "https://print.example.no", timeout = 10,
        headers = { Authorization = file "%s/token" } } },
    }]]):format(folder)))
    assert.are.same({ "from-env" }, made.secrets)
    assert.are.equal("Bearer abc", made.targets.print.headers.Authorization)
    assert.are.equal(10, made.targets.print.timeout)
  end)

  it("tells the place of a variable or file that is missing", function()
    says(problems_of 'return {\n  secret = env "NOT_THERE",\n}', 'altinn-events.lua:2: env "NOT_THERE": ', "not set")
    says(problems_of 'return {\n\n  secret = file "/not/there",\n}',
      'altinn-events.lua:3: file "/not/there": No such file')
  end)

  it("tells the place of a mistake", function()
    says(problems_of 'return {\n  listen = "x"\n  admin = 1 }', "altinn-events.lua:3:", "expected",
      "is a comma missing before it?")
    says(problems_of "\nlocal x = ({}).there.there", "altinn-events.lua:2: attempt to index")
  end)

  it("must return a table", function()
    says(problems_of "local x = 1", "altinn-events.lua: the file must return a table")
    says(problems_of "return 5", "altinn-events.lua: the file must return a table")
  end)

  it("must be there when it is named", function()
    local made, problems = config.load { config = folder .. "/none.lua" }
    assert.is_nil(made)
    says(problems[1], "none.lua")
  end)

  it("is Lua with little in scope, and leaves nothing behind", function()
    assert(load 'string.leaked = 1 return { inbox = string.format("%s.db", tostring(1 + 1)) }')
    assert.is_nil(rawget(string, "leaked"))
    says(problems_of '\nlisten = "127.0.0.1:1"', "altinn-events.lua:2: listen = … stands outside of the table")
    says(problems_of 'io.open("x", "w") return {}', "altinn-events.lua:1:", "io")
    says(problems_of 'require "os" return {}', "altinn-events.lua:1:", "require")
  end)
end)

describe("keys", function()
  it("that nobody knows come with the nearest right one", function()
    says(problems_of 'return { lisen = "x" }', "altinn-events.lua: unknown key 'lisen' (did you mean 'listen'?)")
    says(problems_of "return { limits = { max_byte = 1 } }",
      "unknown key 'limits.max_byte' (did you mean 'max_bytes'?)")
    says(problems_of 'return { log = { fromat = "json" } }', "unknown key 'log.fromat' (did you mean 'format'?)")
    says(problems_of 'return { targets = { print = { ulr = "https://x.no" } } }',
      "unknown key 'targets.print.ulr' (did you mean 'url'?)", "targets.print has no url")
  end)

  it("of targets that are wrong are told in one order", function()
    local _, problems = config.load { config = file [[return { targets = { d = { url = "x" }, b = { url = "x" },
      a = { url = "x" }, c = { url = "x" }, e = { url = "x" } } }]] }
    local names = {}
    for index, problem in ipairs(problems) do names[index] = problem:match "targets%.(%a)" end
    assert.are.equal("abcde", table.concat(names))
  end)

  it("that are wrong are told all at once, each with its name", function()
    local _, problems = load 'return { listen = 5, inbox = {}, workers = 0, rules = "", colour = "red" }'
    assert.are.equal(5, #problems)
  end)

  it("listen and admin are addresses", function()
    for _, address in ipairs { "127.0.0.1:0", "[::1]:8480", "localhost:80", "127.0.0.2:65535" } do
      assert.are.equal(address, assert(load(("return { listen = %q }"):format(address))).listen)
      assert.are.equal(address, assert(load(("return { listen = '127.0.0.1:0', admin = %q }"):format(address))).admin)
    end
    for _, address in ipairs { '"8480"', '"127.0.0.1"', '"127.0.0.1:x"', '"127.0.0.1:65536"', '":8480"', '"::1:80"',
      '"http://127.0.0.1:80"', "8480", '""' } do
      says(problems_of(("return { listen = %s }"):format(address)), "listen must be HOST:PORT")
      says(problems_of(("return { admin = %s }"):format(address)), "admin must be HOST:PORT")
    end
    assert.is_false(assert(load "return { admin = false }").admin)
    says(problems_of "return { listen = false }", "listen must be HOST:PORT")
  end)

  it("an address has two parts", function()
    assert.are.same({ "127.0.0.1", 8480 }, config.address "127.0.0.1:8480")
    assert.are.same({ "::1", 0 }, config.address "[::1]:0")
    assert.are.same({ "127.0.0.1", 80 }, config.address "localhost:80")
  end)

  it("a secret is part of an address", function()
    says(problems_of 'return { secret = "a/b" }', "secret must be of letters, digits and -_.~")
    says(problems_of 'return { secret = { "fine", "two words" } }', "secret must be of letters")
    says(problems_of 'return { secret = "" }', "secret must be a text")
    says(problems_of "return { secret = {} }", "secret must be a text")
    says(problems_of 'return { secret = { "fine", 5 } }', "secret must be a text")
  end)

  it("a target is in one place, and has the keys of that", function()
    says(problems_of 'return { targets = { p = { timeout = 5 } } }', "targets.p has no url")
    says(problems_of 'return { targets = { p = { url = "https://x.no", slack = "https://y.no" } } }',
      "targets.p has slack and url: a target is in one place")
    says(problems_of 'return { targets = { p = { slack = "https://x.no", origin = "u" } } }',
      "targets.p.origin is for targets with url, and this one has slack")
    says(problems_of 'return { targets = { p = { url = "https://x.no", token = { url = "http://x.no" } } } }',
      "targets.p.token.url must begin with https://")
    says(problems_of 'return { targets = { p = { url = "https://x.no", token = { clientid = "x" } } } }',
      "unknown key 'targets.p.token.clientid' (did you mean 'client_id'?)")
    says(problems_of 'return { targets = { p = { url = "https://x.no", proxy = "http://u:p@x.no/a" } } }',
      "targets.p.proxy must be the address of a proxy")
  end)

  it("a target has an address, headers and a timeout", function()
    says(problems_of 'return { targets = "x" }', "targets must be a table of targets by name")
    says(problems_of 'return { targets = { print = "https://x.no" } }', "targets.print must be a table with a url")
    for _, url in ipairs { '"print.example.no"', '"ftp://x.no"', '"https://"', '"https://x.no/a b"', "5",
      '"https://x.no/\\n"' } do
      says(problems_of(("return { targets = { print = { url = %s } } }"):format(url)),
        "targets.print.url must be an address that begins with https:// or http://")
    end
    says(problems_of 'return { targets = { a = { url = "https://x.no", headers = { "x" } } } }',
      "targets.a.headers must hold texts by name")
    says(problems_of 'return { targets = { a = { url = "https://x.no", timeout = "10s" } } }',
      "targets.a.timeout must be a whole number from 1 to 3600")
  end)

  it("limits and log have bounds", function()
    local made = assert(load 'return { limits = { max_bytes = 65536, deadline = 5 }, log = { format = "json" } }')
    assert.are.same({ max_bytes = 65536, deadline = 5 }, made.limits)
    assert.are.equal("json", made.log.format)
    says(problems_of "return { limits = { max_bytes = 1 } }", "limits.max_bytes must be a whole number from 1024")
    says(problems_of "return { limits = { deadline = 1.5 } }", "limits.deadline must be a whole number")
    says(problems_of 'return { log = { format = "xml" } }', 'log.format must be "logfmt" or "json"')
    says(problems_of 'return { log = "json" }', "log must be a table, not a string: { format = … }")
    says(problems_of "return { workers = 65 }", "workers must be a whole number from 1 to 64")
  end)
end)

describe("Altinn's side", function()
  it("has its keys", function()
    local made = assert(load [[return {
      environment = "tt02", endpoint = "https://hooks.example.no/events", secret = "0123456789abcdef",
      resources = "acme-letters", narrow = true,
      credentials = { client_id = "abc", key_file = "/key.pem", passphrase = "", kid = "k", scopes = { "a", "b" },
        system_user = { organisation = "987654321", reference = "r" }, issuer = "https://x.no/",
        token_url = "https://x.no/token", timeout = 10, exchange = true },
    }]])
    assert.are.equal("tt02", made.environment)
    assert.are.same({ "acme-letters" }, made.resources)
    assert.are.equal("987654321", made.credentials.system_user.organisation)
    assert.are.same({}, assert(load "return {}").resources)
  end)

  it("has the agency's own holidays", function()
    assert.are.same({ "2026-12-24", "2028-02-29" },
      assert(load 'return { holidays = { "2026-12-24", "2028-02-29" } }').holidays)
    variables = { ALTINN_EVENTS_HOLIDAYS = "2026-12-24, 2026-12-31" }
    assert.are.same({ "2026-12-24", "2026-12-31" }, assert(load "return {}").holidays)
    variables = {}
    for _, one in ipairs { "2026-02-29", "24.12.2026", "2026-12-24 " } do
      says(problems_of(('return { holidays = { "2026-12-31", "%s" } }'):format(one)),
        ("holidays has '%s', which is no date: write it like 2026-12-24"):format(one))
    end
    says(problems_of "return { holidays = { 20261224 } }", "holidays has '20261224', which is no date")
    says(problems_of 'return { holidays = "2026-12-24" }', "holidays must be a list of dates")
    says(problems_of 'return { holidays = { ["2026-12-24"] = true } }', "holidays must be a list of dates")
    says(problems_of 'return { holidays = { "2026-12-24", nil, "2026-12-31" } }',
      "holidays must be a list of dates: place 2 of its list is nil")
  end)

  it("has checks for each of them", function()
    says(problems_of 'return { environment = "prod" }', "environment must be one of production, tt02")
    says(problems_of 'return { environment = "tt01" }', "(did you mean 'tt02'?)")
    says(problems_of 'return { base_url = "platform.altinn.no" }', "base_url must be an address")
    for _, endpoint in ipairs { '"hooks.example.no"', '"https://x.no/{other}"', '"https://x.no/{secret}/{secret}"',
      '"https://x.no/#a"', "5", '"https://"' } do
      says(problems_of(("return { endpoint = %s }"):format(endpoint)), "endpoint must be the public https:// address")
    end
    assert(load 'return { endpoint = "https://x.no/in?code={secret}", secret = "s" }')
    says(problems_of 'return { resources = { "" } }', "resources must be a text or a list of texts")
    says(problems_of 'return { resources = { "a", nil, "b" } }', "list of texts: place 2 of its list is nil")
    says(problems_of 'return { narrow = "yes" }', "narrow must be a boolean (true or false)")
    says(problems_of "return { narrow = yes }", "altinn-events.lua:1: yes is no value: write true or false")
    says(problems_of "return { token = 5 }", "token must be a text that is not empty")
    says(problems_of 'return { credentials = "abc" }', "credentials must be a table")
    says(problems_of 'return { credentials = { cleint_id = "abc", scopes = 5, system_user = { org = "1" } } }',
      "unknown key 'credentials.cleint_id' (did you mean 'client_id'?)", "credentials.scopes must be a text",
      "unknown key 'credentials.system_user.org'")
  end)

  it("never prints a credential", function()
    local text = problems_of [[return { token = { "hunter2" }, credentials = { key = { "hunter2" },
      passphrase = { "hunter2" }, kid = "", certificate = { "hunter2" } } }]]
    assert.is_nil(text:find("hunter2", 1, true))
  end)

  it("knows one Altinn, and one way to a token", function()
    says(problems_of 'return { environment = "tt02", base_url = "https://x.no" }',
      "environment and base_url exclude each other")
    says(problems_of 'return { token = "a", credentials = {} }', "credentials and token exclude each other")
    variables = { ALTINN_EVENTS_BASE_URL = "http://127.0.0.1:1", ALTINN_EVENTS_TOKEN = "t",
      ALTINN_EVENTS_ENDPOINT = "https://y.no/events" }
    local made = assert(load [[return { environment = "tt02", endpoint = "https://x.no/events", secret = "s",
      credentials = { client_id = "abc" } }]])
    assert.are.same({ "http://127.0.0.1:1", "t", "https://y.no/events" }, { made.base_url, made.token, made.endpoint })
    assert.is_nil(made.environment)
    assert.is_nil(made.credentials)
    variables.ALTINN_EVENTS_SECRET = "s"
    made = assert(load("return {}", { environment = "production" }))
    assert.are.equal("production", made.environment)
    assert.is_nil(made.base_url)
  end)
end)

describe("without a secret", function()
  it("the host listens on the loopback address only", function()
    for _, address in ipairs { "0.0.0.0:8480", "192.0.2.1:80", "[::]:8480", "example.no:80", "127.example.no:80" } do
      says(problems_of(("return { listen = %q }"):format(address)),
        ("listen %s: without a secret the host listens on the loopback address only"):format(address))
    end
    for _, address in ipairs { "127.0.0.1:0", "127.0.0.53:1", "[::1]:1", "localhost:1" } do
      assert(load(("return { listen = %q }"):format(address)))
    end
  end)

  it("and with one anywhere", function()
    assert(load 'return { listen = "0.0.0.0:8480", secret = "s" }')
    variables = { ALTINN_EVENTS_SECRET = "s" }
    assert(load 'return { listen = "0.0.0.0:8480" }')
    variables = {}
    assert(load('return { listen = "0.0.0.0:8480" }', { secret = "s" }))
  end)
end)

describe("without a secret, an endpoint that everybody reaches", function()
  it("is refused", function()
    for _, endpoint in ipairs { "https://hooks.example.no/in", "https://me@hooks.example.no", "http://10.0.0.1/x" } do
      says(problems_of(("return { endpoint = %q }"):format(endpoint)), "endpoint: without a secret everybody could")
    end
    assert(load 'return { endpoint = "http://127.0.0.1:8480/events" }')
    assert(load 'return { endpoint = "https://localhost/events" }')
    assert(load 'return { endpoint = "https://x.no/events", secret = "s" }')
  end)

  it("is refused when it holds the secret already, which is not printed", function()
    local SECRET = "0123456789abcdef0123"
    for _, rest in ipairs { "/events/" .. SECRET, "/" .. SECRET .. "/{secret}", "/events?key=" .. SECRET,
      "/events/%30" .. SECRET:sub(2), "/events/second" } do
      local text = problems_of(("return { endpoint = 'https://hooks.example.no%s', secret = { %q, 'second' } }")
        :format(rest, SECRET))
      says(text, "endpoint: it holds the secret already; leave the secret out", "{secret}")
      assert.is_nil(text:find(SECRET, 1, true))
    end
    assert(load(("return { endpoint = 'https://events.example.no/in', secret = { %q, 'events' } }"):format(SECRET)))
    assert(load(("return { endpoint = 'https://x.no/events/{secret}/in', secret = %q }"):format(SECRET)))
  end)

  it("is refused when Altinn would refuse it", function()
    for _, one in ipairs { "tt02", "production" } do
      says(problems_of(("return { environment = %q, endpoint = 'http://x.no/events', secret = 'secret' }"):format(one)),
        "endpoint: must begin with https://; Altinn refuses anything else")
    end
    assert(load "return { environment = 'tt02', endpoint = 'https://x.no/events', secret = 'secret' }")
    assert(load "return { base_url = 'http://127.0.0.1:1', endpoint = 'http://x.no/events', secret = 'secret' }")
  end)

  it("warns of a secret that can be guessed", function()
    local made = assert(load 'return { secret = { "short", "0123456789abcdef" } }')
    assert.are.equal(1, #made.warnings)
    says(made.warnings[1], "the secret is short")
    assert.are.same({}, assert(load 'return { secret = "0123456789abcdef" }').warnings)
    for _, warning in ipairs(made.warnings) do assert.is_nil(warning:find('"short"', 1, true)) end
  end)
end)

describe("a name that nothing defines in the configuration", function()
  it("is told with its line, and is not printed: it may be a secret without quotation marks", function()
    local text = problems_of "return {\n  secret = s3cretWithoutQuotes,\n}"
    says(text, "altinn-events.lua:2: a word that is not defined: texts stand in quotation marks")
    assert.is_nil(text:find("s3cret", 1, true))
    says(problems_of 'return { targets = tragets }', "altinn-events.lua:1: a word that is not defined")
    says(problems_of 'return { secret = evn "X" }', "'evn' is not defined (did you mean 'env'?)")
    says(problems_of 'return { secret = os.getenv "X" }', 'altinn-events.lua:1: os is not here: env "NAME" gives')
  end)

  it("nothing that stands in the file is told", function()
    for _, wrong in ipairs { 'return { secret = "hunter2" & 1 }', 'local x = "hunter2" return { secret = x.y.z }',
      'return { secret = "hunter2', 'return { secret = env "hunter2hunter2hunter2" }',
      'return { secret = file "hunter2hunter2" }', 'return { secret = env "HUNTER2HUNTER2HUNTER2HUNTER2" }' } do
      local text = problems_of(wrong)
      assert.is_nil(text:lower():find("hunter2", 1, true), text)
      says(text, "altinn-events.lua:1: ")
    end
  end)
end)

describe("another language than Lua", function()
  it("is named", function()
    for text, language in pairs { ['{ "listen": "127.0.0.1:1" }'] = "JSON", ["listen: 127.0.0.1:1\ninbox: x"] = "YAML",
      ["---\nlisten: 1"] = "YAML", ["# one\n[host]\nlisten = 1"] = "an INI or TOML file" } do
      says(problems_of(text), ("this is %s, and the configuration is Lua: return { listen ="):format(language))
    end
    assert(load "\239\187\191return { listen = '127.0.0.1:1' }")
  end)
end)

describe("a secret that this user cannot read", function()
  local text = [[return {
    secret = { env "WEBHOOK_SECRET", "0123456789abcdef" }, credentials = { client_id = "a", key = file "/not/there" },
    targets = { print = { url = "https://x.no", headers = { Authorization = "Bearer " .. env "PRINT_TOKEN" } } },
    endpoint = "https://x.no/events",
  }]]

  local function needing(...)
    return config.load { config = file(text), needs = { ... } }
  end

  it("is no hindrance for what does not need it", function()
    local made = assert(needing())
    assert.are.same({ "0123456789abcdef" }, made.secrets)
    assert.are.same({}, made.targets.print.headers)
    local said = {}
    for index, one in ipairs(made.missing) do said[index] = one.message:match("[^/]*$") end
    assert.are.equal(3, #said)
    assert(config.load { config = file 'return { endpoint = "https://x.no", secret = env "NONE" }', needs = {} })
  end)

  it("is told, with file and line, for what does", function()
    local made, problems = needing("secret", "credentials")
    assert.is_nil(made)
    table.sort(problems)
    assert.are.equal(2, #problems)
    says(problems[1], 'altinn-events.lua:2: env "WEBHOOK_SECRET": this variable is not set: export it, or name the file'
      .. " of variables by --env-file")
    says(problems[2], 'altinn-events.lua:2: file "/not/there": No such file')
    says(problems_of(text), 'altinn-events.lua:3: env "PRINT_TOKEN"')
  end)

  it("comes from a file of variables, as systemd reads it", function()
    process.write(folder .. "/env",
      '# a comment\n\nWEBHOOK_SECRET=abc\nPRINT_TOKEN="Bearer \\"x\\" y"\nOTHER=\'a b\'\n')
    local made = assert(config.load { config = file [[return { secret = env "WEBHOOK_SECRET", inbox = env "OTHER",
      targets = { p = { url = "https://x.no", headers = { A = env "PRINT_TOKEN" } } } }]],
      env_file = folder .. "/env" })
    assert.are.same({ "abc" }, made.secrets)
    assert.are.equal('Bearer "x" y', made.targets.p.headers.A)
    assert.are.equal("a b", made.inbox)
    process.write(folder .. "/env", "A=1\nno variable\n")
    local _, problems = config.load { env_file = folder .. "/env" }
    says(problems[1], "/env:2: a line is NAME=VALUE")
    _, problems = config.load { env_file = folder .. "/none" }
    says(problems[1], "No such file")
  end)
end)

describe("variables", function()
  it("give every value but headers", function()
    variables = { ALTINN_EVENTS_RULES = "a, b", ALTINN_EVENTS_LIMITS_MAX_BYTES = "2048",
      ALTINN_EVENTS_LOG_FORMAT = "json", ALTINN_EVENTS_NARROW = "true", ALTINN_EVENTS_CREDENTIALS_CLIENT_ID = "id",
      ALTINN_EVENTS_CREDENTIALS_SCOPES = "one,two", ALTINN_EVENTS_CREDENTIALS_SYSTEM_USER_ORGANISATION = "1",
      ALTINN_EVENTS_TARGETS_PRINT_OUT_URL = "https://y.no", ALTINN_EVENTS_TARGETS_PRINT_OUT_TIMEOUT = "5" }
    local made = assert(load [[return { limits = { deadline = 7 }, credentials = { kid = "k" },
      targets = { ["print-out"] = { url = "https://x.no", headers = { A = "b" } } } }]])
    assert.are.same({ "a", "b" }, made.rules)
    assert.are.same({ deadline = 7, max_bytes = 2048 }, made.limits)
    assert.are.equal("json", made.log.format)
    assert.is_true(made.narrow)
    assert.are.same({ client_id = "id", kid = "k", scopes = { "one", "two" }, system_user = { organisation = "1" } },
      made.credentials)
    assert.are.same({ url = "https://y.no", timeout = 5, headers = { A = "b" } }, made.targets["print-out"])
    variables = { ALTINN_EVENTS_NARROW = "perhaps" }
    says(problems_of "return {}", "narrow must be a boolean")
  end)
end)

describe("values that would be found out too late", function()
  it("are refused: inboxes that are no files, headers that are none, folders in place of files", function()
    for _, name in ipairs { "", ":memory:", "a\\0b" } do
      says(problems_of(('return { inbox = "%s" }'):format(name)), "inbox must be the name of a file")
    end
    says(problems_of('return { targets = { p = { url = "http://x", headers = { ["A B"] = "x" } } } }'),
      "targets.p.headers has 'A B', which is no name of a header")
    says(problems_of('return { targets = { p = { url = "https://x.no/#part" } } }'), "targets.p.url holds a '#'")
    says(problems_of("return { limits = { max_body = 1 } }"), "unknown key 'limits.max_body'")
    says(problems_of("return { limits = { speed = 1 } }"),
      "(there are: at_once, connections, deadline, instructions, max_bytes, memory, seconds)")
    says(problems_of('return { targets = { p = { url = "http://x", headers = { A = "x\\ny" } } } }'),
      "targets.p.headers A holds a control character")
    says(problems_of('return { secret = file "." }'), 'altinn-events.lua:1: file ".": Is a directory')
    says(problems_of("\27Lua"), "altinn-events.lua: ")
  end)
end)
