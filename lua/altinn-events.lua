-- The script of the command altinn-events.
os.exit(require("altinn.events.command").main(arg), true)
