-- What becomes of the letters that we send, a line for each event, in a file that a spreadsheet opens.
--
-- Events   published, read, confirmed, never read, deleted.
-- Powers   reads the letter's details for our own reference, sends to the target `receipts`: a file.
-- Failures The disk is full: the lines wait, in the order in which the events came for each letter.
--          The host dies after a line was written: the end of the file is looked at before the line is written again.

local WHAT = {
  correspondencepublished = "published",
  correspondencereceiverread = "read",
  correspondencereceiverconfirmed = "confirmed",
  correspondencereceiverneverread = "never read",
  correspondencepurged = "deleted",
}

local types = {}
for name in pairs(WHAT) do types[#types + 1] = name end
table.sort(types)

-- A cell that no spreadsheet takes for a formula, or for two.
local function cell(text)
  text = text:gsub('"', '""')
  return ('"%s%s"'):format(text:find("^[=+%-@]") and "'" or "", text)
end

rule {
  name  = "receipts",
  about = "What became of our letters: a line in a file for each event",
  owner = "post@agency.example",
  on    = types,
  when  = { resource = "acme-letters" },
  may   = { "read:details", "send:receipts" },

  run = function(event, letter)
    local reference = letter:details().sendersReference or ""
    return send.file("receipts") {
      key = event,
      line = table.concat({ event.time, WHAT[events.describe(event).name], letter.id, cell(reference), event.id }, ";"),
    }
  end,
}
