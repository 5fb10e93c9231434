-- What a careful user of a JSON library writes by hand in plain Lua over a
-- decoded table: required attributes, types, characters of URIs, RFC 3339
-- with the days of the month, names of attributes. For every Lua.
local find, match = string.find, string.match

local DAYS = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function is_date(year, month, day)
  if month < 1 or month > 12 or day < 1 or day > DAYS[month] then return false end
  return month ~= 2 or day < 29 or (year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0))
end

local function is_time(text)
  local year, month, day, hour, minute, second, rest =
    match(text, "^(%d%d%d%d)%-(%d%d)%-(%d%d)[Tt](%d%d):(%d%d):(%d%d)(.*)$")
  if not year or not is_date(tonumber(year), tonumber(month), tonumber(day)) then return false end
  if tonumber(hour) > 23 or tonumber(minute) > 59 or tonumber(second) > 60 then return false end
  rest = match(rest, "^%.%d+(.*)$") or rest
  return rest == "Z" or rest == "z" or find(rest, "^[+-]%d%d:%d%d$") ~= nil
end

local function is_text(value) return type(value) == "string" and value ~= "" end

local function is_uri(value) return is_text(value) and not find(value, "[^%w%-%._~:/?#%[%]@!$&'()*+,;=%%]") end

local KNOWN = {
  id = true, source = true, specversion = true, type = true, subject = true, time = true, datacontenttype = true,
  dataschema = true, data = true, data_base64 = true,
}

local function extensions(event)
  for name, value in pairs(event) do
    if not KNOWN[name] then
      if type(name) ~= "string" or find(name, "[^a-z0-9]") then return nil, "attribute name" end
      local kind = type(value)
      if kind ~= "string" and kind ~= "number" and kind ~= "boolean" then return nil, "attribute value" end
    end
  end
  return true
end

return function(event)
  if type(event) ~= "table" then return nil, "not an object" end
  if not is_text(event.id) then return nil, "id" end
  if not is_uri(event.source) then return nil, "source" end
  if event.specversion ~= "1.0" then return nil, "specversion" end
  if not is_text(event.type) then return nil, "type" end
  if event.subject ~= nil and not is_text(event.subject) then return nil, "subject" end
  if event.time ~= nil and not (type(event.time) == "string" and is_time(event.time)) then return nil, "time" end
  if event.dataschema ~= nil and not is_uri(event.dataschema) then return nil, "dataschema" end
  return extensions(event)
end
