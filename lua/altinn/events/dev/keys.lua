-- The keys of `dev`.
local edited = require "altinn.events.dev.edited"
local events = require "altinn.events"
local host = require("altinn.events.support.libraries").load "altinn.events.host"
local lines = require "altinn.events.dev.lines"
local terminal = require "altinn.events.dev.terminal"
local travel = require "altinn.events.dev.travel"
local why = require "altinn.events.dev.why"

local M = {}

--- What the keys do, in one line.
M.summary = "keys: l a letter's life  r the last event again  e edit it  w why  t time forward  ? help  q quit"

local HELP = {
  { "l", "makes a letter and publishes it; pressed again its recipient reads it, then confirms it" },
  { "r", "sends the last event again as a new one, about a twin of its letter, for which nothing was done yet" },
  { "e", "the last event in $EDITOR; when it was changed it is sent as a new event" },
  { "w", "why the rules did what they did with the last event, and what they wait for" },
  { "t", "moves the time of Altinn and of the host forward: timers run, letters fall due" },
  { "q", "ends; events, letters, subscriptions and the time stay for the next run" },
}

-- The last event parsed; nil and why there is none.
local function last(session)
  local row = session:last()
  if not row then return nil, "no event has come yet: l makes a letter" end
  local event, message = events.parse(row.body, { max_bytes = #row.body })
  return event, message, row
end

local on = {}

function on.l(session) session:say(session.altinn:walk()) end

function on.r(session)
  local event, message, row = last(session)
  local words
  if event then words, message = session.altinn:again(event) end
  session:say(words and ("#%d %s"):format(row.sequence, words) or lines.masked(message), not words and "yellow" or nil)
end

function on.e(session)
  local event, message, row = last(session)
  if not event then return session:say(lines.masked(message), "yellow") end
  return edited.begin(session, event, row)
end

function on.w(session)
  local row = session:last()
  if not row then return session:say("no event has come yet: l makes a letter", "yellow") end
  for _, text in ipairs(why.lines(session, row)) do session:tell { { text } } end
end

function on.t(session) return travel.ask(session) end

function on.q(session) session.ending = "quit" end

on["?"] = function(session)
  for _, row in ipairs(HELP) do session:tell { { "  " .. row[1], "bold" }, { row[2] } } end
end

on["\4"] = on.q  -- the end of a text that is typed

-- Prompts.

local function is_end(byte) return byte == "\n" or byte == "\r" end

local function end_prompt(session, text)
  local prompt = session.prompt
  session.prompt = nil
  terminal.write "\n"
  session:hold(false)
  if text then prompt.done(text) end
end

-- A byte of a text that is typed.
local function type_byte(session, byte)
  local prompt = session.prompt
  if is_end(byte) then return end_prompt(session, prompt.text) end
  if byte == "\27" or byte == "\4" then return end_prompt(session, nil) end
  if byte == "\127" or byte == "\b" then
    if prompt.text ~= "" then
      prompt.text = prompt.text:sub(1, -2)
      terminal.write "\b \b"
    end
  elseif byte:find "[ -~]" and #prompt.text < 40 then
    prompt.text = prompt.text .. byte
    terminal.write(byte)
  end
end

--- Asks for a text; lines wait meanwhile.
---@param session table
---@param question string
---@param done fun(text: string)
function M.ask(session, question, done)
  session:hold(true)
  terminal.write(question)
  session.prompt = { text = "", done = done }
end

travel.ask_by(M.ask)

-- A key that fails ends nothing.
local function press(session, call)
  local fine, message = pcall(call, session)
  if not fine then session:say(lines.masked(message), "red") end
end

--- Takes what was typed.
---@param session table
---@param typed string
function M.take(session, typed)
  if session.editor then return end  -- it was for the editor
  typed = typed:gsub("\27[%[O][%d;]*[%a~]", "")  -- arrows and the like
  for byte in typed:gmatch "." do
    if session.prompt then type_byte(session, byte)
    elseif on[byte] then press(session, on[byte])
    elseif byte:find "%g" then session:say(("no key '%s': ? tells which there are"):format(byte), "yellow") end
  end
end

--- Goes on with what takes its time: the editor, the way to another time.
---@param session table
function M.step(session)
  edited.step(session)
  travel.step(session)
end

--- Keys from now on, where there is a terminal.
---@return boolean interactive
function M.start()
  return host.terminal(io.stdin) and terminal.is_terminal() and host.keys_on() == true
end

--- No keys any more; the terminal is as it was.
---@return boolean interactive false
function M.give_up()
  host.keys_off()
  return false
end

--- The type of an event, by its text.
---@param body string
---@return string|nil type
function M.type_of(body)
  local event = events.parse(body, { max_bytes = #body })
  return event and event.type
end

--- Whether rules want an event, by its text.
---@param set table[]
---@return fun(body: string): boolean
function M.matcher(set)
  local matcher = events.matcher()
  for _, rule in ipairs(set) do
    if rule.enabled then matcher:add(rule.name, { on = rule.on, when = rule.when }) end
  end
  return function(body)
    local event = events.parse(body, { max_bytes = #body })
    return event ~= nil and #matcher:match(event) > 0
  end
end

return M
