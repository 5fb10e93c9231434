-- The public name of altinn.events.client.maskinporten.
return require "altinn.events.client.maskinporten"
