-- The kinds of effects that work over cosockets in nginx: CloudEvents with their handshake, Slack, Teams, and tokens.
local cjson = require "cjson"
local nginx = require "spec.support.nginx"
local sample = require "spec.support.sample"
local script = require "spec.support.script"

local one, server

before_each(function() server = script.start() end)

after_each(function()
  if one then one:close() end
  server:close()
  one = nil
end)

local function start(targets, rule)
  one = nginx.start { workers = 1, rules = { one = rule },
    server = "location /events { content_by_lua_block { receive() } }",
    http = ([[lua_shared_dict altinn_events 16m;
      init_by_lua_block { receive = require("altinn.events.resty").handler { dict = "altinn_events",
        rules = "$FOLDER/rules", targets = { %s } } }]]):format((targets:gsub("URL", server.url))) }
end

local function post(id)
  return one:post(sample.text { id = id, resourceinstance = "letter-" .. id })
end

describe("nginx", function()
  it("sends CloudEvents after the handshake, and messages to Slack and Teams", function()
    server:answer [[
      if request.method == "OPTIONS" then
        return { status = 200, headers = { ["WebHook-Allowed-Origin"] = "a.example" } }
      end
      return { status = 202 }]]
    start('hook = { url = "URL/hook", origin = "a.example" }, slack = { slack = "URL/s" }, teams = { teams = "URL/t" }',
      [[rule { name = "one", on = "*", run = function(event)
        return { send.cloudevent("hook") { mode = "binary" }, send.slack("slack") { text = "<hei>" },
          send.teams("teams") { title = "hei" } } end }]])
    assert.are.equal(200, (post "a"))
    assert.are.equal(200, (post "b"))
    local seen = {}
    for index, request in ipairs(server:requests()) do
      seen[index] = request.method .. " " .. request.path .. " " .. (request.headers["ce-id"] or "")
    end
    assert.are.same({ "OPTIONS /hook ", "POST /hook a", "POST /s ", "POST /t ", "POST /hook b", "POST /s ",
      "POST /t " }, seen)
    assert.are.equal("&lt;hei&gt;", cjson.decode(server:requests()[3].body).text)
  end)

  it("fetches a target's token, once", function()
    server:answer [[
      if request.path == "/token" then
        return { status = 200, body = '{"access_token":"a-token","expires_in":3600}' }
      end
      return { status = request.headers.authorization == "Bearer a-token" and 200 or 401 }]]
    start('work = { url = "URL/work", token = { url = "URL/token", client_id = "c", client_secret = "s" } }',
      [[rule { name = "one", on = "*", run = function() return send.http("work") { json = {} } end }]])
    assert.are.equal(200, (post "a"))
    assert.are.equal(200, (post "b"))
    local paths = {}
    for index, request in ipairs(server:requests()) do paths[index] = request.path end
    assert.are.same({ "/token", "/work", "/work" }, paths)
  end)
end)
