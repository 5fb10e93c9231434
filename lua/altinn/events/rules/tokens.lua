-- The tokens of a text, also of one that Lua cannot read, by luacheck's lexer.
local syntax = require "altinn.events.rules.syntax"

local M = {}

---@class altinn.events.token
---@field kind string "name", "string", "number", or the word or sign itself
---@field value any of a name, a string, a number
---@field line integer
---@field column integer
---@field last_line integer
---@field stop integer the column after it, in its last line
---@field indent integer|nil of the first token of a line: its column

--- The tokens of a text, up to the place where none can be read. Comments are left out.
---@param text string
---@return altinn.events.token[]
function M.of(text)
  if not syntax.available() then return {} end
  local lexer, decoder = require "luacheck.lexer", require "luacheck.decoder"
  local offsets, list = {}, {}
  local state = lexer.new_state(decoder.decode(text), offsets, {})
  while true do
    local kind, value, line, offset = lexer.next_token(state)
    if not kind or kind == "eof" then break end
    local last, column = list[#list], offset - offsets[line] + 1
    if kind ~= "short_comment" and kind ~= "long_comment" then
      list[#list + 1] = { kind = kind, value = value, line = line, column = column, last_line = state.line,
        stop = state.offset - offsets[state.line] + 1,
        indent = not (last and last.last_line == line) and column or nil }
    end
  end
  return list
end

--- What the parser says of a text that it cannot read.
---@param text string
---@return { message: string, line: integer, column: integer }|nil fault nil: it reads the text, or is not there
function M.fault(text)
  if not syntax.available() then return nil end
  local parser, decoder = require "luacheck.parser", require "luacheck.decoder"
  local offsets = {}
  local ok, failure = pcall(parser.parse, decoder.decode(text), offsets, {})
  if ok or type(failure) ~= "table" or not failure.line then return nil end
  return { message = failure.msg, line = failure.line,
    column = failure.offset - (offsets[failure.line] or failure.offset) + 1 }
end

-- What opens, and what closes it. `then`, `else` and `elseif` stay within their `if`; `for` and `while` open by `do`.
local CLOSING = { ["{"] = "}", ["("] = ")", ["["] = "]", ["function"] = "end", ["if"] = "end", ["do"] = "end",
  ["repeat"] = "until" }
local CLOSES = { ["}"] = true, [")"] = true, ["]"] = true, ["end"] = true, ["until"] = true }

-- The indentation of the line of a token.
local function indent_of(tokens, index)
  while tokens[index] and not tokens[index].indent do index = index - 1 end
  return tokens[index] and tokens[index].indent or 1
end

-- Whether something opened further out begins in the column of a closing token at the beginning of a line.
local function is_of_outer(stack, token)
  local top = stack[#stack]
  if not token.indent or not top or top.token.line == token.line or token.indent >= top.indent then return false end
  for index = #stack - 1, 1, -1 do
    if stack[index].indent == token.indent then return true end
  end
  return false
end

--- The first thing that is opened and not closed, as far as indentation and order tell it.
---@param tokens altinn.events.token[]
---@return altinn.events.token|nil opened
---@return string|nil closing what is missing
---@return altinn.events.token|nil before the token before which it is missing; nil: the end of the text
function M.unclosed(tokens)
  local stack = {}
  for index, token in ipairs(tokens) do
    local top = stack[#stack]
    if CLOSING[token.kind] then stack[#stack + 1] = { token = token, indent = indent_of(tokens, index) }
    elseif CLOSES[token.kind] then
      if not top then return nil end
      if CLOSING[top.token.kind] ~= token.kind or is_of_outer(stack, token) then
        return top.token, CLOSING[top.token.kind], token
      end
      stack[#stack] = nil
    end
  end
  local top = stack[#stack]
  if top then return top.token, CLOSING[top.token.kind], nil end
end

return M
