-- A configuration for production: /etc/altinn-events/altinn-events.lua.
-- Every value can come from an option of `run` or from ALTINN_EVENTS_… instead.
return {
  listen = "127.0.0.1:8480", -- behind a TLS proxy, see nginx/altinn-events.conf
  admin  = "127.0.0.1:8481", -- /healthz, /readyz, /metrics: never public
  secret = env "WEBHOOK_SECRET", -- the last part of the endpoint's address

  inbox = "/var/lib/altinn-events/inbox.db",
  rules = { "/etc/altinn-events/rules" },

  -- Where rules may send to; rules name them: send.http("print") { … }
  targets = {
    print = {
      url = "https://print.example.no",
      headers = { Authorization = env "PRINT_AUTHORIZATION" },
      timeout = 10,
    },
    alert = { url = "https://alerts.example.no" },
    archive = { url = "https://archive.example.no", timeout = 30 },
  },

  log = { format = "json" },
}
