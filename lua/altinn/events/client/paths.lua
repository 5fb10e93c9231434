-- The paths of the client's calls about letters and attachments, by the names of the calls (csrc/core/altinn.h,
-- AE_CALLS).
local M = {}

local LETTER, ATTACHMENT = "/correspondence/api/v1/correspondence/", "/correspondence/api/v1/attachment/"

local ALL = {
  { "overview", "letter", LETTER, "" }, { "details", "letter", LETTER, "/details" },
  { "content", "letter", LETTER, "/content" }, { "mark_read", "letter", LETTER, "/markasread" },
  { "confirm", "letter", LETTER, "/confirm" }, { "purge", "letter", LETTER, "/purge" },
  { "attachment", "attachment", ATTACHMENT, "" }, { "attachment_details", "attachment", ATTACHMENT, "/details" },
}

--- The calls that read a thing, and the kinds of things that they read.
M.reads = {
  overview = "letter", details = "letter", content = "letter", attachment = "attachment",
  attachment_details = "attachment",
}

--- Which call a path is.
---@param path string without the query
---@return string|nil name of the call
---@return string|nil kind "letter" or "attachment"
---@return string|nil id
function M.parse(path)
  for _, one in ipairs(ALL) do
    local rest = path:sub(1, #one[3]) == one[3] and path:sub(#one[3] + 1)
    local id = rest and rest:match("^([%x-]+)" .. one[4] .. "$")
    if id then return one[1], one[2], id end
  end
  local id = path:sub(1, #LETTER) == LETTER and path:match("^([%x-]+)/attachment/[%x-]+/download$", #LETTER + 1)
  if id then return "download", "letter", id end
end

--- The path of a call.
---@param name string
---@param id string
---@return string|nil path nil: it is no call about one thing
function M.of(name, id)
  for _, one in ipairs(ALL) do
    if one[1] == name then return one[3] .. id .. one[4] end
  end
end

return M
