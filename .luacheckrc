std = "lua54"
max_line_length = 120
exclude_files = { "build", "altinn" }
self = false

-- What a rule file has in scope (the rule language, lua/altinn/events/rule.lua).
local rule_words = {
  "rule", "done", "skip", "retry_after", "later", "workdays", "remember", "forget", "fail", "send", "step", "sent",
  "not_sent", "prefix", "absent", "present", "no", "log", "events",
}

-- Bodies name all that they are given, as their readers learn it there.
files["examples/**/*.lua"] = { read_globals = rule_words, ignore = { "212" } }
files["examples/altinn-events.lua"] = { read_globals = { "env", "file" } }
files["examples/**/altinn-events.lua"] = { read_globals = { "env", "file" } }
-- Definitions for editors: globals, empty functions, lines that cannot be broken.
files["lua/altinn/events/library"] = { ignore = { "1", "2" }, max_line_length = false }
files["spec"] = { std = "lua54+busted" }
files["**/*_spec.lua"] = { std = "lua54+busted" }
