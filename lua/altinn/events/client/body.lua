-- Recognises, by the headers, bodies of 2xx replies that did not come from Altinn.
local M = {}

local PAGE = {
  code = "syntax",
  message = "the reply is a page of HTML, not what was asked for: a gateway or proxy answers in Altinn's place",
}

-- Whether the body is a page of HTML. Recipients' files have the header Content-Disposition, also files of HTML
-- (Altinn/altinn-correspondence FileDownloadResponseHelper.cs).
local function is_page(headers)
  local media = headers["content-type"]
  return type(media) == "string" and media:lower():find("^%s*text/html") ~= nil and not headers["content-disposition"]
end

--- The fault of a compressed body: requests say Accept-Encoding: identity.
---@param headers table names in lower case
---@return { code: string, message: string }|nil fault
function M.coding_fault(headers)
  local coding = headers["content-encoding"]
  if type(coding) ~= "string" or coding:find("^%s*$") or coding:lower():find("^%s*identity%s*$") then return nil end
  coding = coding:match("^%s*([%w%-, ]*)"):sub(1, 40)
  return { code = "syntax", message = ("the reply is coded (Content-Encoding: %s), though it was asked to come as it "
    .. "is: a gateway or proxy codes it"):format(coding) }
end

--- The fault of a reply that should be a letter's text or a file.
---@param headers table names in lower case
---@return { code: string, message: string }|nil fault
function M.fault(headers)
  return M.coding_fault(headers) or is_page(headers) and PAGE or nil
end

return M
