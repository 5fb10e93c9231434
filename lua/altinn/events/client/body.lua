-- Bodies of 2xx replies that are not what was asked for, by their headers.
local M = {}

local PAGE = {
  code = "syntax",
  message = "the reply is a page of HTML, not what was asked for: a gateway or proxy answers in Altinn's place",
}

-- A page is for people. Recipients' files come with the header Content-Disposition, also when they are HTML
-- (Altinn/altinn-correspondence FileDownloadResponseHelper.cs).
local function is_page(headers)
  local media = headers["content-type"]
  return type(media) == "string" and media:lower():find("^%s*text/html") ~= nil and not headers["content-disposition"]
end

--- Why a body is coded, though requests say Accept-Encoding: identity.
---@param headers table names in lower case
---@return { code: string, message: string }|nil fault
function M.coding_fault(headers)
  local coding = headers["content-encoding"]
  if type(coding) ~= "string" or coding:find("^%s*$") or coding:lower():find("^%s*identity%s*$") then return nil end
  coding = coding:match("^%s*([%w%-, ]*)"):sub(1, 40)
  return { code = "syntax", message = ("the reply is coded (Content-Encoding: %s), though it was asked to come as it "
    .. "is: a gateway or proxy codes it"):format(coding) }
end

--- Why a letter's text or a file is none.
---@param headers table names in lower case
---@return { code: string, message: string }|nil fault
function M.fault(headers)
  return M.coding_fault(headers) or is_page(headers) and PAGE or nil
end

return M
