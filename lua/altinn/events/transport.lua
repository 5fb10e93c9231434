-- The public name of altinn.events.client.transport.
return require "altinn.events.client.transport"
