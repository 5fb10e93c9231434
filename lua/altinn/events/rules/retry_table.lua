-- What happens after a failure, by its kind: the one table of all retries. Statuses, failure codes and Altinn's error
-- numbers come from csrc/core/failures.h, which the client reads too; what only rules know stands here.
local core = require "altinn.events.core"
local suggest = require "altinn.events.support.suggest"

local M = {}

local known = core.altinn.failures

---@class altinn.events.retry_row
---@field kind "status"|"class"|"error"|"rule" of what: a status of HTTP; a class of failures; Altinn's error number;
---  what befalls a rule
---@field what string such as "503", "network", "1001"
---@field from string whose answer it is: "Altinn", "target", "both", "host"
---@field verdict "again"|"never"|"refresh" refresh: a new token once, then again
---@field why string
---@field failure table what `verdict` takes

local function status_text(entry)
  if entry.first == entry.last then return ("%d"):format(entry.first) end
  local most = entry.last > 599 and 599 or entry.last
  return ("%d-%d"):format(entry.first, most)
end

-- A target answers 401 to the headers that the configuration gives it: no new token comes by itself.
local TARGET_401 = "a target with a token of its own gets a new one once: refresh"

local statuses = {}  -- the rows

for _, entry in ipairs(known.statuses) do
  if entry.first then  -- without one: below 300
    local refresh, of_target = entry.verdict == "refresh", { kind = entry.first, target = "" }
    statuses[#statuses + 1] = { kind = "status", what = status_text(entry), from = refresh and "Altinn" or "both",
      verdict = entry.verdict, why = entry.why,
      failure = refresh and { kind = entry.code, status = entry.first } or of_target }
    if refresh then
      statuses[#statuses + 1] = { kind = "status", what = status_text(entry), from = "target", verdict = "never",
        why = TARGET_401, failure = of_target }
    end
  end
end

-- The classes that the transport to a target gives; others say what Altinn's answers come to.
local CARRIED = { network = true, tls = true, timeout = true }

local by_class, by_number, classes, numbers = {}, {}, {}, {}

for _, entry in ipairs(known.codes) do
  by_class[entry.code] = entry
  classes[#classes + 1] = { kind = "class", what = entry.code, from = CARRIED[entry.code] and "both" or "Altinn",
    verdict = entry.verdict, why = entry.why, failure = { kind = entry.code } }
end

local function entry_of_status(status)
  for _, entry in ipairs(known.statuses) do
    if status >= (entry.first or 0) and status <= entry.last then return entry end
  end
end

for _, entry in ipairs(known.numbers) do
  by_number[entry.number] = entry
  local class = entry.denied and "forbidden" or entry_of_status(entry.first).code
  numbers[#numbers + 1] = { kind = "error", what = ("%d"):format(entry.number), from = "Altinn",
    verdict = entry.verdict, why = entry.why,
    failure = { kind = class, status = entry.first, number = entry.number } }
end

-- The stages at which an exchange of the class "network" fails.
local stages, is_stage = {}, {}

for _, entry in ipairs(known.stages) do
  is_stage[entry.name] = true
  stages[#stages + 1] = { kind = "class", what = entry.name, from = "both", verdict = by_class.network.verdict,
    why = entry.why, failure = { kind = "network", stage = entry.name } }
end

-- What befalls effects that are no requests of HTTP: { class, verdict, why }.
local OF_EFFECTS = {
  { "file", "again", "the folder, the file or the disk is at fault, and may be mended meanwhile" },
  { "command", "again", "the program could not be started, or nobody knows how it ended" },
  { "tempfail", "again", "the program ended with status 75: it asks to be called again (EX_TEMPFAIL)" },
  { "exit", "never", "the program ended with a status that is neither 0 nor 75" },
  { "deferred", "again", "the mail server answered 4yz: it may take the mail later" },
  { "rejected", "never", "the mail server answered 5yz: it will not take the mail" },
}

for _, entry in ipairs(OF_EFFECTS) do
  by_class[entry[1]] = { verdict = entry[2], why = entry[3], is_sure = true }
  classes[#classes + 1] = { kind = "class", what = entry[1], from = "target", verdict = entry[2], why = entry[3],
    failure = { kind = entry[1], target = "local" } }
end

-- What befalls a rule: { class, verdict, why }.
local OF_RULES = {
  { "error", "again", "the body raised an error or returned no verdict: the rule may be mended meanwhile" },
  { "limit", "again", "the body overran a limit of time, instructions or memory" },
  { "usage", "again", "the configuration lacks what a call to Altinn needs" },
  { "host", "again", "the host is at fault (its file, a reload): not counted as an attempt" },
  { "fail", "never", "the rule returned fail(…), or what it returned can never be sent" },
}
local rules = {}

for index, entry in ipairs(OF_RULES) do
  by_class[entry[1]] = { verdict = entry[2], why = entry[3] }
  rules[index] = { kind = "rule", what = entry[1], from = "host", verdict = entry[2], why = entry[3],
    failure = { kind = entry[1] } }
end

--- All rows, in the order in which people read them.
---@type altinn.events.retry_row[]
M.rows = {}

for _, list in ipairs { statuses, stages, classes, rules, numbers } do
  for _, row in ipairs(list) do M.rows[#M.rows + 1] = row end
end

--- The class of a status: "throttled", "timeout", "server", "not_found", …
---@param status integer
---@return string
function M.class_of(status)
  local entry = entry_of_status(status)
  return entry and entry.code or "server"
end

-- Verdict and reason for a target's answer, which is a status, or for a transport that had none. The request may have
-- been carried out when there was no answer, so it is never given up by the table.
local function of_target(failure)
  if type(failure.kind) ~= "number" then
    local entry = by_class[failure.kind]
    if entry and entry.is_sure then return entry.verdict, entry.why end
    return "again", entry and entry.verdict == "again" and entry.why or "there was no answer"
  end
  local entry = entry_of_status(failure.kind)
  if not entry then return "again", "the server failed" end
  if entry.verdict == "refresh" then return "never", entry.why end  -- a token of the target's was renewed before
  return entry.verdict, entry.why
end

--- What the table says of a failure.
---@param failure { kind: any, status: integer|nil, number: integer|nil, temporary: boolean|nil, stage: string|nil,
---  target: string|nil } kind: a target's status, or a class; number: Altinn's error number; temporary: Altinn's answer
---  says that it may succeed later; stage: of the class "network"; target: it is a target's failure
---@return "again"|"never"|"refresh" verdict
---@return string why
function M.verdict(failure)
  if failure.target ~= nil or type(failure.kind) == "number" then return of_target(failure) end
  local numbered, entry = by_number[failure.number], by_class[failure.kind]
  local again = failure.temporary or numbered and numbered.verdict == "again"
  if again then return "again", numbered and numbered.why or entry and entry.why or "it may succeed later" end
  if not entry then return "again", "a failure that nobody knows" end
  return entry.verdict, numbered and entry.verdict == numbered.verdict and numbered.why or entry.why
end

-- Overrides by a rule.

local function matches(word, failure)
  local status = type(failure.kind) == "number" and failure.kind or failure.status
  if word == nil then return false end
  return word == failure.number or word == failure.kind or word == failure.stage or status ~= nil and
    (word == status or word == M.class_of(status))
end

--- Whether a rule's retry.on names a failure: by its status, by its class, or by Altinn's error number.
---@param rule table|nil
---@param failure { kind: any, status: integer|nil, number: integer|nil }
---@return boolean|nil named nil: the rule has no retry.on
function M.is_named(rule, failure)
  local on = rule and rule.retry and rule.retry.on
  if not on then return nil end
  for _, word in ipairs(on) do
    if matches(word, failure) then return true end
  end
  return false
end

--- What a rule's `override` says of a failure: an error number counts before a status, and that before a stage and a
--- class.
---@param rule table|nil
---@param failure { kind: any, status: integer|nil, number: integer|nil }
---@return "again"|"never"|nil verdict
function M.overridden(rule, failure)
  local override = rule and rule.override
  if not override then return nil end
  local status = type(failure.kind) == "number" and failure.kind or failure.status
  return failure.number and override[failure.number] or status and override[status]
    or failure.stage and override[failure.stage]
    or type(failure.kind) == "string" and override[failure.kind] or status and override[M.class_of(status)] or nil
end

--- The classes that rules name most.
M.classes_hint = " (network, timeout, tls, throttled, server: any 5xx)"

local function known_words()
  local words = {}
  for class in pairs(by_class) do words[class] = class ~= "host" or nil end
  for stage in pairs(is_stage) do words[stage] = true end
  return words
end

--- What is wrong with a word of retry.on or a key of override: a status, a class, or Altinn's error number.
---@param word any
---@return string|nil message to follow the word's place, such as "'netwrok' is neither …"
function M.word_fault(word)
  if type(word) == "number" and (word % 1 == 0 and word >= 300 and word <= 599 or by_number[word]) then return nil end
  local words = known_words()
  if words[word] then return nil end
  local near = suggest.hint(tostring(word), words)
  if tonumber(word) and type(word) == "string" then near = (" (a status is a number: %s)"):format(word) end
  return ("'%s' is neither a status nor a class%s"):format(tostring(word), near ~= "" and near or M.classes_hint)
end

--- The rows that a word names: a status, a class, an error number ("1001" or "CORR-01001").
---@param word string
---@return altinn.events.retry_row[]
function M.find(word)
  local found, number = {}, tonumber((word:gsub("^CORR%-0*", "")))
  for _, row in ipairs(M.rows) do
    local first, last = row.what:match("^(%d+)%-(%d+)$")
    local exact = row.what == word or number and row.what == ("%d"):format(number)
    if exact or #found == 0 and first and number and number >= tonumber(first) and number <= tonumber(last) then
      found[#found + 1] = row
    end
  end
  return found
end

return M
