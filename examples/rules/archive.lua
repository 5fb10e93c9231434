-- A letter that came to us goes into a folder, its files first. Only when all of it is there Altinn hears that it was
-- read, and confirmed where its sender asks for that. Whatever fails is done again from the beginning; the names of the
-- files stay the same.
-- Must be there, and the host must be able to write to it: with systemd ReadWritePaths names it in the unit.
local FOLDER = "/srv/letters"

-- The name of a file without anything that a path could mean.
local function plain(name) return (name:gsub("[^%w%-_. ]", "_"):gsub("^%.+", "_")) end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
end

rule {
  name = "archive-letter",
  about = "A letter to us: into the archive with its files, then read and confirmed",
  on = "correspondencepublished",
  when = { resource = "acme-letters", recipient = "987654321" },
  may = { "read:overview", "download", "mark:read", "confirm" },
  retry = { within = "10d" },

  run = function(_, letter)
    local overview = letter:overview()
    local content, confirm = overview.content, overview.isConfirmationNeeded
    for index, attachment in ipairs(content.attachments or {}) do
      letter:download(attachment, ("%s/%s-%d-%s"):format(FOLDER, letter.id, index, plain(attachment.fileName)))
    end
    write(("%s/%s.md"):format(FOLDER, letter.id), ("# %s\n\n%s\n"):format(content.messageTitle, content.messageBody))
    letter:mark_read()
    if confirm then letter:confirm() end
    return skip("archived in " .. FOLDER)
  end,
}
