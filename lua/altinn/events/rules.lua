-- The public name of altinn.events.rules.loading.
return require "altinn.events.rules.loading"
