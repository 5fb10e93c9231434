-- An nginx of a spec, with its Lua module, on a port of its own.
local http = require "spec.support.http"
local process = require "spec.support.process"
local socket = require "socket"

local M = {}

local Nginx = {}
Nginx.__index = Nginx

local CONFIG = [[
load_module %s/ndk_http_module.so;
load_module %s/ngx_http_lua_module.so;
%s
worker_processes %d; daemon off; pid nginx.pid; error_log stderr info;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  lua_socket_log_errors off;
  lua_package_path "%s/lua/?.lua;%s/?.lua;;";
  lua_package_cpath "%s/build/luajit/?.so;;";
  %s
  server { listen 127.0.0.1:%d; client_body_buffer_size 256k; client_max_body_size 8m;
    %s
  }
}
]]

local function folder_of_modules()
  for _, folder in ipairs { "/usr/lib/nginx/modules", "/usr/lib64/nginx/modules" } do
    local file = io.open(folder .. "/ngx_http_lua_module.so")
    if file then
      file:close()
      return folder
    end
  end
  error "there is no Lua module of nginx"
end

local function output_of(command)
  local pipe = io.popen(command)
  local text = pipe:read("a"):gsub("%s+$", "")
  pipe:close()
  return text
end

-- Not math.random, which a spec may have seeded: two runs of the specs at a time would take the same ports.
local function random_port()
  local file = assert(io.open("/dev/urandom", "rb"))
  local first, second = file:read(2):byte(1, 2)
  file:close()
  return 20000 + (first * 256 + second) % 12000
end

--- A port that nobody uses at the moment, and that no client is given.
function M.free_port()
  for _ = 1, 100 do
    local port = random_port()
    local server = socket.bind("127.0.0.1", port)
    if server then
      server:close()
      return port
    end
  end
  error "there is no free port"
end

local function answers(port)
  local client = socket.connect("127.0.0.1", port)
  if client then client:close() end
  return client ~= nil
end

--- Writes rule files; gives their folder.
function M.rules(folder, rules)
  assert(os.execute("mkdir -p " .. folder .. "/rules"))
  for name, text in pairs(rules) do process.write(("%s/rules/%s.lua"):format(folder, name), text) end
  return folder .. "/rules"
end

-- The file is there when nginx has its port, which another process may have taken meanwhile.
local function is_up(self)
  if self.process:status() then return "ended" end
  return (process.read(self.folder .. "/nginx.pid") or "") ~= "" and answers(self.port)
end

local function start(options)
  local folder, root = process.folder(), output_of "pwd"
  local self = setmetatable({ folder = folder, port = M.free_port() }, Nginx)
  M.rules(folder, options.rules or {})
  local modules = folder_of_modules()
  local user = output_of "id -u" == "0" and "user root;" or ""
  local function placed(text) return (text:gsub("%$FOLDER", folder)) end
  process.write(folder .. "/nginx.conf", CONFIG:format(modules, modules, user, options.workers or 2, root, root, root,
    placed(options.http or ""), self.port, placed(options.server or "")))
  self.process = process.start(folder, "nginx", ("env -u LD_PRELOAD -u LUA_PATH -u LUA_CPATH PATH=\"$PATH:/usr/sbin\""
    .. " nginx -p %s/ -c nginx.conf -e stderr"):format(folder))
  return self, process.wait(30, is_up, self) == true
end

--- Starts one. `http` and `server`: what these blocks hold; $FOLDER in them
--- is its folder, where the rule files of `rules` are in rules/.
---@param options { http: string, server: string, rules: table|nil, workers: integer|nil, may_fail: boolean|nil }
function M.start(options)
  for attempt = 1, 3 do
    local self, up = start(options)
    if up or options.may_fail then return self end
    local log = self:log()
    self:close()
    if attempt == 3 or not log:find("Address already in use", 1, true) then error("nginx does not start: " .. log) end
  end
end

--- Runs a script that execs nginx, with these variables; the port is given.
function M.script(path, variables, port)
  local folder, words = process.folder(), {}
  variables.FOLDER = folder
  for name, value in pairs(variables) do words[#words + 1] = name .. "=" .. process.quote(tostring(value)) end
  local self = setmetatable({ folder = folder, port = port }, Nginx)
  self.process = process.start(folder, "nginx", ("env -u LD_PRELOAD -u LUA_PATH -u LUA_CPATH %s sh %s"):format(
    table.concat(words, " "), path))
  assert(process.wait(60, function() return self.process:status() or answers(port) end) == true, self:log())
  return self
end

function Nginx:log() return self.process:errors() end

function Nginx:wait_log(text, seconds)
  return process.wait(seconds or 30, function() return self:log():find(text, 1, true) end)
end

--- One request: status, headers, body.
function Nginx:request(options) return http.request(self.port, options) end

function Nginx:post(body, headers, path)
  return http.post(self.port, path or "/events", body, headers)
end

function Nginx:close()
  if not self.process:status() then
    self.process:stop()
  end
  process.remove(self.folder)
end

return M
