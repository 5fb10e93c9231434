-- A letter that came to us goes into the case system, its attachments first. Only when the case system has all of it
-- does Altinn hear that the letter was read, and confirmed where its sender asks for that.
--
-- Events   correspondencepublished with ourselves as recipient.
-- Powers   reads the overview, downloads, sends to the target `cases`; marks as read and confirms.
-- Failures An attachment breaks off: what is whole in the folder stays, the rest is fetched again.
--          The case system refuses the letter: a dead letter, and Altinn shows the letter as unread.
--          The host dies between the case system and Altinn: the receipt is given when it is back.

-- Must be there, and the host must be able to write to it: with systemd ReadWritePaths names it in the unit.
local FOLDER = "/srv/letters"

-- The name of a file without anything that a path could mean.
local function plain(name) return (name:gsub("[^%w%-_. ]", "_"):gsub("^%.+", "_")) end

rule {
  name  = "archive-letter",
  about = "A letter to us: into the case system with its attachments, then read and confirmed",
  owner = "archive@agency.example",
  on    = "correspondencepublished",
  when  = { resource = "acme-letters", recipient = "987654321" },
  may   = { "read:overview", "download", "mark:read", "confirm", "send:cases" },
  retry = { within = "10d" },

  run = function(event, letter)
    local overview, files = letter:overview(), {}
    for index, attachment in ipairs(letter:attachments()) do
      files[index] = ("%s/%s-%d-%s"):format(FOLDER, letter.id, index, plain(attachment.fileName))
      step("attachment " .. index, function() letter:download(attachment, files[index]) end)
    end
    return {
      send.http("cases") {
        key = letter, path = "/v1/letters",
        json = {
          letter = letter.id, title = overview.content.messageTitle, text = overview.content.messageBody,
          from = overview.messageSender, reference = overview.sendersReference, files = files,
        },
      },
      later { at = 0, run = "receipt" }, -- after the case system has it
    }
  end,

  receipt = function(event, letter)
    letter:mark_read()
    if letter:overview().isConfirmationNeeded then letter:confirm() end
    return done "archived, and Altinn knows"
  end,
}
