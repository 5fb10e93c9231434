-- Events as Altinn's Correspondence raises them, all different, so that no
-- reader learns one by heart: compact JSON, 484 bytes on average.
local lib = require "spec.bench.lib"

local M = {}

M.COUNT = 4096

local TYPES = {
  "attachmentinitialized", "attachmentpublished", "attachmentuploadfailed", "attachmentexpired",
  "correspondenceinitialized", "correspondencepublished", "correspondencepurged", "correspondencepublishfailed",
  "notificationcreated", "correspondencenotificationcreationfailed", "correspondencenotificationfailed",
  "correspondencenotificationallfailed", "correspondencenotificationdelivered",
  "correspondencenotificationreminderdelivered", "correspondencereceiverread", "correspondencereceiverconfirmed",
  "correspondencereceiverneverread", "correspondencereceiverneverconfirmed",
}

local FORMAT = '{"id":"%s","resource":"urn:altinn:resource:altinn-correspondence-test-resource-%d",'
  .. '"resourceinstance":"%s","source":"https://platform.tt02.altinn.no/correspondence/api/v1/correspondence",'
  .. '"specversion":"1.0","type":"no.altinn.correspondence.%s",'
  .. '"subject":"urn:altinn:organization:identifier-no:%d","alternativesubject":"/organisation/%d",'
  .. '"time":"2024-%02d-%02dT%02d:%02d:%02d.%06dZ"}'

local function hex(count)
  local digits = {}
  for i = 1, count do digits[i] = ("%x"):format(math.random(0, 15)) end
  return table.concat(digits)
end

local function uuid() return ("%s-%s-4%s-a%s-%s"):format(hex(8), hex(4), hex(3), hex(3), hex(12)) end

local function event()
  local organisation = math.random(100000000, 999999999)
  return FORMAT:format(uuid(), math.random(1, 10000), uuid(), TYPES[math.random(#TYPES)], organisation, organisation,
    math.random(1, 12), math.random(1, 28), math.random(0, 23), math.random(0, 59), math.random(0, 59),
    math.random(0, 999999))
end

--- The same list in every run.
function M.list()
  if not M.events then
    math.randomseed(20240419)
    M.events = {}
    for i = 1, M.COUNT do M.events[i] = event() end
  end
  return M.events
end

--- The list as a file, one event a line.
function M.file()
  local path = lib.folder .. "/events.ndjson"
  return lib.write(path, table.concat(M.list(), "\n") .. "\n")
end

return M
