-- Effects of the kind `send.slack`: a message by an incoming webhook.
local http = require "altinn.events.rules.effects.http"
local json = require "altinn.events.support.json"
local targets = require "altinn.events.rules.effects.target"

local M = {}

M.about = "a message in Slack, as it is: no formatting, no mentions"
M.sent = http.sent
M.carrier, M.takes = "http", { "slack" }
M.keys = targets.of_http("slack", "address of an incoming webhook; a secret")
M.sample = { slack = "http://127.0.0.1" }
M.stand_ins = { text = "text" }

M.words = { { "text", "string", "at most 40,000 characters" } }

local MOST = 40000  -- characters; Slack cuts longer texts

--- Checks the fields when the effect is made.
---@param fields table
---@return string|nil message
function M.check(fields)
  if type(fields.text) ~= "string" or fields.text == "" then return "text is missing: what is the message?" end
end

-- The three characters by which links, mentions and commands begin.
local ESCAPED = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }

--- The record of an effect: see http.lua.
---@param effect table
---@return table|nil record
---@return string|nil message
function M.record(effect)
  local length = #effect.text:gsub("[\128-\191]", "")
  if length > MOST then
    return nil, ("text: %d characters, and Slack takes %d: shorten it"):format(length, MOST)
  end
  local body, message = json.encode { text = (effect.text:gsub("[&<>]", ESCAPED)), mrkdwn = false, unfurl_links = false,
    unfurl_media = false }
  if not body then return nil, "text: " .. message end
  return { method = "POST", headers = {}, body = body, media = "application/json" }
end

--- The request that carries a record to its target.
---@param record table
---@param target table
---@param key string
---@return table request
function M.request(record, target, key) return http.to(target.slack, record, target, key) end

M.judge, M.target_problem, M.complete = http.judge, http.target_problem, http.complete

--- Tries a target without an effect there: see http.lua.
---@param target table
---@param tools table
---@return "ok"|"warning"|"failed" status
---@return string message
---@return string|nil fix
function M.try(target, tools) return http.try_at(target.slack, target, tools) end

return M
