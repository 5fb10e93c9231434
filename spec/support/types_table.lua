-- The README's tables of event types, made of the catalogue. `lua spec/support/types_table.lua README.md` writes them
-- anew between their marks.
local types = require "altinn.events.commands.types"

local M = {}

M.FIRST, M.LAST = "<!-- types -->", "<!-- /types -->"

local function row(...) return "| " .. table.concat({ ... }, " | ") .. " |" end

local function correspondence(lines, rows)
  lines[#lines + 1] = row("type", "when it comes", "reaches", "about", "what to do",
    "differs from Altinn's documentation")
  lines[#lines + 1] = "|---|---|---|---|---|---|"
  for _, one in ipairs(rows) do
    if one.publisher == "correspondence" then
      lines[#lines + 1] = row("`" .. one.name .. "`", one.raised and one.summary or "never (" .. one.summary .. ")",
        one.raised and table.concat(one.reaches, ", ") or "nobody", one.about, one.advice, one.note or "")
    end
  end
end

local function others(lines, rows)
  local activities = {}
  lines[#lines + 1] = row("type", "in the event", "when it comes")
  lines[#lines + 1] = "|---|---|---|"
  for _, one in ipairs(rows) do
    if one.name:find "^dialogactivity" then
      activities[#activities + 1] = "`" .. one.name .. "`"
    elseif one.publisher ~= "correspondence" then
      lines[#lines + 1] = row("`" .. one.name .. "`", "`" .. one.type .. "`", one.summary)
    end
  end
  lines[#lines + 1] = row("`app.instance.process.movedTo.*`", "`app.instance.process.movedTo.Task_1`",
    "an app instance came to a task")
  lines[#lines + 1] = row(table.concat(activities, ", "), "`dialogporten.dialog.activity.….v1`", "activity of a dialog")
end

--- The tables as they stand in the README.
---@return string
function M.text()
  local lines, rows = {}, types.rows()
  correspondence(lines, rows)
  lines[#lines + 1] = "\nTypes of others, which come under a letter's resource, or to whoever subscribes to theirs:\n"
  others(lines, rows)
  return table.concat(lines, "\n") .. "\n"
end

if arg and arg[0] and arg[0]:find "types_table%.lua$" then
  local file = assert(io.open(arg[1], "rb"))
  local text = file:read("a")
  file:close()
  local from, to = assert(text:find(M.FIRST, 1, true)), assert(text:find(M.LAST, 1, true))
  text = text:sub(1, from + #M.FIRST - 1) .. "\n" .. M.text() .. text:sub(to)
  file = assert(io.open(arg[1], "wb"))
  assert(file:write(text))
  assert(file:close())
end

return M
