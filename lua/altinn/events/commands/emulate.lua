-- altinn-events emulate: Altinn in a box.
local emulator = require "altinn.events.emulator.command"

return { summary = emulator.summary, options = emulator.options, run = emulator.run, reads = "nothing" }
