-- altinn-events promote: puts a rule that says `shadow = true` in force on the running host, by one recorded act.
-- rollback.lua is the way back.
local agreement = require "altinn.events.commands.agreement"
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"
local rules = require "altinn.events.commands.rules"

local M = { summary = "put a rule that says shadow = true in force, until its text changes", needs = {} }

--- Adds its options to the parser.
---@param command table
function M.options(command)
  command:argument("name", "the rule's name")
  options.add(command, "config", "inbox", "json", "rules", "reason")
  command:flag("--yes", "do not ask for confirmation")
end

local function counted(count, what) return ("%d %s%s"):format(count, what, count == 1 and "" or "s") end

local function print_plan(act)
  local rule, plan = act.rule, act.plan
  output.line("%s:%d: %s (version %s) says shadow = true; %s", rule.file, rule.line, rule.name, rule.version,
    act.real and "by hand it is put in force" or "it goes back into the shadow, and sends nothing more")
  if act.real then
    output.line("%s of it would have done something; these runs stay over; 'altinn-events replay' can give "
      .. "their events to it again", counted(plan.shadowed, "run"))
    output.line("%s in the shadow %s forgotten", counted(plan.memory, "value that it remembers"):gsub(
      "value that it remembers(s?)", "value%1 that it remembers"), plan.memory == 1 and "is" or "are")
  end
  output.line("%s for a time or after a failure, and %s", counted(plan.waiting, "run") .. (plan.waiting == 1
    and " waits" or " wait"), act.real and "will act then" or "will send nothing then")
end

local function result(act, done)
  return { rule = act.rule.name, version = act.rule.version, force = act.real and "real" or "shadow", plan = act.plan,
    done = done }
end

--- Carries the act out.
---@param args table
---@param config table
---@param real boolean true: in force; false: back into the shadow
---@return integer status
function M.act(args, config, real)
  local set = rules.of(config, "error")
  if not set then return 1 end
  local act <close>, message = require("altinn.events.host.force").begin(config.inbox, set, args.name, real)
  if not act then return output.failure(message) end
  if not args.json then print_plan(act) end
  local reason, status = agreement.reason(("The rule '%s' will be %s."):format(act.rule.name,
    real and "in force" or "in the shadow"), args)
  local done, problem
  if reason then done, problem = act:carry_out(reason) end
  if reason and not done then return output.failure(problem) end
  if args.json then output.json(result(act, done == true)) end
  if not reason then return status end
  if not args.json then
    output.line("%s is %s; a running host follows within a second", act.rule.name,
      real and "in force, until its text changes" or "in the shadow")
  end
  return 0
end

--- Runs the verb.
---@param args table
---@param config table
---@return integer status
function M.run(args, config) return M.act(args, config, true) end

return M
