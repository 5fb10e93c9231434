-- What a target receives, as specs look at it: the request of an effect, whatever its kind.
local cjson = require("cjson.safe").new()
local mails = require "altinn.events.test.mail"

local M = {}

-- Headers are found by their names in any case.
local Headers = { __name = "headers", __index = function(self, name)
  return type(name) == "string" and rawget(self, name:lower()) or nil
end }

local function headers_of(given)
  local headers = setmetatable({}, Headers)
  for name, value in pairs(given or {}) do headers[name:lower()] = value end
  return headers
end

local function value_of(body)
  if type(body) ~= "string" or not body:find("^%s*[%[{\"%d%-tfn]") then return nil end
  local list = cjson.decode("[" .. body .. "]")
  return list and #list == 1 and list[1] or nil
end

-- The path of an address, with its query.
local function path_of(url)
  local path = url:gsub("^%a[%w+.-]*://[^/?#]*", "")
  return path == "" and "/" or path
end

local readers = {}

function readers.url(request)
  local headers = headers_of(request.headers)
  return { key = headers["idempotency-key"], method = request.method or "GET", path = path_of(request.url),
    headers = headers, body = request.body or "", json = value_of(request.body) }
end

function readers.slack(request)
  local item = readers.url(request)
  local text = type(item.json) == "table" and item.json.text
  item.text = text and text:gsub("&lt;", "<"):gsub("&gt;", ">"):gsub("&amp;", "&") or nil
  return item
end

-- A text of a card without the backslashes of Markdown.
local function plain(text)
  return type(text) == "string" and text:gsub("\n\n", "\n"):gsub("\\(%p)", "%1") or nil
end

function readers.teams(request)
  local item = readers.url(request)
  local attachment = type(item.json) == "table" and (item.json.attachments or {})[1]
  item.card = attachment and attachment.content
  for _, block in ipairs(item.card and item.card.body or {}) do
    if block.type == "FactSet" then
      item.facts = {}
      for index, fact in ipairs(block.facts) do item.facts[index] = { plain(fact.title), plain(fact.value) } end
    elseif block.weight == "Bolder" then item.title = plain(block.text)
    else item.text = plain(block.text) end
  end
  return item
end

function readers.mail(request)
  local mail = mails.read(request.body or "")
  local to = request.mail and request.mail.to or {}
  return { key = mail.headers["message-id"], to = #to == 1 and to[1] or to, from = mail.headers.from,
    subject = mail.headers.subject, text = mail.text, headers = headers_of(mail.headers), body = request.body }
end

function readers.folder(request)
  return { key = request.key, name = request.name, text = request.body, body = request.body,
    json = value_of(request.body) }
end

function readers.append(request)
  return { key = request.key, line = request.body, body = request.body, json = value_of(request.body) }
end

function readers.command(request, target)
  local arguments = {}
  for index = #target.command + 1, #request.arguments do arguments[#arguments + 1] = request.arguments[index] end
  return { key = request.key, arguments = arguments, text = request.body, body = request.body,
    json = value_of(request.body) }
end

--- The request as specs look at it.
---@param sort string of the target: url, slack, teams, mail, folder, append, command
---@param request table as it left the host
---@param target table of the configuration
---@return table item { key, body, … } and what fits the sort
function M.read(sort, request, target) return readers[sort](request, target) end

--- What must be the same whenever an effect is sent again.
---@param item table
---@return string
function M.bytes(item)
  return table.concat({ item.method or "", item.path or item.name or table.concat(item.arguments or {}, "\0"),
    item.body or "" }, "\n")
end

return M
