-- The demonstration's configuration: the example rules that send to HTTP
-- services, one small service of its own as each of these, and Altinn in a box
-- as Altinn. It is that of a service owner: it hears of all letters of its
-- resource.
local service = "http://127.0.0.1:8482"
local altinn = "http://127.0.0.1:8483"

return {
  listen = "127.0.0.1:8480",
  admin = "127.0.0.1:8481",
  rules = {
    "examples/rules/never_read.lua", "examples/rules/paper.lua",
    "examples/rules/publish_failed.lua", "examples/rules/purged.lua",
  },
  resources = { "acme-letters" },
  targets = {
    print = { url = service .. "/print", timeout = 5 },
    archive = { url = service .. "/archive", timeout = 5 },
  },
  base_url = altinn,
  endpoint = "http://127.0.0.1:8480/events",
  credentials = {
    client_id = "demonstration", kid = "demonstration", key_file = env "DEMO_KEY",
    issuer = altinn .. "/",
    scopes = { "altinn:events.subscribe", "altinn:serviceowner", "altinn:correspondence.write" },
  },
}
