-- Words of Altinn's documentation for things that have another name here, and the hints that name ours.
local suggest = require "altinn.events.support.suggest"

local M = {}

local RESOURCE = 'when.resource, as in when = { resource = "acme-letters" }'
local PARTY = 'when.recipient or when.sender, as in when = { recipient = "987654321" }'
local TYPE = 'on, as in on = "correspondencepublished"'

-- Altinn's word in lower case -> ours in a rule, among the options of client:subscribe, in the configuration.
local words = {
  resourcefilter = { rule = RESOURCE, option = "resource", configuration = "resources, or a rule's " .. RESOURCE },
  subjectfilter = { rule = PARTY, option = "subject", configuration = "a rule's " .. PARTY },
  alternativesubjectfilter = { rule = PARTY, option = "subject", configuration = "a rule's " .. PARTY },
  typefilter = { rule = TYPE, option = "type", configuration = "a rule's " .. TYPE },
  sourcefilter = { rule = "when.source", option = "source", configuration = "a rule's when.source" },
  includesubunits = { option = "include_subunits" },
  endpoint = { option = "endpoint", configuration = "endpoint" },
  receiver = { rule = "when.recipient", option = "subject" },
  organisation = { rule = PARTY, option = "subject" }, organization = { rule = PARTY, option = "subject" },
  orgnumber = { rule = PARTY, option = "subject" }, party = { rule = PARTY, option = "subject" },
  resourceid = { rule = RESOURCE, option = "resource", configuration = "resources, or a rule's " .. RESOURCE },
  correspondenceid = { rule = "when.resourceinstance" },
}

-- Altinn's words that have one of ours at this place.
local function leading(place)
  local list = {}
  for word, ours in pairs(words) do
    if ours[place] then list[#list + 1] = word end
  end
  return list
end

--- A hint at the right word for a wrong one: Altinn's own word leads to ours,
--- any other to the nearest of the known.
---@param word any what somebody wrote
---@param known string[]|table<string, any> the words that would be right
---@param place "rule"|"option"|"configuration" where it was written
---@return string hint " (Altinn's word; here it is …)", " (did you mean '…'?)" or ""
function M.hint(word, known, place)
  word = tostring(word)
  local ours = words[word:gsub("[_%-]", ""):lower()]
  if ours and ours[place] then return (" (Altinn's word; here it is %s)"):format(ours[place]) end
  local hint = suggest.hint(word, known)
  if hint ~= "" then return hint end
  local near = suggest.nearest(word, leading(place))
  return near and (" (here it is %s)"):format(words[near][place]) or ""
end

return M
