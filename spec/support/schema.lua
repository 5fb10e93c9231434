-- OpenAPI documents for specs: which operation a request is, whether values
-- fit their schemas, and values that do.
local cjson = require "cjson"
local json = require "altinn.events.support.json"

local M = {}

local Document = {}
Document.__index = Document

--- Reads a document; nil when it is not there. `prefix`: of the paths in it.
function M.open(path, prefix)
  local file = io.open(path, "rb")
  if not file then return nil end
  local root = cjson.decode(file:read("a"))
  file:close()
  return setmetatable({ root = root, prefix = prefix or "" }, Document)
end

function Document:resolve(schema)
  while schema["$ref"] do
    local value = self.root
    for name in schema["$ref"]:gmatch("[^#/]+") do value = value[name] end
    schema = value
  end
  return schema
end

local function is_type(value, name)
  if name == "integer" then return type(value) == "number" and value % 1 == 0 end
  if name == "array" then return type(value) == "table" and (#value > 0 or next(value) == nil) end
  if name == "object" then return type(value) == "table" and #value == 0 end
  return type(value) == name
end

local formats = {
  uuid = function(text) return #text == 36 and text:find("^%x+%-%x+%-%x+%-%x+%-%x+$") end,
  ["date-time"] = function(text)
    return text:find("^%d+%-%d%d%-%d%dT%d%d:%d%d:%d%d%.?%d*Z$") or text:find("^%d+%-%d%d%-%d%dT[%d:.]+[+-]%d%d:%d%d$")
  end,
  uri = function(text) return text:find("^%a[%w+.-]*:") end,
}

local function types_of(schema)
  if type(schema.type) == "table" then return schema.type end
  return schema.type and { schema.type } or {}
end

local function type_fits(schema, value)
  local types = types_of(schema)
  for _, name in ipairs(types) do
    if name == "null" and value == cjson.null or is_type(value, name) then return true end
  end
  return #types == 0
end

local function one_of(list, value)
  for _, one in ipairs(list) do if one == value then return true end end
  return false
end

--- Why a value does not fit, nil when it does.
function Document:fault(schema, value, at)
  schema, at = self:resolve(schema), at or "value"
  if value == cjson.null and schema.nullable then return nil end
  for _, part in ipairs(schema.allOf or {}) do
    local why = self:fault(part, value, at)
    if why then return why end
  end
  if not type_fits(schema, value) then return ("%s is no %s: %s"):format(at, tostring(schema.type), tostring(value)) end
  if schema.enum and not one_of(schema.enum, value) then return ("%s is none of its words: %s"):format(at, value) end
  if type(value) == "string" then
    if schema.minLength and #value < schema.minLength then return at .. " is too short" end
    if schema.format and formats[schema.format] and not formats[schema.format](value) then
      return ("%s is no %s: %s"):format(at, schema.format, value)
    end
  elseif type(value) == "number" then
    if schema.maximum and value > schema.maximum or schema.minimum and value < schema.minimum then
      return ("%s is out of range: %s"):format(at, value)
    end
  elseif type(value) == "table" then
    return self:table_fault(schema, value, at)
  end
end

function Document:table_fault(schema, value, at)
  for index, one in ipairs(schema.items and value or {}) do
    local why = self:fault(schema.items, one, ("%s[%d]"):format(at, index))
    if why then return why end
  end
  for _, name in ipairs(schema.required or {}) do
    if value[name] == nil then return ("%s lacks %s"):format(at, name) end
  end
  if not schema.properties then return nil end
  for name, one in pairs(value) do
    local part = schema.properties[name]
    if not part then return ("%s has an unknown member %s"):format(at, tostring(name)) end
    local why = self:fault(part, one, at .. "." .. name)
    if why then return why end
  end
end

--- A value that fits. `draw(n)`: a number from 1 to n. What may be null is
--- null at times; all other members are there, as the server writes them.
function Document:sample(schema, draw)
  schema = self:resolve(schema)
  if schema.nullable and draw(3) == 1 then return cjson.null end
  if schema.allOf then return self:sample(schema.allOf[1], draw) end
  if schema.enum then return schema.enum[draw(#schema.enum)] end
  local kind = types_of(schema)[1]
  if kind == "integer" then return draw(100000) end
  if kind == "boolean" then return draw(2) == 1 end
  if kind == "string" then
    if schema.format == "uuid" then return ("%08x-0000-4000-8000-%012x"):format(draw(1 << 30), draw(1 << 30)) end
    if schema.format == "date-time" then return "2026-08-20T07:22:19.4380391+00:00" end
    return ({ "", "text", "æøå €", 'quoted "\\" text', "line\nbreak" })[draw(5)]
  end
  local value = {}
  if kind == "array" then
    for index = 1, draw(4) - 1 do value[index] = self:sample(schema.items, draw) end
    return json.list(value)
  end
  for name, part in pairs(schema.properties or {}) do value[name] = self:sample(part, draw) end
  return value
end

local function unescape(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- The operation that a request is, and the values of its path.
function Document:operation(method, path)
  for template, methods in pairs(self.root.paths) do
    local names = {}
    local pattern = (self.prefix .. template):gsub("[%-.]", "%%%0"):gsub("{(%w+)}", function(name)
      names[#names + 1] = name
      return "([^/]+)"
    end)
    local values = { path:match("^" .. pattern .. "$") }
    if values[1] and methods[method:lower()] then
      local given = {}
      for index, name in ipairs(names) do given[name] = values[index] end
      return methods[method:lower()], given
    end
  end
end

local function convert(document, schema, text)
  local types = types_of(document:resolve(schema))
  if one_of(types, "integer") then return tonumber(text) or text end
  return text
end

-- Values of the query by name; those of an array gathered.
function Document:query_of(operation, query)
  local values = {}
  for name, text in query:gmatch("([^&=]+)=([^&]*)") do
    name = unescape(name)
    local found
    for _, one in ipairs(operation.parameters or {}) do
      if one["in"] == "query" and one.name == name then found = self:resolve(one.schema) end
    end
    if not found then return nil, "unknown parameter " .. name end
    if one_of(types_of(found), "array") then
      values[name] = values[name] or {}
      table.insert(values[name], convert(self, found.items, unescape(text)))
    elseif values[name] then
      return nil, "parameter twice: " .. name
    else
      values[name] = convert(self, found, unescape(text))
    end
  end
  return values
end

local function accepts(list, media)
  for one in list:gmatch("[^,]+") do
    local range = one:match("^%s*([^;%s]+)")
    if range == "*/*" or range == media then return true end
  end
  return false
end

local function produced_fault(operation, accept)
  for status, reply in pairs(operation.responses) do
    for media in pairs(status:find("^2") and reply.content or {}) do
      if not accepts(accept, media) then return "Accept does not take " .. media end
    end
  end
end

function Document:body_fault(operation, request)
  if not operation.requestBody then
    if request.body and request.body ~= "" then return "a body that nobody wants" end
    return request.headers["Content-Type"] and "a Content-Type without a body" or nil
  end
  local media = request.headers["Content-Type"]
  local content = operation.requestBody.content[media or ""]
  if not content then return "a Content-Type that is not taken: " .. tostring(media) end
  return self:fault(content.schema, cjson.decode(request.body), "body")
end

--- Why a request is illegal, nil when it is right; and its operation.
function Document:request_fault(request)
  local target = request.url:match("^https?://[^/]+(.*)$")
  local path, query = target:match("^([^?]*)%??(.*)$")
  local operation, given = self:operation(request.method, path)
  if not operation then return "no such operation: " .. request.method .. " " .. path end
  local values, why = self:query_of(operation, query)
  if not values then return why, operation end
  for _, one in ipairs(operation.parameters or {}) do
    local value = values[one.name]
    if one["in"] == "path" then value = convert(self, one.schema, given[one.name]) end
    if value == nil and one.required then return "parameter missing: " .. one.name, operation end
    why = value ~= nil and self:fault(one.schema, value, one.name)
    if why then return why, operation end
  end
  return produced_fault(operation, request.headers.Accept) or self:body_fault(operation, request), operation
end

return M
