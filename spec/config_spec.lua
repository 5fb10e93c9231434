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
    says(problems_of 'return {\n  listen = "x"\n  admin = 1 }', "altinn-events.lua:3:", "expected")
    says(problems_of "\nlocal x = nothing.there", "altinn-events.lua:2: attempt to index")
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
    assert(load 'leaked = 1 return { inbox = string.format("%s.db", tostring(1 + 1)) }')
    assert.is_nil(rawget(_G, "leaked"))
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
      "unknown key 'targets.print.ulr' (did you mean 'url'?)", "targets.print.url is missing")
  end)

  it("that are wrong are told all at once, each with its name", function()
    local _, problems = load 'return { listen = 5, inbox = {}, workers = 0, rules = "", colour = "red" }'
    assert.are.equal(5, #problems)
  end)

  it("listen and admin are addresses", function()
    for _, address in ipairs { "127.0.0.1:0", "[::1]:8480", "localhost:80", "127.0.0.2:65535" } do
      assert.are.equal(address, assert(load(("return { listen = %q, admin = %q }"):format(address, address))).listen)
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
    says(problems_of 'return { log = "json" }', "log must be a table, not a string")
    says(problems_of "return { workers = 65 }", "workers must be a whole number from 1 to 64")
  end)
end)

describe("Altinn's side", function()
  it("has its keys", function()
    local made = assert(load [[return {
      environment = "tt02", endpoint = "https://hooks.example.no/events", resources = "acme-letters", narrow = true,
      credentials = { client_id = "abc", key_file = "/key.pem", passphrase = "", kid = "k", scopes = { "a", "b" },
        system_user = { organisation = "987654321", reference = "r" }, issuer = "https://x.no/",
        token_url = "https://x.no/token", timeout = 10, exchange = true },
    }]])
    assert.are.equal("tt02", made.environment)
    assert.are.same({ "acme-letters" }, made.resources)
    assert.are.equal("987654321", made.credentials.system_user.organisation)
    assert.are.same({}, assert(load "return {}").resources)
  end)

  it("has checks for each of them", function()
    says(problems_of 'return { environment = "prod" }', "environment must be one of production, tt02")
    says(problems_of 'return { environment = "tt01" }', "(did you mean 'tt02'?)")
    says(problems_of 'return { base_url = "platform.altinn.no" }', "base_url must be an address")
    for _, endpoint in ipairs { '"hooks.example.no"', '"https://x.no/{other}"', '"https://x.no/{secret}/{secret}"',
      '"https://x.no/#a"', "5", '"https://"' } do
      says(problems_of(("return { endpoint = %s }"):format(endpoint)), "endpoint must be the public https:// address")
    end
    assert(load 'return { endpoint = "https://x.no/in?code={secret}" }')
    says(problems_of 'return { resources = { "" } }', "resources must be a text or a list of texts")
    says(problems_of 'return { narrow = "yes" }', "narrow must be a boolean")
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
    local made = assert(load [[return { environment = "tt02", endpoint = "https://x.no/events",
      credentials = { client_id = "abc" } }]])
    assert.are.same({ "http://127.0.0.1:1", "t", "https://y.no/events" }, { made.base_url, made.token, made.endpoint })
    assert.is_nil(made.environment)
    assert.is_nil(made.credentials)
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

describe("values that would be found out too late", function()
  it("are refused: inboxes that are no files, headers that are none, folders in place of files", function()
    for _, name in ipairs { "", ":memory:", "a\\0b" } do
      says(problems_of(('return { inbox = "%s" }'):format(name)), "inbox must be the name of a file")
    end
    says(problems_of('return { targets = { p = { url = "http://x", headers = { ["A B"] = "x" } } } }'),
      "targets.p.headers has 'A B', which is no name of a header")
    says(problems_of('return { targets = { p = { url = "http://x", headers = { A = "x\\ny" } } } }'),
      "targets.p.headers A holds a control character")
    says(problems_of('return { secret = file "." }'), 'altinn-events.lua:1: file ".": Is a directory')
    says(problems_of("\27Lua"), "altinn-events.lua: ")
  end)
end)
