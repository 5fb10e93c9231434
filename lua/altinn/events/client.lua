-- The public name of altinn.events.client.calls.
return require "altinn.events.client.calls"
