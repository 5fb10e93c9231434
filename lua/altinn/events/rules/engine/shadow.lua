-- Rules in the shadow: what they would have done is written down, and nothing is sent.
local cjson = require("cjson.safe").new()

local M = {}

local LISTED = 3  -- acts that the reason names; all of them stand in the run's `would`

-- What goes out, in a few words: how and where to, without what may be a secret, and how much.
local function summary_of(item)
  local record = cjson.decode(item.text)
  record = type(record) == "table" and record or {}
  local body, words = record.body or record.octets or record.message, {}
  if type(record.method) == "string" then words[1] = record.method end
  if type(record.path) == "string" then words[#words + 1] = record.path:match("^[^?]*") end
  if type(record.name) == "string" then words[#words + 1] = record.name end
  if type(record.to) == "table" then words[#words + 1] = "to " .. table.concat(record.to, ", ") end
  if type(record.arguments) == "table" then words[#words + 1] = table.concat(record.arguments, " ") end
  if type(body) == "string" then words[#words + 1] = ("%d bytes"):format(#body) end
  return table.concat(words, " ")
end

-- An act as a person reads it.
local function text_of(act)
  if act.target then
    return ("send to %s%s (%s)"):format(act.target, act.summary ~= "" and ": " .. act.summary or "", act.key)
  end
  return tostring(act.kind):gsub("_", " ")
end

local function reason_of(would)
  local texts = {}
  for index = 1, math.min(#would, LISTED) do texts[index] = text_of(would[index]) end
  if #would > LISTED then texts[#texts + 1] = ("%d more"):format(#would - LISTED) end
  return "it would have done: " .. table.concat(texts, ", ")
end

---Notes effects as acts that the run would have carried out.
---@param job altinn.events.job
---@param items altinn.events.effect_item[]
function M.note(job, items)
  job.would = job.would or {}
  for _, item in ipairs(items) do
    job.would[#job.would + 1] = { kind = item.kind, target = item.target, key = item.key, summary = summary_of(item) }
  end
end

local OVER = { done = true, skipped = true }

---The outcome of a run whose rule is in the shadow: `shadowed` when it would have done something.
---@param job altinn.events.job
---@param outcome table
---@return table outcome
function M.outcome(job, outcome)
  if not OVER[outcome.state] or not job.would or #job.would == 0 then return outcome end
  outcome.state, outcome.reason = "shadowed", reason_of(job.would)
  return outcome
end

return M
