-- altinn-events test: runs the specs beside the rules.
local durations = require "altinn.events.support.duration"
local options = require "altinn.events.commands.options"
local output = require "altinn.events.commands.output"

local M = { summary = "run the specs (*_spec.lua) beside the rules", reads = "itself" }

local FORMATS = { "text", "tap", "junit", "json" }
local ENDED_BY = { int = 130, term = 143, hup = 129 }  -- exit status, as shells have it

local function span(text)
  local seconds, message = durations.parse(tonumber(text) or text)
  if seconds and seconds > 0 and seconds <= 86400 then return { seconds = seconds, text = text } end
  return nil, "--limit: " .. (message or "at least a moment, and at most a day")
end

local function pattern(text)
  local ok, message = pcall(string.find, "", text)
  if ok then return text end
  return nil, "--filter: " .. message:gsub("^.-:%d+: ", "")
end

local function seed(text)
  local number = math.tointeger(tonumber(text))
  if number then return number end
  return nil, ("--seed: '%s' is no whole number"):format(text)
end

--- Adds its options to the parser.
---@param test table
function M.options(test)
  options.add(test, "config", "json")
  test:argument("rules", "rule files, folders of them, or spec files (default: the configuration's rules)"):args "*"
  test:option("--format", "text (default), tap, junit or json"):choices(FORMATS)
  test:option("--filter", "only specs whose whole name has this pattern of Lua"):argname "PATTERN":convert(pattern)
  test:option("--seed", "of all random numbers; printed with each run"):argname "N":convert(seed)
  test:flag("--shuffle", "in an order that depends on the seed")
  test:option("--jobs", "files at the same time (default: the number of cores)"):argname "N"
    :convert(options.whole "--jobs")
  test:option("--limit", "what a spec, or a hook, may take (default: 60s)"):argname "SPAN":convert(span)
  test:flag("--coverage", "tell which lines of the rules were run")
  test:option("--coverage-file", "write them to a file, as lcov reads it"):argname "FILE"
  test:flag("--host", "run each world on the real host, with its threads and sockets")
  test:flag("--texts"):hidden(true)  -- the rules' texts come from standard input: see host/trial.lua
end

-- The rules, and the spec files.

local function config_of(args)
  local config, problems = require("altinn.events.host.config").load {
    config = args.config, env_file = args.env_file, values = options.values(args), needs = {},
  }
  for _, problem in ipairs(problems or {}) do output.complain(problem) end
  return config
end

local function paths_of(args)
  if #args.rules > 0 then return args.rules end
  local config = config_of(args)
  return config and config.rules
end

local function specs_of(paths)
  local specs, message = require("altinn.events.test.runner.find").specs(paths)
  if specs and #specs > 0 then return specs end
  local folder = require("altinn.events.support.path").folder()
  output.complain(("no specs: %s (the working folder is %s)"):format(
    message or "looked for *_spec.lua beside the rules, in " .. table.concat(paths, ", "), folder))
end

-- What the specs are run with.

local function has_busted()
  local fine, message = require("altinn.events.support.libraries").has_busted()
  if not fine then output.complain(message) end
  return fine
end

-- The rule files that the specs are about.
local function rule_files(paths)
  local files = {}
  for _, path in ipairs(paths) do
    if path:find "_spec%.lua$" then path = path:match "^(.*)/" or "." end
    for _, file in ipairs(require("altinn.events.rules.loading").files { path } or {}) do files[#files + 1] = file end
  end
  return files
end

local function repeated_options(args)
  local list = {}
  if args.host then list[#list + 1] = "--host" end
  if args.limit then list[#list + 1] = "--limit " .. args.limit.text end
  return list
end

local function is_colourful(host)
  return host.terminal(io.stdout) and (os.getenv "NO_COLOR" or "") == "" and os.getenv "TERM" ~= "dumb"
end

local function new_report(args, host, broken, chosen_seed)
  local format = args.json and "json" or args.format or "text"
  return require("altinn.events.test.runner.report_" .. format).new(function(text)
    local ok, why = io.stdout:write(text)
    if ok then ok, why = io.stdout:flush() end
    if not ok then broken.why = broken.why or why end
  end, {
    seed = chosen_seed, options = repeated_options(args), colour = is_colourful(host),
    errors = function(text) io.stderr:write(text) end,
  })
end

local function pool_options(args, host, report, broken, chosen_seed, coverage)
  local limit = args.limit or { seconds = 60, text = "60 s" }
  return {
    jobs = args.jobs or host.cores(), limit = limit.seconds, limit_text = durations.text(limit.seconds),
    seed = chosen_seed, shuffle = args.shuffle, filter = args.filter, coverage = coverage,
    world = require "altinn.events.test",
    variables = args.host and { ALTINN_EVENTS_TEST_HOST = "real" } or nil,
    on = {
      result = function(...) report:result(...) end, file = function(...) report:file(...) end,
      stop = function() return broken.why ~= nil end,
    },
  }
end

-- The coverage.

local function write_lcov(path, parts)
  local file, message = io.open(path, "w")
  local ok = file
  if file then
    ok, message = file:write(require("altinn.events.test.runner.coverage").lcov(parts))
    ok = file:close() and ok
  end
  if not ok then output.complain(("--coverage-file %s"):format(message or path)) end
  return ok
end

local function parts_of(coverage, files)
  return coverage and coverage:parts((require("altinn.events.rules.loading").load(files))) or nil
end

local function status_of(files, signal, broken)
  local outcome = require "altinn.events.test.runner.outcome"
  if signal then return ENDED_BY[signal] end
  if broken.why then
    output.complain("standard output: " .. broken.why)
    return 1
  end
  local counts = outcome.counts(files)
  if counts.passed + counts.failed + counts.errors + counts.pending == 0 then
    output.complain "no spec has run: the files have none, or the filter fits none"
    return 2
  end
  return outcome.is_fine(counts) and 0 or 1
end

local function run_specs(args, specs, files)
  local host = require("altinn.events.support.libraries").load "altinn.events.host"
  local covers = args.coverage or args.coverage_file
  local coverage = covers and require("altinn.events.test.runner.coverage").new(files) or nil
  local broken, chosen_seed = {}, args.seed or math.random(1, 999999)
  local report = new_report(args, host, broken, chosen_seed)
  require("altinn.events.test.runner.order")(specs, args.shuffle and chosen_seed)
  local began, start = os.time(), host.steady()
  local ran, signal = require("altinn.events.test.runner.pool").run(specs,
    pool_options(args, host, report, broken, chosen_seed, coverage))
  local parts = parts_of(coverage, files)
  if not broken.why then
    report:finish(ran, { seconds = host.steady() - start, began = began, interrupted = signal,
      parts = args.coverage and parts or nil })
  end
  local status = status_of(ran, signal, broken)
  if args.coverage_file and not write_lcov(args.coverage_file, parts) then return 1 end
  return status
end

--- Runs the verb.
---@param args table
---@return integer status 0 all passed, 1 not all did, 2 there are no specs, or wrong usage
function M.run(args)
  local paths = paths_of(args)
  if not paths then return 2 end
  if args.texts then require("altinn.events.host.trial").take_texts() end
  local specs = specs_of(paths)
  if not specs or not has_busted() then return 2 end
  return run_specs(args, specs, rule_files(paths))
end

return M
