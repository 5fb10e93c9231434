-- SQL on an inbox's file, for specs: by the sqlite3 command, so that nothing of
-- ours stands between.
local cjson = require "cjson"
local process = require "spec.support.process"

local M = {}

-- A value as a literal; texts as bytes, so that any can be given.
local function literal(value)
  if value == nil then return "NULL" end
  if type(value) == "number" then return ("%d"):format(value) end
  return ("CAST(x'%s' AS TEXT)"):format((value:gsub(".", function(c) return ("%02x"):format(c:byte()) end)))
end

local function fill(sql, ...)
  local values, count = table.pack(...), 0
  sql = sql:gsub("%?(%d*)", function(digits)
    count = count + 1
    return literal(values[tonumber(digits) or count])
  end)
  return sql
end

local function run(path, sql, mode)
  local folder = process.folder()
  process.write(folder .. "/sql", (".timeout 10000\n.bail on\n%s\n%s;\n"):format(mode, sql))
  local _, _, status = os.execute(("sqlite3 -batch %s <%s/sql >%s/out 2>%s/err"):format(process.quote(path), folder,
    folder, folder))
  local out, err = process.read(folder .. "/out"), process.read(folder .. "/err")
  process.remove(folder)
  if status ~= 0 then error(err, 0) end
  return out
end

--- The rows that SQL gives; `?` stands for the values in order.
---@param path string
---@param sql string
---@param ... any
---@return table[] rows
function M.query(path, sql, ...)
  local out = run(path, fill(sql, ...), ".mode json")
  if out == "" then return {} end
  local rows = cjson.decode(out)
  for _, row in ipairs(rows) do
    for name, value in pairs(row) do
      if value == cjson.null then row[name] = nil end
      if type(value) == "number" then row[name] = math.tointeger(value) or value end
    end
  end
  return rows
end

--- Carries out SQL that gives no rows.
---@param path string
---@param sql string
---@param ... any
function M.execute(path, sql, ...) run(path, fill(sql, ...), "") end

return M
