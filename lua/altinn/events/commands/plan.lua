-- altinn-events plan and apply: the subscriptions that the rules need.
local connection = require "altinn.events.commands.connection"
local duration = require "altinn.events.support.duration"
local findings = require "altinn.events.rules.findings"
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"
local plan = require "altinn.events.subscriptions.plan"
local prepare = require "altinn.events.host.prepare"
local rules = require "altinn.events.rules.loading"

local M = {
  summary = "the subscriptions that the rules need, against those that exist",
  needs = { "secret", "endpoint", "base_url", "credentials", "token" },
}

-- The plan of the rules, or the status with which the command ends.
local function computed(config)
  local set, list = prepare.rules(config)
  for _, finding in ipairs(set and {} or list) do output.complain(findings.text(finding)) end
  if not set then return nil, 1 end
  return plan.compute(set, { resources = config.resources, narrow = config.narrow })
end

local function notes(list)
  local texts = output.list {}
  for index, note in ipairs(list) do texts[index] = output.masked(rules.describe_problem(note)) end
  return texts
end

local function difference(job)
  local link = job.link
  local existing, message, code = link.client:subscriptions()
  if not existing then return nil, message, code end
  local steps = plan.difference(job.made.subscriptions, existing, {
    endpoint = link:address(), now = os.time(), overlap = job.overlap, remove_unknown = job.remove_unknown,
    owner = function(address) return link:owner(address) end,
  })
  return steps, existing
end

-- Adds the warnings that concern only subscribers who are not a service owner, when we are none.
local function add_demands(job, existing)
  if #job.made.demands == 0 or not job.link:needs_subject(existing) then return end
  for _, note in ipairs(job.made.demands) do table.insert(job.made.warnings, note) end
end

-- A step for people and programs.

local moments = { wait = "remove_after", remove = "heard_until" }

local function row_of(link, step)
  local box, one = step.planned or {}, step.subscription or {}
  local row = {
    action = step.action, id = one.id, why = step.why, done = step.done, failure = step.failure,
    resource = output.masked(box.resource or one.resourceFilter),
    subject = output.masked(box.subject or one.subjectFilter), type = output.masked(box.type or one.typeFilter),
    endpoint = link:mask(one.endPoint or link:address()),
  }
  row[moments[step.action] or "deaf_until"] = output.moment(step.at)
  if step.planned then
    row.rules, row.filters = output.list(box.rules), output.list {}
    for index, why in ipairs(box.why) do row.filters[index] = output.masked(why) end
  end
  return row
end

local signs = { create = "+", validate = "~", keep = "=", remove = "-", wait = ".", foreign = " ", unknown = "?" }

local function filters_text(box)
  return ("%s  %s  %s"):format(plan.short(box.resource) or "any resource", plan.short(box.subject) or "every subject",
    plan.short(box.type) or "every type")
end

local function print_row(row)
  output.line("%s %-8s %7s  %s", signs[row.action], row.action, row.id or "", filters_text(row))
  if not row.rules then output.line("                     %s", row.endpoint) end
  output.line("                     %s", row.why)
  if row.rules then output.line("                     for %s", table.concat(row.rules, ", ")) end
  for _, why in ipairs(row.filters or {}) do output.line("                     %s", why) end
  if row.deaf_until then output.line("                     may miss events until %s", row.deaf_until) end
  if row.heard_until then output.line("                     may still deliver until %s", row.heard_until) end
  if row.remove_after then output.line("                     apply removes it after %s", row.remove_after) end
end

local function print_notes(made)
  for _, text in ipairs(notes(made.warnings)) do output.complain("warning: " .. text) end
  for _, text in ipairs(notes(made.problems)) do output.complain(text) end
end

local function counted(rows)
  local counts, texts = {}, {}
  for _, row in ipairs(rows) do counts[row.action] = (counts[row.action] or 0) + 1 end
  for _, action in ipairs { "create", "validate", "keep", "wait", "remove", "foreign", "unknown" } do
    if counts[action] then texts[#texts + 1] = ("%d %s"):format(counts[action], action) end
  end
  return #texts > 0 and table.concat(texts, ", ") or "nothing"
end

local function print_plan(args, link, made, steps, existing)
  local rows = output.list {}
  for index, step in ipairs(steps) do rows[index] = row_of(link, step) end
  local identity = output.masked(link:identity(existing))
  if args.json then
    output.json { identity = identity, endpoint = link:mask(link:address()), differs = plan.differs(steps),
      steps = rows, problems = notes(made.problems), warnings = notes(made.warnings) }
    return
  end
  output.line("identity %s", identity)
  output.line("endpoint %s", link:mask(link:address()))
  for _, row in ipairs(rows) do print_row(row) end
  output.out(counted(rows))
  print_notes(made)
end

-- The beginning of both verbs: a job with connection, plan and overlap; or nil and the status.
local function begin(args, config)
  local overlap, message, code, link, address, made, status
  overlap, message = duration.parse(args.overlap or plan.cache)
  if not overlap then
    output.complain("--overlap: " .. message)
    return nil, 2
  end
  made, status = computed(config)
  if not made then return nil, status end
  link, message, code = connection.open(config)
  if not link then return nil, output.failure(message, code) end
  address, message, code = link:address()
  if not address then return nil, output.failure(message, code) end
  return { link = link, made = made, overlap = args.now and -math.huge or overlap,
    remove_unknown = args.remove_unknown }
end

--- Adds the options that plan and apply share.
---@param command table
function M.options(command)
  options.add(command, "config", "altinn", "json", "rules")
  command:epilog "Exit status: 0 nothing to do, or done; 1 failed; 2 (plan) there is something to do, or wrong usage."
  command:flag("--narrow", "one subscription for each type, so that less comes that no rule wants")
  command:option("--overlap", "how long old and new stand side by side (default: 1h)"):argname "SPAN"
  command:flag("--remove-unknown", "remove also those under the endpoint whose secret is not in the configuration")
  command:flag("--now", "remove replaced ones without the overlap; events may be missed")
end

--- Prints the steps that apply would take. Status 2 when there is one.
---@param args table
---@param config table
---@return integer status
function M.run(args, config)
  local job, status = begin(args, config)
  if not job then return status end
  local steps, existing, code = difference(job)
  if not steps then return job.link:failure(existing, code) end
  add_demands(job, existing)
  print_plan(args, job.link, job.made, steps, existing)
  if #job.made.problems > 0 then return 1 end
  return plan.differs(steps) and 2 or 0
end

-- Carries out.

local function told(args, step, text)
  step.done = true
  if not args.json then output.out(text) end
end

local function subscribed(args, link, step)
  local box = step.planned
  if step.anew then
    local ok, message, code = link.client:unsubscribe(step.subscription.id)
    if not ok and code ~= "not_found" then return nil, message, code end
  end
  local one, message, code, detail = link.client:subscribe {
    endpoint = link:address(), resource = box.resource, subject = box.subject, type = box.type,
    wait = args.wait > 0 and args.wait or nil,
  }
  if not one then
    local made = type(detail) == "table" and detail.subscription
    if made then return nil, link:unvalidated(made, args.wait), "unvalidated" end
    return nil, message, code
  end
  told(args, step, ("+ %d made, %s: %s"):format(one.id,
    one.validated == true and "validated" or "not validated yet", filters_text(box)))
  return one
end

-- Codes of failures after which the next subscription would fail in the same way.
local hopeless = { unvalidated = true, network = true, tls = true, timeout = true, auth = true }

local function create_missing(args, link, steps)
  local ok = true
  for _, step in ipairs(steps) do
    if step.action == "create" or step.action == "validate" then
      local one, message, code = subscribed(args, link, step)
      if not one then
        ok, step.failure = false, link:explained(message, code)
        output.complain(("%s: %s"):format(plan.short(step.planned.resource), step.failure))
        if hopeless[code] then break end
      end
    end
  end
  return ok
end

local function remove_due(args, link, steps)
  local ok = true
  for _, step in ipairs(steps) do
    if step.action == "remove" then
      local id = step.subscription.id
      local gone, message, code = link.client:unsubscribe(id)
      if gone or code == "not_found" then
        told(args, step, ("- %d deleted; may still deliver until %s"):format(id,
          output.moment(os.time() + plan.cache)))
      else
        ok, step.failure = false, link:explained(message, code)
        output.complain(("subscription %d: %s"):format(id, step.failure))
      end
    end
  end
  return ok
end

local function all_rows(link, first, second)
  local rows = output.list {}
  for _, step in ipairs(first) do
    if step.action == "create" or step.action == "validate" then rows[#rows + 1] = row_of(link, step) end
  end
  for _, step in ipairs(second or {}) do
    if step.action == "remove" or step.action == "wait" or step.action == "unknown" then
      rows[#rows + 1] = row_of(link, step)
    end
  end
  return rows
end

local function print_applied(args, job, ok, first, second)
  local rows = all_rows(job.link, first, second)
  if args.json then
    output.json { ok = ok, steps = rows, warnings = notes(job.made.warnings) }
    return
  end
  local left = 0
  for _, row in ipairs(rows) do
    if row.action == "wait" then
      output.line(". %d stays until %s, so that no event is missed; then run apply again", row.id,
        row.remove_after or "?")
    elseif row.action == "unknown" then
      left = left + 1
      output.line("? %d is left alone: %s: %s", row.id, row.endpoint, row.why)
    end
  end
  if ok and #rows == left then output.out("nothing to do") end
  for _, text in ipairs(notes(job.made.warnings)) do output.complain("warning: " .. text) end
end

--- Makes the missing subscriptions, then removes those whose replacements are old enough. Removes none when one could
--- not be made.
---@param args table
---@param config table
---@return integer status
function M.apply(args, config)
  local job, status = begin(args, config)
  if not job then return status end
  if #job.made.problems > 0 then
    print_notes(job.made)
    output.complain "nothing was changed: not every rule can be subscribed for"
    return 1
  end
  local first, message, code = difference(job)
  if not first then return job.link:failure(message, code) end
  add_demands(job, message)
  local ok, second = create_missing(args, job.link, first), nil
  if ok then
    second, message, code = difference(job)
    if not second then return job.link:failure(message, code) end
    ok = remove_due(args, job.link, second)
  end
  print_applied(args, job, ok, first, second)
  return ok and 0 or 1
end

return M
