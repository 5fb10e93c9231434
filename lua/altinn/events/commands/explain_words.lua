-- The words that `altinn-events explain` knows, with what each means. The lists of words are those of the code; a word
-- without a text here fails a spec.
local host = require "altinn.events.host"
local sorted = require("altinn.events.support.names").sorted
local things = require "altinn.events.rules.thing"
local verdicts = require "altinn.events.rules.verdicts"

local M = {}

--- Kinds of rows of the table of retries, for people.
M.row_kinds = { status = "status", class = "class of failures", rule = "befalls a rule", error = "error number" }

local STATES = {
  waiting = "not begun yet, or in flight: its turn comes",
  retry = "failed; 'altinn-events inbox show' says when it is tried again; 'inbox retry' makes that now",
  later = "a timer of the rule, or its retry_after: no failure; 'inbox retry' makes it now",
  held = "must not begin yet: Altinn has not vouched for the event (trust), the target is down, or somebody stopped"
    .. " it; it goes on by itself",
  done = "over: the rule did what it wanted",
  skipped = "over: there was nothing to do, and the reason says why: skip(…), unless, a repeated event, a timer"
    .. " that was cancelled or replaced",
  dead = "a dead letter: gave up; everything is kept, and 'altinn-events inbox retry' puts it back once the cause is"
    .. " mended",
  discarded = "over by hand: 'altinn-events inbox discard'; 'inbox retry' puts it back",
  abandoned = "over: its rule is gone or no longer wants the event; 'inbox retry' puts it back",
  shadowed = "over: the rule has shadow = true: what it would have done is recorded, and nothing was sent",
}

local EFFECTS = {
  recorded = "about to be sent; after a crash the same bytes are sent again",
  unknown = "sent, perhaps: no answer came; the same bytes are sent again, or the effect's probe is asked first",
  not_sent = "certainly not sent: name not resolved, no connection, TLS failed; the rule decides anew",
  refused = "the target answered, and not with 2xx; the rule decides anew",
  sent = "the target took it: it is never sent again",
}

local VERDICTS = {
  done = "nothing (more) to do", skip = "nothing to do, and why", fail = "the run cannot succeed: a dead letter",
  retry_after = "the body again after a span: a wish, not a failure; retry does not bound it",
  later = "a timer: a body of the rule at a time, after a span or on a working day; other events may cancel it",
  remember = "keeps values for this rule and letter: context.memory gives them", forget = "removes a remembered value",
  send = "an effect: recorded whole, then sent, once by its key",
  workdays = "the n-th working day after today in Norway, for later",
  step = "runs a function once in a run, whatever comes after: its result is kept",
  sent = "what a probe returns when the effect has reached its target",
  not_sent = "what a probe returns when the effect has not reached its target",
}

local POWERS = {
  ["read:overview"] = "letter:overview(); as recipient this records Fetched",
  ["read:details"] = "letter:details(), letter:has_been(…), unless; as recipient this records Fetched",
  ["read:content"] = "letter:content(): marks the letter as read",
  ["mark:read"] = "letter:mark_read()", confirm = "letter:confirm()", purge = "letter:purge(): deletes the letter",
  download = "letter:download(…): as recipient this records AttachmentsDownloaded",
}

local OTHERS = {
  { "on", "part of a rule", "the event types that it wants: a type, or a list of types" },
  { "when", "part of a rule", "conditions on the event's attributes; all of them must hold" },
  { "order", "part of a rule", "which of its runs wait for each other: those of one letter when it is left out" },
  { "may", "part of a rule", "its powers: what it may ask Altinn and do there, and the targets that it may send to" },
  { "retry", "part of a rule", "how long and how often a failure is tried again" },
  { "limit", "part of a rule", "how long its code may compute, how much memory it may use, how many runs at once" },
  { "enabled", "part of a rule", "false: the rule is switched off" },
  { "trust", "part of a rule", "\"hint\" (default): an event is believed; \"confirmed\": it is held until Altinn"
    .. " vouches for it" },
  { "unless", "part of a rule", "{ been = { status, … } }: skipped when the letter ever had one of the statuses" },
  { "repeats", "part of a rule", "true: also for an event that means the same as an earlier one" },
  { "override", "part of a rule", "{ [status or class] = \"again\" | \"never\" }: changes the table of retries" },
  { "shadow", "part of a rule", "true: what it would do is recorded, and nothing is sent" },
  { "key", "part of an effect", "its name: an effect whose key has succeeded is never sent again; key = letter means"
    .. " once for the letter" },
  { "probe", "part of an effect", "the body that says whether the effect was sent, where nobody knows" },
  { "at", "part of later", "when: a span, a time, or workdays(n)" },
  { "cancel", "part of later", "event types: an event of one of them about the same letter ends the timer" },
  { "again", "verdict on a failure", "another attempt, within the rule's retry.within and retry.attempts" },
  { "never", "verdict on a failure", "a dead letter at once" },
  { "refresh", "verdict on a failure", "a new token once, then again" },
  { "error", "level of the log", "somebody has to do something" },
  { "warn", "level of the log", "it goes on, but not as it should" },
  { "info", "level of the log", "what is usual" },
  { "debug", "level of the log", "what a rule says in detail" },
}

local function add(list, kind, names, texts)
  for _, name in ipairs(names) do
    list[#list + 1] = { word = name, kind = kind, text = assert(texts[name], name) }
  end
end

local function powers()
  local set = {}
  for _, power in pairs(things.powers) do set[power] = true end
  return sorted(set)
end

--- All words in the order in which people read them. One word may be of several kinds.
---@return { word: string, kind: string, text: string }[]
function M.all()
  local list = {}
  add(list, "state of a run", { "waiting" }, STATES)
  add(list, "state of a run", host.states.run, STATES)
  add(list, "state of an effect", host.states.effect, EFFECTS)
  add(list, "word of a rule", sorted(verdicts.words), VERDICTS)
  add(list, "power", powers(), POWERS)
  list[#list + 1] = { word = "send:TARGET", kind = "power", text = "effects for a target of the configuration" }
  for _, one in ipairs(OTHERS) do list[#list + 1] = { word = one[1], kind = one[2], text = one[3] } end
  return list
end

--- What is known of a word: "send:print" is a power of the kind send:TARGET.
---@param word string
---@return { word: string, kind: string, text: string }[]
function M.find(word)
  local found = {}
  word = word:gsub("%(.*$", ""):gsub("^send%.%w+$", "send"):gsub("^send:.+$", "send:TARGET")
  for _, one in ipairs(M.all()) do
    if one.word == word then found[#found + 1] = one end
  end
  return found
end

return M
