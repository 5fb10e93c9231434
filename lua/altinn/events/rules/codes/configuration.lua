-- The codes of mistakes in the configuration, and in what it names: targets, folders, ports, variables.
local examples = require "altinn.events.rules.codes.examples"

local config = examples.config

local REFUSED = "the host does not start with it"
local LATE = "it would be found out when the host needs it"

return {
  -- The file.
  ["config-missing"] = { severity = "error", summary = "the configuration cannot be read",
    why = REFUSED, remedy = "name a file that is there and that this user may read" },
  ["config-form"] = { severity = "error", summary = "a configuration that returns no table",
    why = REFUSED, remedy = "write return { listen = \"127.0.0.1:8480\", … }",
    example = config('{ listen = "127.0.0.1:8480" }\n', 'return { listen = "127.0.0.1:8480" }\n', 1, 1) },
  ["config-word"] = { severity = "error", summary = "a word that the configuration does not have",
    why = "only env, file and plain Lua are in scope; a word without quotes is nil",
    remedy = "write texts in quotes; env \"NAME\" gives a variable, file \"PATH\" what a file holds",
    example = config("return {\n  endpoint = hooks,\n}\n",
      'return {\n  endpoint = "https://hooks.example.no/events", secret = env "SECRET",\n}\n', 2) },
  ["config-key"] = { severity = "error", summary = "a key that the configuration does not have",
    why = "a misspelt key would leave the default in force without a word",
    remedy = "write the right key; --fix does it where it is certain",
    example = config('return {\n  lissten = "127.0.0.1:8480",\n}\n', 'return {\n  listen = "127.0.0.1:8480",\n}\n', 2,
      3) },
  ["config-value"] = { severity = "error", summary = "a value that the key does not take",
    why = REFUSED, remedy = "write what the message names",
    example = config('return {\n  listen = "8480",\n}\n', 'return {\n  listen = "127.0.0.1:8480",\n}\n', 2, 12) },
  ["config-either"] = { severity = "error", summary = "two keys that exclude each other",
    why = "only one of them could count", remedy = "leave one of them out",
    example = config('return {\n  environment = "tt02",\n  base_url = "http://127.0.0.1:1",\n}\n',
      'return {\n  environment = "tt02",\n}\n', 3, 3) },

  -- Targets.
  ["target-kind"] = { severity = "error", summary = "a target that is nowhere, or in two places",
    why = "effects could not be sent", remedy = "write one of url, mail, slack, teams, folder, append, command",
    example = config('return {\n  targets = { print = { timeout = 10 } },\n}\n',
      'return {\n  targets = { print = { url = "https://print.example.no", timeout = 10 } },\n}\n', 2, 15) },
  ["target-key"] = { severity = "error", summary = "a key of another kind of targets",
    why = "it would decide nothing", remedy = "leave it out",
    example = config('return {\n  targets = { print = { url = "https://print.example.no", from = "a@example.no" } },\n'
      .. "}\n",
      'return {\n  targets = { print = { url = "https://print.example.no" } },\n}\n', 2, 59) },
  ["target-name"] = { severity = "error", summary = "an identity number in the name of a target",
    why = "names of targets stand in logs and metrics", remedy = "give it another name",
    example = config('return {\n  targets = { ["for-01020312345"] = { url = "https://print.example.no" } },\n}\n',
      'return {\n  targets = { print = { url = "https://print.example.no" } },\n}\n', 2, 13) },
  ["target"] = { severity = "error", summary = "a target that the configuration lacks",
    why = "every effect for it would be a dead letter",
    remedy = "write the target's right name, or add it to the configuration",
    example = examples.part('may = { "send:prnt" },', 'may = { "send:print" },', 11) },
  ["place"] = { severity = "warning", summary = "a folder, file or program of a target that is not there",
    why = "effects for it wait and are tried again until it is", remedy = "make it before the first event comes",
    example = config('return {\n  targets = { out = { folder = "/no/such/folder" } },\n}\n',
      'return {\n  targets = { out = { folder = "/tmp" } },\n}\n') },
  ["http-plain"] = { severity = "warning", summary = "http:// to a host outside of this network",
    why = "tokens and letters go over the network in clear", remedy = "write https://",
    example = config('return {\n  targets = { print = { url = "http://print.example.no" } },\n}\n',
      'return {\n  targets = { print = { url = "https://print.example.no" } },\n}\n', 2, 31) },

  -- Doors.
  ["ports-same"] = { severity = "error", summary = "listen and admin are one address",
    why = REFUSED, remedy = "give each a port of its own",
    example = config('return {\n  listen = "127.0.0.1:8480",\n  admin = "127.0.0.1:8480",\n}\n',
      'return {\n  listen = "127.0.0.1:8480",\n}\n', 3, 11) },
  ["door-open"] = { severity = "error", summary = "a public address without a secret",
    why = "everybody could post events to it", remedy = "set secret = env \"NAME\" (openssl rand -hex 32 makes one)",
    example = config('return {\n  endpoint = "https://hooks.example.no/events",\n}\n',
      'return {\n  endpoint = "https://hooks.example.no/events", secret = env "SECRET",\n}\n', 2, 14) },
  ["endpoint-form"] = { severity = "error", summary = "an endpoint that Altinn refuses, or that holds the secret",
    why = "no event would come", remedy = "write the public https:// address without the secret, which is added",
    example = config('return {\n  environment = "tt02", endpoint = "http://hooks.example.no/events",\n  secret = env'
      .. ' "SECRET",\n}\n', 'return {\n  environment = "tt02", endpoint = "https://hooks.example.no/events",\n'
      .. '  secret = env "SECRET",\n}\n', 2, 36) },
  ["admin-open"] = { severity = "hint", summary = "the admin address can be reached from elsewhere",
    why = "metrics and the state of the host are there for everybody who reaches it",
    remedy = "write 127.0.0.1, or let a firewall guard it",
    example = config('return {\n  admin = "0.0.0.0:8481",\n}\n', 'return {\n  admin = "127.0.0.1:8481",\n}\n', 2, 11) },

  -- Secrets.
  ["secret-short"] = { severity = "warning", summary = "a short secret",
    why = "the secret is all that proves who sends, and a short one can be guessed",
    remedy = "openssl rand -hex 32 makes a good one",
    example = config('return {\n  secret = env "SHORT",\n}\n', 'return {\n  secret = env "SECRET",\n}\n', 2, 12) },
  ["secret-readable"] = { severity = "warning", summary = "a secret in clear in a file that everybody can read",
    why = "every user and program of the machine can take it",
    remedy = "write env \"NAME\" or file \"PATH\", or chmod o-r the file",
    example = config('return {\n  secret = "0123456789abcdef0123456789abcdef",\n}\n',
      'return {\n  secret = env "SECRET",\n}\n', 2, 12) },
  ["secret-missing"] = { severity = "hint", summary = "a secret that this user cannot read",
    why = "run needs it", remedy = "--env-file FILE reads what systemd gives the host",
    example = config('return {\n  secret = env "NOWHERE",\n}\n', 'return {\n  secret = env "SECRET",\n}\n', 2) },
  ["secret-needed"] = { severity = "error", summary = "a secret that the command needs and cannot read",
    why = "the command cannot do its work without it",
    remedy = "export the variable, or name the file of variables by --env-file" },
  ["key-missing"] = { severity = "warning", summary = "the file of a key or a certificate is not there",
    why = "no token can be had, so Altinn cannot be asked",
    remedy = "put it there; paths are relative to the folder in which the command runs",
    example = config('return {\n  environment = "tt02",\n  credentials = { client_id = "a", key_file = "nokey.pem",'
      .. ' kid = "b",\n    scopes = "altinn:events.subscribe" },\n}\n',
      'return {\n  environment = "tt02",\n  credentials = { client_id = "a", key_file = "/dev/null", kid = "b",\n'
      .. '    scopes = "altinn:events.subscribe" },\n}\n', 3, 47) },

  -- Altinn.
  ["environment-mixed"] = { severity = "warning", summary = "credentials for another environment",
    why = "Altinn refuses the token", remedy = "leave credentials.environment out",
    example = config('return {\n  environment = "tt02",\n  credentials = { client_id = "a", key_file = "/dev/null",'
      .. ' kid = "b",\n    scopes = "altinn:events.subscribe", environment = "production" },\n}\n',
      'return {\n  environment = "tt02",\n  credentials = { client_id = "a", key_file = "/dev/null", kid = "b",\n'
      .. '    scopes = "altinn:events.subscribe" },\n}\n', 4, 55) },
  ["resources-form"] = { severity = "warning", summary = "a resource that Altinn cannot have",
    why = "no subscription can be made for it", remedy = "write it as Altinn has it, in lower case",
    example = config('return {\n  resources = { "Acme-Letters" },\n}\n',
      'return {\n  resources = { "acme-letters" },\n}\n', 2, 17) },

  -- Variables and files of the command.
  ["variable-unknown"] = { severity = "warning", summary = "a variable ALTINN_EVENTS_… that does not exist",
    why = "it decides nothing: the default stays in force without a word",
    remedy = "write its right name: ALTINN_EVENTS_ and the key in capitals",
    example = { wrong = { ["altinn-events.lua"] = "return {}\n", ["rules/example.lua"] = examples.rule(),
      environment = "ALTINN_EVENTS_LISSTEN=127.0.0.1:1\n" }, file = "-",
      right = { ["altinn-events.lua"] = "return {}\n", ["rules/example.lua"] = examples.rule(),
        environment = "ALTINN_EVENTS_LISTEN=127.0.0.1:1\n" } } },
  ["variable-file"] = { severity = "error", summary = "a file of variables that cannot be read",
    why = LATE, remedy = "each line is NAME=VALUE",
    example = { wrong = { ["altinn-events.lua"] = "return {}\n", ["rules/example.lua"] = examples.rule(),
      environment = "SECRET\n" }, file = "environment", line = 1,
      right = { ["altinn-events.lua"] = "return {}\n", ["rules/example.lua"] = examples.rule(),
        environment = "SECRET=x\n" } } },
  ["inbox"] = { severity = "error", summary = "an inbox that cannot be read",
    why = "check --inbox looks at what waits in it", remedy = "name the inbox of the host" },
}
