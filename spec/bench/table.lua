-- The table of results.
local M = {}

local HEAD = { "axis", "ours", "peer", "ratio", "must", "reach", "verdict" }

local function reaches(row, bar)
  if bar == nil then return true end
  if row.lower then return row.value <= bar end
  return row.value >= bar
end

--- "reach", "must" or "MISSED".
function M.verdict(row)
  if row.failed then return "FAILED" end
  if row.missing then return "no peer" end
  if not row.must then return "-" end
  if reaches(row, row.reach) then return "reach" end
  return reaches(row, row.must) and "must" or "MISSED"
end

local function shown(row, number)
  if not number then return "-" end
  return ((row.bar or row.format):format(number):gsub("(%.%d-)0+(%D*)$", "%1%2"):gsub("%.(%D*)$", "%1"))
end

local function cells(row)
  local peer = row.peer or "-"
  if row.missing then peer = "install " .. row.missing end
  return { row.axis, row.ours or "-", peer, row.value and row.format:format(row.value) or "-", shown(row, row.must),
    shown(row, row.reach), M.verdict(row) }
end

local function width(text) return utf8.len(text) or #text end

local function line(list, widths)
  local parts = {}
  for i, text in ipairs(list) do
    local blank = (" "):rep(widths[i] - width(text))
    parts[i] = (i == 1 or i == #list) and text .. blank or blank .. text
  end
  return (table.concat(parts, "  "):gsub("%s+$", ""))
end

--- The rows as lines of text.
---@param rows table[] { axis=, ours=, peer=, value=, format=, must=, reach=, lower=, missing=, failed= }
function M.render(rows)
  local list, widths = { HEAD }, {}
  for i, row in ipairs(rows) do list[i + 1] = cells(row) end
  for _, row in ipairs(list) do
    for i, text in ipairs(row) do widths[i] = math.max(widths[i] or 0, width(text)) end
  end
  local lines = {}
  for i, row in ipairs(list) do lines[i] = line(row, widths) end
  for _, row in ipairs(rows) do
    if row.failed then lines[#lines + 1] = ("%s failed: %s"):format(row.name, row.failed) end
  end
  return table.concat(lines, "\n")
end

return M
