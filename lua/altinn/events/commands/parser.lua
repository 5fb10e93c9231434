-- The words of the commands of Altinn's side.
local M = {}

local function add_altinn(command)
  command:option("--config", "the configuration file (default: altinn-events.lua, if it is there)"):argname "FILE"
  command:option("--environment", "which Altinn: tt02, production, …"):argname "NAME"
  command:option("--base-url", "its address instead, for instance an emulator's"):argname "URL"
  command:option("--endpoint", "the public address of the webhook"):argname "URL"
  command:flag("--json", "print JSON")
  return command
end

local function seconds(text)
  local number = tonumber(text)
  if number and number >= 0 and number < 3600 then return number end
  return nil, ("'%s' is no number of seconds below 3600"):format(text)
end

local function number(text)
  local value = math.tointeger(tonumber(text))
  if value and value > 0 then return value end
  return nil, ("'%s' is no whole number above 0"):format(text)
end

local function add_wait(command)
  command:option("--wait", "seconds to wait for Altinn to validate the endpoint", "30"):argname "SECONDS"
    :convert(seconds)
end

local function add_subscriptions(parser)
  local subscriptions = parser:command("subscriptions", "subscriptions by hand; see plan for those of the rules")
  subscriptions:command_target "subscriptions_verb"
  add_altinn(subscriptions:command("list", "list those of this identity"))
  local create = add_altinn(subscriptions:command("create", "make one"))
  create:option("--resource", "the resource, for instance acme-letters"):argname "NAME":count(1)
  create:option("--subject", "only events about this party"):argname "PARTY"
  create:option("--type", "only events of this type"):argname "TYPE"
  create:flag("--include-subunits", "also about the subunits of the party")
  create:option("--name", "a word at the end of the address; keeps it apart from those of the plan"):argname "NAME"
  create:option("--to", "the whole address to post to, instead of the configured endpoint"):argname "URL"
  add_wait(create)
  local delete = add_altinn(subscriptions:command("delete", "delete some"))
  delete:argument("ids", "their numbers"):args "+":convert(number)
end

local function add_plan(parser)
  for _, verb in ipairs { { "plan", "the subscriptions that the rules need, against those that exist" },
    { "apply", "make the missing ones, and remove those that others have replaced" } } do
    local command = add_altinn(parser:command(verb[1], verb[2]))
    command:argument("rules", "rule files or folders (default: rules/)"):args "*"
    command:flag("--narrow", "one subscription for each type, so that less comes that no rule wants")
    command:option("--overlap", "how long old and new stand side by side (default: 1h)"):argname "SPAN"
    command:flag("--remove-unknown", "remove also those under the endpoint whose secret is not in the configuration")
    command:flag("--now", "remove replaced ones without the overlap; events may be missed")
    if verb[1] == "apply" then add_wait(command) end
  end
end

local function add_pull(parser)
  local pull = add_altinn(parser:command("pull", "events from Altinn's store, which goes back 90 days"))
  pull:option("--resource", "the resource, for instance acme-letters"):argname "NAME":count(1)
  pull:option("--after", "the id of the last event seen (default: from the beginning)"):argname "ID"
  pull:option("--type", "only this type; may be repeated; a * may stand at its end"):argname "TYPE":count "*"
  pull:option("--subject", "only events about this party"):argname "PARTY"
  pull:option("--size", "events in one answer (most: 1000)"):argname "N":convert(number)
  pull:option("--limit", "at most so many (default: 50; with --deliver: all)"):argname "N":convert(number)
  pull:option("--deliver", "post them to the host, or to URL, as Altinn would"):argname "URL":args "?"
end

--- Adds the commands of Altinn's side to the parser.
---@param parser table an argparse parser
function M.add(parser)
  add_subscriptions(parser)
  add_plan(parser)
  add_pull(parser)
  local letter = add_altinn(parser:command("letter",
    "what Altinn says of a letter; asked by its recipient this counts as fetched"))
  letter:argument("id", "the letter's id")
  letter:flag("--timeline", "what happened to it, in order")
  local types = parser:command("types", "the event types: when each comes, whom it reaches, what to do with it")
  types:argument("names", "only these, or those with this word: letter, published, dialogporten"):args "*"
  types:flag("--json", "print JSON")
  local token = add_altinn(parser:command("token", "get a token and print what it says"))
  token:flag("--show", "print the token itself, and nothing else")
  add_altinn(parser:command("doctor", "try everything between here and Altinn, and say how to mend what fails"))
end

return M
