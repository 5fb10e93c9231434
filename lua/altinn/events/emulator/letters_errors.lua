-- The errors of the letters' API: number, status, text.
local router = require "altinn.events.emulator.router"

local M = {}

M.errors = {
  [1001] = { 404, "The requested correspondence was not found" },
  [1013] = { 400, "The sender cannot delete a correspondence that has been published" },
  [1014] = { 400, "The correspondence has already been purged" },
  [1015] = { 400, "No status was found for the correspondence" },
  [1018] = { 400, "The attachment has not been published yet" },
  [1024] = { 400, "The correspondence must be fetched before it can be marked as read" },
  [1025] = { 400, "The correspondence must be fetched before it can be confirmed" },
  [1026] = { 400, "The correspondence must be confirmed before it can be deleted" },
  [1027] = { 400, "From date cannot be after to date" },
  [1029] = { 404, "The recipient was not found" },
  [1030] = { 422, "The recipient has reserved against digital communication" },
  [1031] = { 400, "The attachment is not available to the recipient" },
  [1034] = { 409, "A correspondence with the same idempotent key already exists" },
  [1040] = { 400, "The correspondence has already been marked as read" },
  [1041] = { 400, "The correspondence has already been confirmed" },
  [1047] = { 400, "An idempotent key can only be used with one recipient" },
  [1063] = { 400, "The correspondence must not be forwarded" },
  [1064] = { 400, "The correspondence has already been forwarded" },
  [1065] = { 400, "The correspondence must be read before it can be forwarded" },
  [1066] = { 400, "The forwarding text is longer than 200 characters" },
  [1067] = { 400, "The forwarding text must be plain text" },
  [2001] = { 404, "The requested attachment was not found" },
  [2006] = { 400, "The attachment has already been purged" },
  [2007] = { 400, "An attachment that belongs to a correspondence cannot be deleted" },
  [2016] = { 400, "The sender can no longer download the attachment" },
  [2018] = { 400, "The attachment has expired" },
  [2019] = { 400, "The attachment has been purged" },
  [4001] = { 401, "You do not have access to the resource or the party" },
  [4006] = { 401, "The caller could not be determined" },
}

--- The problem object of an error.
---@param number integer
---@param path string of the request
---@return table reply
function M.problem(number, path)
  local one = M.errors[number]
  return router.problem(one[1], one[2], {
    { "instance", path }, { "code", ("CORR-%05d"):format(number) }, { "errorCode", number },
  })
end

return M
