-- What is wrong with a text that Lua cannot read, in words for people who do not write Lua every day: the place, what
-- was probably meant, and the edit when the text can be read with it.
local characters = require "altinn.events.support.characters"
local edits = require "altinn.events.rules.edits"
local positions = require "altinn.events.support.positions"
local tokens_module = require "altinn.events.rules.tokens"

local M = {}

local loads = rawget(_G, "loadstring") or load

---@class altinn.events.syntax_fault
---@field code string
---@field line integer|nil
---@field column integer|nil
---@field message string
---@field remedy string|nil
---@field fix altinn.events.edit[]|nil

-- How far a text can be read: the line of the first fault; nil when there is none.
local function faulty_line(text)
  local chunk, message = loads(text, "=x")
  if chunk then return nil end
  return tonumber(message:match("^x:(%d+):")) or 1
end

-- Whether an edit makes a text readable.
local function mends(text, fix)
  local mended = edits.apply(text, { fix })
  return faulty_line(mended) == nil
end

-- A fault with a fix, when with it the text can be read, or at least further than before.
local function with_fix(text, one, fix)
  local rest = fix and faulty_line((edits.apply(text, { fix })))
  if fix and (not rest or rest > faulty_line(text)) then one.fix = fix end
  return one
end

-- The last token before a place, and the one at it or after it.
local function around(tokens, line, column)
  for index, one in ipairs(tokens) do
    if one.line > line or one.line == line and one.column >= column then return tokens[index - 1], one, index end
  end
  return tokens[#tokens], nil, #tokens + 1
end

-- The causes, most certain first. Each gets the look { text, lines, tokens, failure (of the parser), line and message
-- (of Lua), before, after, index (of after) } and gives a fault or nil.

local causes = {}

local OTHERS = { ["{"] = "JSON", ["["] = "JSON" }

-- Another language altogether.
function causes.language(look)
  local first = look.text:match("^%s*(%S[^\n]*)") or ""
  local is_json = OTHERS[first:sub(1, 1)] and (look.text:find('^%s*[{%[]%s*["{}]'))
  local is_yaml = first:find("^%-%-%-") and not first:find("^%-%-%-[@-]") or first:find("^[%w_.-]+:%s") ~= nil
    or first:find("^[%w_.-]+:$") ~= nil
  local name = is_json and "JSON" or is_yaml and "YAML" or first:find("^%[[%w_.-]+%]%s*$") and "INI or TOML"
  if not name then return nil end
  return { code = "not-lua", line = 1, column = 1, message = ("this is %s, and a rule file is Lua"):format(name),
    remedy = "write rule { name = \"…\", on = \"…\", run = function(event, letter) … end }" }
end

local ODD = {
  quote = { "quotes", "typographic quotation marks: Lua wants \" or '", "write \" before and after the text" },
  dash = { "odd-character", "%s is no minus", "write -, or -- before a comment" },
  blank = { "odd-character", "%s, which cannot be seen, stands here", "delete it, or write a plain blank" },
  dots = { "odd-character", "%s is no Lua", "leave it out" },
}

-- A character that a word processor wrote, in the line that Lua complains of or the one before.
function causes.characters(look)
  for number = look.line, math.max(1, look.line - 1), -1 do
    local line = look.lines[number] and look.lines[number].text or ""
    local odd = characters.next(line)
    local words = odd and ODD[odd.kind]
    if words then
      local plain = characters.plain(line, odd.kind)
      local column = positions.column(line, odd.at)
      local fix = edits.one(number, 1, positions.column(line, #line + 1), plain)
      return with_fix(look.text, { code = words[1], line = number, column = column,
        message = words[2]:format(odd.name), remedy = words[3] }, fix)
    end
  end
end

-- Operators of other languages: what stands for each, and the remedy.
local OPERATORS = {
  { "===", "==", "equal is written ==" }, { "!==", "~=", "unequal is written ~=" },
  { "!=", "~=", "unequal is written ~=" }, { "&&", "and", "both is written and" },
  { "||", "or", "either is written or" }, { "=>", nil, "a function is written function(event, letter) … end" },
  { "+=", nil, "write x = x + 1" }, { "-=", nil, "write x = x - 1" }, { "..=", nil, "write x = x .. \"…\"" },
  { "++", nil, "write x = x + 1" }, { "!", "not ", "the opposite is written not" },
  { "/*", nil, "a comment is written -- …, or --[[ … ]] over several lines" },
  { "//", "--", "a comment begins with --" }, { "?", nil, "write condition and this or that" },
}

-- The places of a line that lie in a text or a comment.
local function is_in_text(look, column)
  for _, one in ipairs(look.tokens) do
    local is_there = one.kind == "string" and one.line == look.line
    if is_there and column >= one.column and column < one.stop then return true end
  end
  local line = look.lines[look.line].text
  local comment = line:find("--", 1, true)
  return comment ~= nil and positions.column(line, comment) < column
end

function causes.operators(look)
  local line = look.lines[look.line] and look.lines[look.line].text or ""
  local near = look.message:match("near '(.)") or ""
  for _, one in ipairs(OPERATORS) do
    local at = (one[1] == "=>" or one[1]:find(near, 1, true)) and line:find(one[1], 1, true)
    local column = at and positions.column(line, at)
    if at and not is_in_text(look, column) then
      local fix = one[2] and edits.one(look.line, column, column + #one[1], one[2])
      return with_fix(look.text, { code = "operator", line = look.line, column = column,
        message = ("'%s' is no operator of Lua"):format(one[1]), remedy = one[3] }, fix)
    end
  end
end

-- Words of other languages.
local WORDS = {
  elif = "elseif", elsif = "elseif", var = "local", let = "local", const = "local", def = "function",
  func = "function", fn = "function", switch = "if … elseif … end", case = "elseif", try = "pcall(function() … end)",
  import = "require", unless = "if not … then", foreach = "for _, one in ipairs(…) do",
}

function causes.words(look)
  for _, one in ipairs { look.before, look.after } do
    local instead = one and one.kind == "name" and WORDS[one.value]
    if instead and math.abs(one.line - look.line) <= 1 then
      local fix = instead:find("^%l+$") and edits.one(one.line, one.column, one.stop, instead) or nil
      return with_fix(look.text, { code = "foreign-word", line = one.line, column = one.column,
        message = ("'%s' is no word of Lua"):format(one.value), remedy = ("write %s"):format(instead) }, fix)
    end
  end
end

local NAMED = { name = true, string = true }

-- `on: "x"`: Lua sees the call of a method, or stops at the colon.
local function colon_key(look)
  local colon, name = look.after, look.before
  if not colon or colon.kind ~= ":" then colon, name = look.before, look.tokens[look.index - 2] end
  if not colon or colon.kind ~= ":" or not name or not NAMED[name.kind] then return nil end
  if name.last_line ~= colon.line then return nil end
  local fix = edits.one(colon.line, name.column, colon.stop, name.value .. " =")
  return with_fix(look.text, { code = "colon-key", line = colon.line, column = name.column,
    message = "a name and its value are joined by an equals sign", remedy = ("write %s = …"):format(name.value) }, fix)
end

-- `"on" = "x"`, and `function run(event)` in a table.
function causes.keys(look)
  local before, after = look.before, look.after
  if not before or not after then return colon_key(look) end
  if after.kind == "=" and before.kind == "string" and before.last_line == after.line then
    return with_fix(look.text, { code = "quoted-key", line = before.line, column = before.column,
      message = "the name of a part stands without quotes", remedy = ("write %s = …"):format(before.value) },
      edits.one(before.line, before.column, before.stop, before.value))
  end
  local is_function = before.kind == "function" and after.kind == "name" and before.line == after.line
  if is_function and look.message:find("'(' expected", 1, true) then
    return with_fix(look.text, { code = "function-name", line = before.line, column = before.column,
      message = "in a table the name of a function stands before it",
      remedy = ("write %s = function(…) … end"):format(after.value) },
      edits.one(before.line, before.column, after.stop, after.value .. " = function"))
  end
  return colon_key(look)
end

-- `rule(name = "a")`, and `rule` without anything.
function causes.braces(look)
  local name, bracket = look.before, look.tokens[look.index - 2]
  if name and name.kind == "name" and name.value == "rule" and look.after and look.after.kind == "name" then
    return { code = "braces", line = name.line, column = name.column, message = "rule is followed by braces",
      remedy = "write rule { … }" }
  end
  local is_named = look.after and look.after.kind == "=" and name and name.kind == "name" and bracket
    and (bracket.kind == "(" or bracket.kind == ",")
  if not is_named or not look.failure.message:find("^expected '%)'") then return nil end
  local index = look.index - 2
  while look.tokens[index] and look.tokens[index].kind ~= "(" do index = index - 1 end
  bracket = look.tokens[index]
  return bracket and { code = "braces", line = bracket.line, column = bracket.column,
    message = "values with names stand in braces", remedy = "write { and } in place of ( and )" } or nil
end

-- `if x = 1 then`.
function causes.equals(look)
  local after = look.after
  local wants_then = look.failure and look.failure.message:find("^expected 'then'")
  if not wants_then or not after or after.kind ~= "=" then return nil end
  return with_fix(look.text, { code = "equals-single", line = after.line, column = after.column,
    message = "a comparison has two equals signs", remedy = "write ==" },
    edits.one(after.line, after.column, after.stop, "=="))
end

-- What can begin a value or a name, and what can end one, so that a comma may be missing between them.
local BEGINS = { name = true, string = true, number = true, ["{"] = true, ["["] = true, ["function"] = true,
  ["true"] = true, ["false"] = true, ["nil"] = true, ["not"] = true, ["-"] = true, ["("] = true }
local ENDS = { name = true, string = true, number = true, ["}"] = true, ["]"] = true, [")"] = true, ["end"] = true,
  ["true"] = true, ["false"] = true, ["nil"] = true }

-- `'it's'`: the text ends where an apostrophe was meant.
local function is_apostrophe(before, after)
  return before.kind == "string" and after.kind == "name" and before.last_line == after.line
    and before.stop == after.column
end

function causes.comma(look)
  local before, after = look.before, look.after
  if not before or not after then return nil end
  if is_apostrophe(before, after) then
    return { code = "text-open", line = before.line, column = before.stop - 1,
      message = ("the text ends here, before '%s'"):format(after.value),
      remedy = "write the text between the other kind of quotation marks" }
  end
  if before.kind == "," and after.kind == "," then
    return with_fix(look.text, { code = "comma", line = after.line, column = after.column,
      message = "one comma too many", remedy = "remove it" }, edits.one(after.line, after.column, after.stop, ""))
  end
  local wants = look.failure and look.failure.message:match("^expected '([})])'")
  if not wants or not BEGINS[after.kind] or not ENDS[before.kind] then return nil end
  local fix = edits.one(before.last_line, before.stop, before.stop, ",")
  local next_line = faulty_line((edits.apply(look.text, { fix })))
  if next_line and next_line <= look.line then return nil end
  return with_fix(look.text, { code = "comma", line = before.last_line, column = before.stop,
    message = ("a comma is missing before '%s'"):format(tostring(after.value or after.kind):sub(1, 40)),
    remedy = "write a comma there" }, fix)
end

local OPENED = {
  ["then"] = "if … then", ["do"] = "for … do and while … do",
}

-- A word that a statement lacks.
function causes.lacking(look)
  local word = look.failure and look.failure.message:match("^expected '(%l+)' near")
  if not word or not OPENED[word] or not look.before then return nil end
  local before = look.before
  local fix = edits.one(before.last_line, before.stop, before.stop, " " .. word)
  return with_fix(look.text, { code = "word-missing", line = before.last_line, column = before.stop,
    message = ("'%s' is missing"):format(word), remedy = ("write %s"):format(OPENED[word]) }, fix)
end

-- Something that is opened and not closed.
function causes.open(look)
  local opened, closing, before = tokens_module.unclosed(look.tokens)
  if not opened then return nil end
  local where = not before and "at the end of the file" or before.line == opened.line
    and ("before column %d"):format(before.column) or ("before line %d"):format(before.line)
  return { code = closing == "end" and "end-missing" or "bracket-open", line = opened.line, column = opened.column,
    message = ("this '%s' is never closed: '%s' is missing, probably %s"):format(opened.kind, closing, where),
    remedy = closing == "end" and look.text:find("else%s+if")
      and "write end; 'else if' opens another one, elseif does not"
      or ("write %s where it belongs"):format(closing) }
end

-- A text or a comment without its end.
function causes.unfinished(look)
  local message = look.message
  local what = message:find("unfinished string", 1, true) and "text" or message:find("unfinished long", 1, true)
    and (message:find("comment", 1, true) and "comment" or "text")
  if not what then return nil end
  local failure = look.failure
  return { code = "text-open", line = failure and failure.line or look.line, column = failure and failure.column,
    message = ("this %s has no end"):format(what),
    remedy = message:find("unfinished long", 1, true) and "write ]] where it ends"
      or "close the quotation marks; a text over several lines is written [[ … ]]" }
end

local CLOSES = { ["end"] = true, ["}"] = true, [")"] = true, ["]"] = true }

-- One `end` or bracket too many: the text can be read without it.
function causes.closed(look)
  local after = look.after
  if not after or not CLOSES[after.kind] then return nil end
  local fix = edits.one(after.line, after.column, after.stop, "")
  if not mends(look.text, fix) then return nil end
  return { code = "closed-twice", line = after.line, column = after.column,
    message = ("nothing is open that '%s' could close"):format(after.kind),
    remedy = "remove it, or open what it closes", fix = after.kind ~= "end" and fix or nil }
end

local ORDER = { "language", "characters", "unfinished", "keys", "equals", "braces", "words", "operators", "comma",
  "closed", "lacking", "open" }

-- What Lua says, without the place and with the name of the text in words.
local function plain(message)
  return (message:gsub("^.-:%d+:%s*", ""))
end

--- What is wrong with a text that Lua does not read.
---@param text string
---@param message string of Lua: "file:line: …"
---@return altinn.events.syntax_fault
function M.of(text, message)
  text = text:gsub("^\239\187\191", ""):gsub("^#[^\n]*", "")
  local look = { text = text, message = message, line = tonumber(message:match(":(%d+): ")) or 1,
    lines = positions.lines(text), failure = tokens_module.fault(text), tokens = tokens_module.of(text) }
  local at = look.failure or { line = look.line, column = 1 }
  look.before, look.after, look.index = around(look.tokens, at.line, at.column)
  for _, name in ipairs(ORDER) do
    local found = causes[name](look)
    if found then return found end
  end
  return { code = "syntax", line = look.line, column = look.failure and look.failure.line == look.line
    and look.failure.column or nil, message = plain(message), remedy = "look at this line and the one before it" }
end

return M
