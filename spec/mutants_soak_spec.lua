-- Hosts that break a promise on purpose: one flush, one check of a key, one claim is taken out. The specs of the
-- examples see each of them, and name the moment or the promise. MUTANTS=1 runs them; see `make soak`.
local process = require "spec.support.process"

if not os.getenv "MUTANTS" then return end

local PROMISE, POINT = "the host broke its promise: ", "with a crash "
local STORE, GROUP, RUNS = "csrc/inbox/store_runs.c", "csrc/inbox/group.c", "csrc/inbox/runs.c"
local CARRY, FINISH = "lua/altinn/events/rules/engine/carry.lua", "lua/altinn/events/rules/engine/finish.lua"
local PORTS = "lua/altinn/events/host/ports.lua"

-- Each { name, file, text, other text, the example whose spec sees it, parts of the message }.
local mutants = {
  { "a commit is not flushed", "csrc/inbox/store_sqlite.c", "synchronous = FULL", "synchronous = NORMAL",
    "never_read", POINT, PROMISE, "was acknowledged, and the inbox has lost it" },
  { "nothing is flushed", "csrc/inbox/store_sqlite.c", "synchronous = FULL", "synchronous = OFF",
    "never_read", POINT, PROMISE, "was acknowledged, and the inbox has lost it" },
  { "an event is answered, and not committed", GROUP,
    "passes(inbox, AE_BEFORE_COMMIT, works) && ae_store_commit(inbox->store);",
    "passes(inbox, AE_BEFORE_COMMIT, works) && (ae_store_rollback(inbox->store), true);",
    "publish_failed", PROMISE, "was acknowledged, and the inbox has lost it" },
  { "an event is not waited for", GROUP, "ae_store_wait(inbox->store, work->sequence, (int64_t)count,\n"
    .. "                       ae_copy_slice(&inbox->names)) &&", "",
    "never_read", POINT .. "after the flush of event" },
  { "what came is forgotten", GROUP, "if (group->added_count > 0 && !ae_store_remember",
    "if (group->added_count > INT32_MAX && !ae_store_remember", "archive", POINT .. "after the flush of event" },
  { "what came comes again", GROUP, "case AE_PRESENT_ALREADY: work->result = AE_WORK_DUPLICATE; return true;",
    "case AE_PRESENT_ALREADY: return true;", "archive", POINT .. "after the flush of event" },
  { "a key that was sent is sent again", STORE, "work->prior = AE_PRIOR_SENT", "work->prior = AE_PRIOR_NONE",
    "malware", POINT, PROMISE, "came again, although its answer was 200" },
  { "a key of unknown outcome is taken for a new one", STORE,
    "work->prior = AE_PRIOR_UNKNOWN;\n    return keep_request", "work->prior = AE_PRIOR_NONE;\n    return keep_request",
    "follow_up", PROMISE, "two different bodies came under the key cases:" },
  { "the bytes of before are not sent again", CARRY, "item.again and text or item.text)", "item.text)",
    "follow_up", PROMISE, "two different bodies came under the key cases:" },
  { "an effect leaves before it is recorded", CARRY, "local known = ports.memory:record(job, chunk)\n",
    "local known = { states = {} }\n  for index = 1, #chunk do known.states[index] = false end\n", "purged", POINT,
    PROMISE, "left before the inbox had recorded it" },
  { "a record is not waited for", PORTS, "return stored(self.worker, works)", "self.worker.jobs:settle(works)\n"
    .. "  local states = {}\n  for index = 1, #works do states[index] = false end\n  return { states = states }",
    "purged", POINT, PROMISE, "left before the inbox had recorded it" },
  { "an outcome is not stored", GROUP, "return ae_store_outcome(inbox->store, work);", "return true;", "archive",
    PROMISE, "came again, although its answer was 200" },
  { "an outcome is stored at the end alone", PORTS, "self.worker.jobs:settle { outcome_work(job, outcome) }", "",
    "malware", POINT, PROMISE, "came again, although its answer was 200" },
  { "a step is not stored", GROUP, "return !goes_on(inbox, work) || ae_store_step(inbox->store, work)",
    "return goes_on(inbox, work) || true", "archive", POINT, "an attachment was fetched again that was there" },
  { "what a run has left is not asked for", PORTS, "return ack.recalled[1]",
    "return { steps = {}, memory = {}, effects = {} }", "paper", POINT, PROMISE, "its probe was not asked" },
  { "what a run has left is not finished", "lua/altinn/events/rules/engine.lua",
    "if job.own.finished then return nil end", "if true then return nil end", "paper", POINT, PROMISE,
    "its probe was not asked" },
  { "what may have arrived is not sent again", FINISH, "    local failure = again(job, ports, item)\n"
    .. "    if failure then return failure end\n", "", "never_read", "finishes a job that may have arrived" },
  { "no probe is asked", FINISH, "if not item.probe then", "if true then", "paper", POINT, PROMISE,
    "its probe was not asked" },
  { "a probe is not believed", FINISH, 'if value == language.not_sent then return "not_sent" end',
    'if value == language.not_sent then return "sent" end', "paper", POINT },
  { "memory is not stored with the verdict", GROUP, "return keep(inbox, work, works) && (!final",
    "return (true || keep(inbox, work, works)) && (!final",
    "reminder", "without a crash", "reminder_spec.lua" },
  { "a timer is not stored with the verdict", GROUP,
    "if (work->timed && !ae_timers_set(inbox, work)) return false;",
    "if (work->timed && false) return false;", "paper", "without a crash",
    "cancelled by event" },
  { "no event ends a timer", GROUP, "match(inbox, work) && ae_timers_cancel(inbox, work)", "match(inbox, work)",
    "paper", "without a crash", "cancelled by event" },
  { "a letter's runs begin at once", RUNS, "if (!enter(inbox, lane, run.sequence, run.line)) return;",
    "(void)enter(inbox, lane, run.sequence, run.line);", "receipts", "keeps a letter's lines in order", ";published;" },
  { "a run that tries again lets others pass", RUNS,
    "  fall_asleep(inbox, work->sequence, work->line, work->due);\n}\n\n/* The run was taken back",
    "  step_out(inbox, work->sequence, work->line, work->due);\n}\n\n/* The run was taken back", "receipts",
    "keeps a letter's lines in order", ";published;" },
}

local ORIGIN = assert(io.popen("pwd"):read("l"))
local BUILD = os.getenv "AE_BUILD" or "build/lua5.4"
local copy

-- Runs a command in the copy; its Lua files and libraries come first.
local function inside(text)
  local lua, c = copy .. "/lua/?.lua;" .. copy .. "/lua/?/init.lua;;", ("%s/%s/?.so;;"):format(copy, BUILD)
  local pipe = assert(io.popen(("{ cd %s && LUA_PATH='%s' LUA_CPATH='%s' %s ; } 2>&1 </dev/null"):format(
    process.quote(copy), lua, c, text)))
  local said = pipe:read "a"
  return pipe:close() == true, said
end

-- The objects are those of the tree itself: what was not changed is not compiled again.
local function build()
  local fine, said = inside("make -s SETUP=no CURDIR=" .. process.quote(ORIGIN) .. " modules")
  assert.is_true(fine, said)
end

local function test(example)
  return inside(("lua5.4 lua/altinn-events.lua test --limit 300s --seed 1 examples/rules/%s_spec.lua"):format(example))
end

local function replaced(text, old, new)
  local first, last = text:find(old, 1, true)
  assert(first, "this text is not there any more: " .. old)
  assert(not text:find(old, last + 1, true), "this text is there twice: " .. old)
  return text:sub(1, first - 1) .. new .. text:sub(last + 1)
end

describe("the specs of the examples", function()
  setup(function()
    copy = process.folder()
    assert(os.execute(("cp -a .ci Makefile csrc lua examples %s && mkdir -p %s/build && cp -a %s %s/build"):format(
      copy, copy, BUILD, copy)))
  end)

  teardown(function() process.remove(copy) end)

  for _, mutant in ipairs(mutants) do
    local name, file, old, new, example = table.unpack(mutant)
    it("see that " .. name, function()
      local path = copy .. "/" .. file
      local text, is_c = process.read(path), file:find "%.c$"
      process.write(path, replaced(text, old, new))
      finally(function()
        process.write(path, text)
        if is_c then build() end
      end)
      if is_c then build() end
      local fine, said = test(example)
      assert.is_false(fine, said)
      for index = 6, #mutant do assert(said:find(mutant[index], 1, true), mutant[index] .. " is not in: " .. said) end
    end)
  end
end)
