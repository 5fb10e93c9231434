-- A configuration for production: /etc/altinn-events/altinn-events.lua.
-- Options of `run` come before it, and variables: ALTINN_EVENTS_LISTEN, ALTINN_EVENTS_LIMITS_MAX_BYTES, …
return {
  listen = "127.0.0.1:8480", -- behind a TLS proxy, see nginx/altinn-events.conf
  admin  = "127.0.0.1:8481", -- /healthz, /readyz, /metrics: never public
  secret = env "WEBHOOK_SECRET", -- the last part of the endpoint's address

  -- Altinn's side: what plan, apply, pull, letter, token and doctor use.
  environment = "production",
  endpoint = "https://hooks.example.no/events", -- the secret is added to it
  credentials = {
    client_id = "0f1e2d3c-4b5a-4968-8776-655443322110",
    key_file = "/etc/altinn-events/maskinporten.pem",
    kid = "2026-08",
    -- A service owner's. A recipient has altinn:events.subscribe and altinn:correspondence.read.
    scopes = { "altinn:events.subscribe", "altinn:serviceowner", "altinn:correspondence.write" },
  },
  resources = { "acme-letters" }, -- of rules that name none

  inbox = "/var/lib/altinn-events/inbox.db",
  rules = { "/etc/altinn-events/rules" },

  -- Where rules may send to; rules name them: send.http("print") { … }
  targets = {
    print = {
      url = "https://print.example.no",
      headers = { Authorization = env "PRINT_AUTHORIZATION" },
      timeout = 10,
    },
    archive = { url = "https://archive.example.no", timeout = 30 },
    cases = { url = "https://cases.example.no", timeout = 30 },
    mail = {
      mail = "smtps://mail.example.no",
      from = "altinn@agency.example",
      user = "altinn",
      password = env "MAIL_PASSWORD",
    },
    duty = { teams = env "TEAMS_ADDRESS" }, -- the address of a workflow is a secret
    receipts = { append = "/srv/letters/receipts.csv", header = "time;what;letter;reference;event" },
    -- On this machine: send.file("out") { … } and send.file("list") { line = … }, send.command("load") { json = … }.
    -- Under systemd, ReadWritePaths= of the unit names the folder.
    out = { folder = "/srv/letters" },
    list = { append = "/srv/letters/all.csv", header = "letter;resource;published" },
    load = { command = { "/usr/local/bin/load-letter", "--quiet" }, timeout = 60, at_once = 1 },
  },

  log = { format = "json" },
}
