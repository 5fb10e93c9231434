-- The peers over HTTP: nginx that answers 200 and does nothing, and nginx
-- with Lua in front of Redis. And the same for our own: each gives a server
-- { port=, cpu=function, close }.
local lib = require "spec.bench.lib"
local machine = require "spec.bench.machine"
local process = require "spec.bench.process"
local program = require "spec.bench.program"
local socket = require "socket"

local M = {}

local NGINX = [[
%s
worker_processes 1; daemon off; pid nginx.pid; error_log stderr error;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000000; client_body_buffer_size 64k;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  %s
  server { listen 127.0.0.1:%d; location / { %s } }
}
]]

local LUA_MODULES = { "ndk_http_module.so", "ngx_http_lua_module.so" }
local MODULE_FOLDERS = { "/usr/lib/nginx/modules/", "/usr/lib64/nginx/modules/", "/usr/share/nginx/modules/" }

-- Servers together: ended in the opposite order; what they stored goes too.
local Servers = {}
Servers.__index = Servers

function Servers:cpu()
  local sum = 0
  for _, server in ipairs(self) do sum = sum + server:cpu() end
  return sum
end

function Servers:close()
  for i = #self, 1, -1 do self[i]:stop() end
  if self.folder then os.execute("rm -rf " .. self.folder) end
end

Servers.__close = Servers.close

local function servers(port, list)
  list.port = port
  return setmetatable(list, Servers)
end

local function answers(port)
  local client = socket.connect("127.0.0.1", port)
  if client then client:close() end
  return client ~= nil
end

local function absolute(path) return lib.capture("realpath -m " .. lib.quote(path)):gsub("%s+$", "") end

-- `list` gets the nginx, also when it does not come up.
local function start_nginx(list, name, top, http, location, whose)
  local folder = lib.folder .. "/" .. name
  assert(os.execute("mkdir -p " .. folder))
  if lib.try "id -u" == "0" then top = top .. " user root;" end
  list.port = lib.free_port()
  lib.write(folder .. "/nginx.conf", NGINX:format(top, http, list.port, location))
  local words = ("nginx -p %s/ -c nginx.conf -e stderr"):format(lib.quote(absolute(folder)))
  list[#list + 1] = process.start(name, machine.pin(whose) .. "env PATH=\"$PATH:/usr/sbin\" " .. words)
  list[#list]:ready(10, function() return answers(list.port) end)
end

-- Starts servers into a list; all of them end when one does not come up.
local function together(start)
  local list = servers(nil, {})
  local ok, message = pcall(start, list)
  if ok then return list end
  list:close()
  error(message, 0)
end

--- nginx `return 200`.
function M.nginx(whose)
  return together(function(list) start_nginx(list, "nginx-" .. whose, "", "", "return 200;", whose) end)
end

local function lua_modules()
  for _, folder in ipairs(MODULE_FOLDERS) do
    local lines = {}
    for i, name in ipairs(LUA_MODULES) do
      if lib.read(folder .. name) then lines[i] = ("load_module %s%s;"):format(folder, name) end
    end
    if #lines == #LUA_MODULES then return table.concat(lines, " ") end
  end
  return nil
end

--- The packages that the Redis peer lacks here, or nil.
function M.redis_missing()
  local list = {}
  if not lua_modules() then list[#list + 1] = "libnginx-mod-http-lua" end
  if not machine.has "redis-server" then list[#list + 1] = "redis-server" end
  return #list > 0 and table.concat(list, " ") or nil
end

local REDIS = "redis-server --port 0 --dir %s --unixsocket redis.sock --save '' --appendonly yes --appendfsync always"
  .. " --auto-aof-rewrite-percentage 0 --daemonize no"

local REDIS_PEER = [[lua_package_path "%s";
  init_by_lua_block { peer = require "redis_peer"; peer.socket = "%s/redis.sock" }]]

--- nginx with Lua, and Redis that is durable before it answers.
function M.redis(whose)
  local folder = lib.folder .. "/redis"
  assert(os.execute(("rm -rf %s && mkdir -p %s"):format(folder, folder)))
  return together(function(list)
    list.folder = folder
    list[1] = process.start("redis-server", machine.pin(whose) .. REDIS:format(folder))
    list[1]:ready(10, function() return lib.try(("test -S %s/redis.sock && echo yes"):format(folder)) end)
    local path = absolute "spec/bench" .. "/?.lua;/usr/share/lua/5.1/?.lua;;"
    local http = REDIS_PEER:format(path, absolute(folder))
    start_nginx(list, "nginx-redis", lua_modules(), http, "content_by_lua_block { peer.receive() }", whose)
  end)
end

-- What the same handler is that people write: read, decode, check, known?
local LUA_PEER = [[lua_package_path "%s"; lua_shared_dict seen 64m; init_by_lua_block {
    local cjson, validate = require "cjson.safe", require "validate"
    function receive()
      ngx.req.read_body()
      local body = ngx.req.get_body_data()
      local event = body and cjson.decode(body)
      ngx.header.content_length = 0
      if not event or not validate(event) then return ngx.exit(400) end
      local added, why = ngx.shared.seen:add(event.source .. " " .. event.id, true, 604800)
      return ngx.exit((added or why == "exists") and 200 or 503)
    end }]]

local OUR_HANDLER = [[lua_package_path "%s"; lua_package_cpath "%s"; lua_shared_dict seen 64m; init_by_lua_block {
    receive = require("altinn.events.resty").handler { dict = "seen", secret = "a-long-secret",
      on_event = function() end } }]]

--- The packages that nginx with Lua lacks here, or nil.
function M.lua_missing() return not lua_modules() and "libnginx-mod-http-lua" or nil end

--- nginx with Lua: a handler of cjson and checks in Lua, or (`ours`) ours.
---@param whose string cores: see machine.pin
---@param ours boolean
function M.handler(whose, ours)
  return together(function(list)
    local path, http = "/usr/share/lua/5.1/?.lua;;"
    if ours then
      http = OUR_HANDLER:format(absolute "lua" .. "/?.lua;" .. path, absolute "build/luajit" .. "/?.so;;")
    else
      http = LUA_PEER:format(absolute "spec/bench" .. "/?.lua;" .. path)
    end
    start_nginx(list, ours and "nginx-ours" or "nginx-lua", lua_modules(), http, "content_by_lua_block { receive() }",
      whose)
    list.path = "/events/a-long-secret"
  end)
end

--- The receiver that judges and stores nothing.
function M.judge(whose)
  local binary = program.compile("judge",
    { sources = "judge.c", rooms = "core http inbox host", libraries = program.HOST_LIBRARIES })
  return together(function(list)
    list[1] = process.start("judge", machine.pin(whose) .. binary)
    list.port = list[1]:ready(10, function(self) return tonumber(self:output():match("port=(%d+)")) end)
    list.path = "/events"
  end)
end

--- The real host with an inbox of its own and one rule.
---@param whose string cores: see machine.pin
---@param name string of its folder
---@param rule string the text of a rule file
---@param words string|nil more of the command line
function M.host(whose, name, rule, words)
  local folder = lib.folder .. "/" .. name
  assert(os.execute(("rm -rf %s && mkdir -p %s/rules"):format(folder, folder)))
  lib.write(folder .. "/rules/rule.lua", rule)
  lib.write(folder .. "/altinn-events.lua", "return {}\n")
  local command = ("altinn-events run %s/rules --config %s/altinn-events.lua --inbox %s/inbox.db %s"):format(folder,
    folder, folder, words or "") .. " --listen 127.0.0.1:0 --admin 127.0.0.1:0"
  return together(function(list)
    list.folder = folder
    list[1] = process.start(name, machine.pin(whose) .. command)
    list.port, list.admin = table.unpack(list[1]:ready(20, function(self)
      local port, admin = self:errors():match("address=%S-:(%d+) admin=%S-:(%d+)")
      return port and { tonumber(port), tonumber(admin) }
    end))
    list.path = "/events"
  end)
end

return M
