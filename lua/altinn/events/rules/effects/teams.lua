-- Effects of the kind `send.teams`: an Adaptive Card by the webhook of a workflow.
local http = require "altinn.events.rules.effects.http"
local json = require "altinn.events.support.json"
local lists = require "altinn.events.support.lists"
local targets = require "altinn.events.rules.effects.target"

local M = {}

M.about = "a card in Teams, by the webhook of a workflow; texts as they are: no formatting, no mentions"
M.sent = "the workflow takes it (a 2xx), which does not prove that Teams shows it"
M.carrier, M.takes = "http", { "teams" }
M.keys = targets.of_http("teams", "address of a workflow \"when a Teams webhook request is received\"; a secret")
M.sample = { teams = "http://127.0.0.1" }
M.stand_ins = { title = "title", text = "text", facts = {}, card = {} }

M.words = {
  { "title", "string|nil", "the first line" },
  { "text", "string|nil", "below it" },
  { "facts", "(string|number)[][]|nil", "a list of { title, value }" },
  { "card", "table|nil", "an Adaptive Card of your own, instead of the others" },
}

local MOST = 28 * 1024  -- bytes, as Teams counts them

local function text_fault(fields, name)
  if fields[name] ~= nil and type(fields[name]) ~= "string" then
    return ("%s must be a text, not a %s"):format(name, type(fields[name]))
  end
end

local function facts_fault(facts)
  if facts == nil then return nil end
  if type(facts) ~= "table" then return "facts is a list of { title, value }" end
  local fault = lists.fault(facts)
  if fault then return "facts: " .. fault end
  for index, fact in ipairs(facts) do
    local title, value = type(fact) == "table" and fact[1], type(fact) == "table" and fact[2]
    if type(title) ~= "string" or type(value) ~= "string" and type(value) ~= "number" then
      return ("facts: item %d is no { title, value } of texts"):format(index)
    end
  end
end

--- Checks the fields when the effect is made.
---@param fields table
---@return string|nil message
function M.check(fields)
  local others = fields.title or fields.text or fields.facts
  if fields.card ~= nil and others then return "card excludes title, text and facts" end
  if fields.card ~= nil and type(fields.card) ~= "table" then return "card is a table: an Adaptive Card" end
  if fields.card == nil and not others then return "title, text, facts or card is missing: what is the message?" end
  return text_fault(fields, "title") or text_fault(fields, "text") or facts_fault(fields.facts)
end

-- A text as the Markdown of cards that shows the same text: a backslash before what would format, link or mention. A
-- line that would begin a list does not, and a line break is one.
local function literal(value)
  local lines = {}
  for line in (tostring(value) .. "\n"):gmatch("(.-)\r?\n") do
    line = line:gsub("[\\`*_%[%]<>]", "\\%0"):gsub("^(%s*)([-+])", "%1\\%2"):gsub("^(%s*%d+)([.)])", "%1\\%2")
    lines[#lines + 1] = line
  end
  return table.concat(lines, "\n\n")
end

local function card_of(effect)
  local body = {}
  if effect.title then
    body[1] = { type = "TextBlock", text = literal(effect.title), weight = "Bolder", size = "Medium", wrap = true }
  end
  if effect.text then body[#body + 1] = { type = "TextBlock", text = literal(effect.text), wrap = true } end
  local facts = {}
  for index, fact in ipairs(effect.facts or {}) do
    facts[index] = { title = literal(fact[1]), value = literal(fact[2]) }
  end
  if #facts > 0 then body[#body + 1] = { type = "FactSet", facts = facts } end
  return { ["$schema"] = "http://adaptivecards.io/schemas/adaptive-card.json", type = "AdaptiveCard", version = "1.4",
    body = json.list(body) }
end

-- Bytes that Teams counts at most: it writes the message into a JSON text again, where quotation marks and backslashes
-- take two bytes, and <, >, &, ', + and all that is not ASCII six (twelve beyond U+FFFF).
local function counted(text)
  local count = 0
  for byte in text:gmatch("[%z\1-\127\194-\244]") do
    if byte == '"' or byte == "\\" then count = count + 2
    elseif byte:find("[<>&'+\240-\244]") then count = count + (byte:byte() >= 240 and 12 or 6)
    else count = count + (byte:byte() >= 128 and 6 or 1) end
  end
  return count
end

--- The record of an effect: see http.lua.
---@param effect table
---@return table|nil record
---@return string|nil message
function M.record(effect)
  local body, message = json.encode {
    type = "message", attachments = json.list {
      { contentType = "application/vnd.microsoft.card.adaptive", content = effect.card or card_of(effect) },
    },
  }
  if not body then return nil, "the card: " .. message end
  local size = counted(body)
  if size > MOST then
    return nil, ("the card has %d bytes (%d as Teams counts them), and Teams takes %d: shorten it"):format(#body, size,
      MOST)
  end
  return { method = "POST", headers = {}, body = body, media = "application/json" }
end

--- The request that carries a record to its target.
---@param record table
---@param target table
---@param key string
---@return table request
function M.request(record, target, key) return http.to(target.teams, record, target, key) end

M.judge, M.target_problem, M.complete = http.judge, http.target_problem, http.complete

--- Tries a target without an effect there: see http.lua.
---@param target table
---@param tools table
---@return "ok"|"warning"|"failed" status
---@return string message
---@return string|nil fix
function M.try(target, tools) return http.try_at(target.teams, target, tools) end

return M
