-- The public name of altinn.events.event.webhook.
return require "altinn.events.event.webhook"
