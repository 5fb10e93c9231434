-- Finds the handler of a request, and makes the forms of answers. A handler gets
-- the request, with the values of the path's {names} in request.parameters,
-- and returns a reply: { status =, headers =, body = }, or nil when it will
-- reply later (request.respond(reply)).
local wire = require "altinn.events.emulator.wire"

local M = {}

local Router = {}
Router.__index = Router

--- A router without routes.
---@return table router
function M.new()
  return setmetatable({ by_length = {} }, Router)
end

local function split(path)
  local parts = {}
  for part in path:gmatch("[^/]+") do parts[#parts + 1] = part end
  return parts
end

-- Adds a handler for a method and a path; {name} in it stands for any one part.
function Router:add(method, path, handler)
  local parts, names = split(path), {}
  for index, part in ipairs(parts) do
    names[index] = part:match("^{(%w+)}$")
    parts[index] = part:lower()
  end
  local routes = self.by_length[#parts] or {}
  self.by_length[#parts] = routes
  routes[#routes + 1] = { method = method, parts = parts, names = names, handler = handler, path = path }
end

local function match(route, lower, parts)
  local names = route.names
  for index, part in ipairs(route.parts) do
    if part ~= lower[index] and not names[index] then return nil end
  end
  local parameters = {}
  for index, name in pairs(names) do parameters[name] = parts[index] end
  return parameters
end

-- The handler of a request and its parameters; else nil and the methods that the path has.
function Router:find(method, path)
  local parts, lower, allowed = split(path), {}, {}
  for index, part in ipairs(parts) do lower[index] = part:lower() end
  for _, route in ipairs(self.by_length[#parts] or {}) do
    local parameters = match(route, lower, parts)
    if parameters and route.method == method then return route, parameters end
    if parameters then allowed[#allowed + 1] = route.method end
  end
  return nil, allowed
end

local JSON = "application/json; charset=utf-8"

--- A reply without a body.
---@param status integer
---@param headers table|nil
---@return table reply
function M.empty(status, headers)
  return { status = status, headers = headers or {}, body = "" }
end

--- A reply of JSON; a text becomes a JSON string.
---@param status integer
---@param value any
---@param headers table|nil
---@return table reply
function M.json(status, value, headers)
  headers = headers or {}
  headers["Content-Type"] = headers["Content-Type"] or JSON
  return { status = status, headers = headers, body = wire.encode(value) }
end

--- The same for people: nothing escaped that need not be.
---@param status integer
---@param value any
---@return table reply
function M.plain(status, value)
  return { status = status, headers = { ["Content-Type"] = JSON }, body = wire.plain(value) .. "\n" }
end

local RFC9110 = "https://tools.ietf.org/html/rfc9110#section-"
local titles = {
  [400] = { "Bad Request", "15.5.1" }, [401] = { "Unauthorized", "15.5.2" }, [403] = { "Forbidden", "15.5.4" },
  [404] = { "Not Found", "15.5.5" }, [405] = { "Method Not Allowed", "15.5.6" },
  [406] = { "Not Acceptable", "15.5.7" }, [408] = { "Request Timeout", "15.5.9" }, [409] = { "Conflict", "15.5.10" },
  [413] = { "Payload Too Large", "15.5.14" }, [415] = { "Unsupported Media Type", "15.5.16" },
  [422] = { "Unprocessable Entity", "15.5.21" }, [500] = { "Internal Server Error", "15.6.1" },
  [502] = { "Bad Gateway", "15.6.3" },
}

local PROBLEM = "application/problem+json; charset=utf-8"

--- The Content-Type of problem objects of calls that are declared to answer with JSON.
M.JSON = JSON

--- The id of a request's trace, as problem objects have it.
---@return string
function M.trace()
  local hex = wire.uuid():gsub("-", "") .. wire.uuid():gsub("-", ""):sub(1, 16)
  return ("00-%s-%s-00"):format(hex:sub(1, 32), hex:sub(33))
end

--- A problem object (RFC 9457).
---@param status integer
---@param detail string|nil
---@param more table[]|nil members that come after the usual ones, each { name, value }; nil: a traceId
---@param media string|nil its Content-Type; nil: application/problem+json
---@return table reply
function M.problem(status, detail, more, media)
  local title = titles[status] or { "Error", "15" }
  local members = { { "type", RFC9110 .. title[2] }, { "title", title[1] }, { "status", status }, { "detail", detail } }
  for _, member in ipairs(more or { { "traceId", M.trace() } }) do members[#members + 1] = member end
  return M.json(status, wire.object(members), { ["Content-Type"] = media or PROBLEM })
end

--- The problem object of a request of the Events API whose form is wrong.
---@param errors table<string, string[]> texts by member
---@param media string|nil its Content-Type
---@return table reply
function M.validation_problem(errors, media)
  local members, names = {}, {}
  for name in pairs(errors) do names[#names + 1] = name end
  table.sort(names)
  for index, name in ipairs(names) do members[index] = { name, wire.list(errors[name]) } end
  local reply = M.problem(400, nil, { { "errors", wire.object(members) }, { "traceId", M.trace() } }, media)
  reply.body = reply.body:gsub('"title":"Bad Request"', '"title":"One or more validation errors occurred."', 1)
  return reply
end

--- The media type of a request's body, in lower case, without its parameters; "" when it names none.
---@param request table
---@return string
function M.media_type(request)
  return (request.headers["content-type"] or ""):lower():match("^%s*([^;%s]*)")
end

--- Whether a request's media type is application/json.
---@param request table
---@return boolean
function M.is_json(request)
  return M.media_type(request) == "application/json"
end

--- Whether a request's Accept list has room for a media type.
---@param request table
---@param media string
---@return boolean
function M.accepts(request, media)
  if request.headers.accept == media then return true end
  local accept = (request.headers.accept or ""):lower()
  if accept:match("^%s*$") then return true end
  local main = media:match("^[^/]+")
  for one in accept:gmatch("[^,]+") do
    local range = one:match("^%s*([^;%s]+)")
    if range == "*/*" or range == main .. "/*" or range == media then return true end
  end
  return false
end

--- The values of a parameter of the query, in order; names in any case.
---@param request table
---@param name string
---@return string[]
function M.parameters(request, name)
  local list = {}
  for _, pair in ipairs(request.query) do
    if pair[1]:lower() == name:lower() then list[#list + 1] = pair[2] end
  end
  return list
end

--- The first value of a parameter of the query, or nil.
---@param request table
---@param name string
---@return string|nil
function M.parameter(request, name)
  return M.parameters(request, name)[1]
end

return M
