-- The public name of altinn.events.rules.language.
return require "altinn.events.rules.language"
