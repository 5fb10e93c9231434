-- A site in nginx that is wrong, or open, says so at start or in its log; and tokens belong to whom they were made for.
local cjson = require "cjson"
local nginx = require "spec.support.nginx"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local script = require "spec.support.script"
local tokens = require "altinn.events.resty.tokens"

local HTTP = [[
  lua_shared_dict altinn_events 16m;
  init_by_lua_block { receive = require("altinn.events.resty").handler { dict = "altinn_events", %s } }
]]
local SERVER = "location /events { content_by_lua_block { receive() } }"

local one, server

after_each(function()
  for _, each in pairs { one or false, server or false } do
    if each then each:close() end
  end
  one, server = nil, nil
end)

describe("a site that is wrong", function()
  -- What nginx says when it does not start: options of the handler -> text.
  local WRONG = {
    { 'on_event = function() end, secret = ""', "handler's option 'secret': a text, or a list of texts, is wanted" },
    { 'on_event = function() end, secret = {}', "handler's option 'secret': a text, or a list of texts, is wanted" },
    { "on_event = function() end, max_bytes = '1m'", "handler's option 'max_bytes': bytes are wanted" },
    { "on_event = function() end, path = 'events'", "handler's option 'path': a path is wanted" },
    { "on_event = function() end, wait = -1", "handler's option 'wait': seconds are wanted" },
    { "on_event = function() end, targets = {}", "handler's option 'targets' is for rules" },
    { 'rules = "$FOLDER/rules", targets = { print = { ulr = "http://x" } }',
      "handler's option 'targets': print: unknown key 'ulr' (did you mean 'url'?)" },
    { 'rules = "$FOLDER/rules", targets = { print = { headers = {} } }', "print: has no url" },
    { 'rules = "$FOLDER/rules", targets = { print = { url = "print.example.no" } }',
      "print: url: must be an addr" },
    { 'rules = "$FOLDER/rules", targets = { print = { url = "http://x", headers = { ["A B"] = "x" } } }',
      "print: headers: has 'A B', which is no name" },
    { 'rules = "$FOLDER/rules", targets = { print = { mail = "smtps://m.no", from = "a@b.no" } }',
      "print: send.mail is for the host: nginx sends to targets with slack, teams, url" },
    { 'rules = "$FOLDER/rules", targets = { print = { folder = "/tmp" } }', "send.file is for the host" },
    { 'rules = "$FOLDER/rules", targets = { print = { command = { "true" } } }', "send.command is for the host" },
    { 'rules = "$FOLDER/rules", targets = { print = { url = "http://x", proxy = "http://p:1" } }',
      "print: proxy: nginx asks no proxy" },
    { 'rules = "$FOLDER/rules", targets = { pritn = { url = "http://x" } }',
      "may: there is no target 'print' in the handler's targets (did you mean 'pritn'?)" },
    { 'rules = "$FOLDER/rules", targets = { print = { url = "http://x" } }, client = { enviroment = "tt02" }',
      "handler's option 'client': unknown key 'enviroment' (did you mean 'environment'?)" },
    { 'rules = "$FOLDER/rules", targets = { print = { url = "http://x" } }, client = { environment = "tt02" }',
      "either token or credentials is wanted" },
    { 'rules = "$FOLDER/rules", targets = { print = { url = "http://x" } }, client = { environment = "tt02",'
      .. ' token = "t", ca_file = "x" }', "ca_file: nginx trusts what lua_ssl_trusted_certificate names" },
    { 'rules = "$FOLDER/rules", targets = { print = { url = "http://x" } }, client = { environment = "tt02",'
      .. ' credentials = { client_id = "c", kid = "k", scopes = "s", key_file = "$FOLDER/none.pem" } }',
      "handler's option 'client': credentials: " },
  }

  it("does not start, and says what is wrong", function()
    for _, case in ipairs(WRONG) do
      one = nginx.start { http = HTTP:format(case[1]), server = SERVER, may_fail = true, rules = {
        print = 'rule { name = "print", on = "*", may = { "send:print" }, run = function() end }' } }
      assert.is_truthy(one:wait_log(case[2]), case[2] .. "\n" .. one:log())
      assert.is_truthy(one.process:wait_exit(30), "nginx has started: " .. case[2])
      one:close()
    end
    one = nil
  end)

  it("nor with two handlers of one dict: what one is done with the other would never see", function()
    one = nginx.start { server = SERVER, may_fail = true, http = [[ lua_shared_dict altinn_events 16m;
      init_by_lua_block {
        local resty = require "altinn.events.resty"
        receive = resty.handler { dict = "altinn_events", on_event = function() end }
        other = resty.handler { dict = "altinn_events", on_event = function() end }
      }]] }
    assert.is_truthy(one:wait_log 'another handler has the shared dict altinn_events: give each its own,', one:log())
    assert.is_truthy(one.process:wait_exit(30), "nginx has started")
  end)

  it("is told of limits that nothing in nginx can hold", function()
    one = nginx.start { server = SERVER, http = HTTP:format 'rules = "$FOLDER/rules"', rules = {
      slow = 'rule { name = "slow", on = "*", limit = { seconds = 1 }, run = function() end }' } }
    assert.is_truthy(one:wait_log "rule=slow reason=\"its limit holds in the host, not in nginx")
  end)
end)

describe("a site without a secret", function()
  it("serves the loopback address only, and says what to set", function()
    one = nginx.start { http = HTTP:format "on_event = function() end", server = [[location /events {
      content_by_lua_block {
        local real = ngx.var
        if ngx.var.arg_from then
          ngx.var = setmetatable({}, { __index = function(_, name)
            return name == "server_addr" and real.arg_from or real[name]
          end })
        end
        pcall(receive)
        ngx.var = real
      } }]] }
    assert.are.equal(200, (one:post(sample.text())))
    assert.are.equal(200, (one:post(sample.text { id = "2" }, nil, "/events?from=unix:/run/x")))
    for _, address in ipairs { "192.0.2.1", "2001:db8::1", "1270.0.0.1" } do
      local status, headers, body = one:post(sample.text { id = "3" }, nil, "/events?from=" .. address)
      assert.are.same({ 503, "5" }, { status, headers["retry-after"] })
      assert.is_truthy(body:find("the webhook has no secret yet", 1, true))
    end
    assert.is_truthy(one:wait_log 'add \\"env WEBHOOK_SECRET;\\" to the top of nginx.conf', one:log())
  end)
end)

describe("signing in nginx", function()
  local MAPS = "7f0-7f1 r-xp 00000000 08:01 1 %s\n"

  it("is for an nginx that has OpenSSL 3 as a library", function()
    local function problem(path) return tokens.openssl_problem(MAPS:format(path) .. MAPS:format "/lib/libc.so.6") end
    assert.is_nil(problem "/usr/lib/x86_64-linux-gnu/libcrypto.so.3")
    assert.is_nil(problem "/usr/local/openresty/openssl3/lib/libcrypto.so.3")
    local older = problem "/usr/local/openresty/openssl/lib/libcrypto.so.1.1"
    assert.is_truthy(older:find("has OpenSSL as libcrypto.so.1.1", 1, true))
    assert.is_truthy(problem("/usr/sbin/nginx"):find("brings its own OpenSSL inside", 1, true))
    assert.is_truthy(problem("/usr/sbin/nginx"):find("give `token` as a function", 1, true))
  end)
end)

describe("tokens in nginx", function()
  -- A Maskinporten whose tokens say their number; sources by name, asked at /NAME.
  local function start(sources)
    local folder = process.folder()
    finally(function() process.remove(folder) end)
    assert(os.execute("openssl genrsa -out " .. folder .. "/key.pem 2048 2>/dev/null"))
    server = script.start()
    server:answer [[return { status = 200, headers = { ["Content-Type"] = "application/json" },
      body = '{"access_token":"token-number-' .. number .. '","token_type":"Bearer","expires_in":600}' }]]
    local texts = {}
    for name, options in pairs(sources) do
      texts[#texts + 1] = ([[sources[%q] = assert(resty.maskinporten { dict = "altinn_events", client_id = "c",
        kid = "k", key_file = "%s/key.pem", issuer = "%s/", exchange = false, %s })]])
      :format(name, folder, server.url, options)
    end
    one = nginx.start { http = [[ lua_shared_dict altinn_events 16m; init_by_lua_block {
      local resty = require "altinn.events.resty"
      sources = {} ]] .. table.concat(texts, "\n") .. "}", server = [[ location / { content_by_lua_block {
        local source = sources[ngx.var.uri:sub(2)]
        local text = ngx.var.arg_refused and tostring(source:invalidate(ngx.var.arg_refused)) or tostring((source()))
        ngx.header.content_length = #text
        ngx.print(text)
      } }]] }
  end

  local function ask(path) return (select(3, one:request { path = path })) end

  it("are one for one customer and set of scopes, and another for another", function()
    start { a = 'scopes = { "x:a", "x:b" }', same = 'scopes = "x:b x:a"', fewer = 'scopes = "x:a"',
      one = 'scopes = "x:a", system_user = { organisation = "987654321" }',
      two = 'scopes = "x:a", system_user = { organisation = "123456789" }' }
    local names = {}
    for _, name in ipairs { "a", "same", "fewer", "one", "two", "a", "same", "fewer", "one", "two" } do
      names[name] = names[name] or ask("/" .. name)
      assert.are.equal(names[name], ask("/" .. name))
    end
    assert.are.same({ a = "token-number-1", same = "token-number-1", fewer = "token-number-2", one = "token-number-3",
      two = "token-number-4" }, names)
  end)

  it("that were refused are not given by a worker that still remembers them", function()
    start { a = 'scopes = "x:a"', b = 'scopes = "x:a"' }  -- each has a memory of its own, as each worker has
    assert.are.equal("token-number-1", ask "/a")
    assert.are.equal("token-number-1", ask "/b")
    assert.are.equal("true", ask "/b?refused=token-number-1")
    assert.are.equal("token-number-2", ask "/a")
    assert.are.equal("token-number-2", ask "/b")
    assert.are.equal("true", ask "/a?refused=token-number-1")   -- there is another by now
    assert.are.equal("false", ask "/b?refused=token-number-2")  -- a new one does not help
    assert.are.equal(2, #server:requests())
  end)

  it("that cannot be had are not asked for by everybody, and the reason shows no key", function()
    start { a = 'scopes = "x:a"' }
    server:always(400, cjson.encode { error = "invalid_grant", error_description = "wrong" },
      "['Content-Type'] = 'application/json'")
    for _ = 1, 10 do assert.are.equal("nil", ask "/a") end
    assert.is_true(#server:requests() <= 2)  -- one by each worker
    assert.is_nil(one:log():find("assertion=", 1, true))
  end)
end)
