-- The codes of mistakes in what bodies do: steps, acts at Altinn, waiting, what they keep and what they show.
local example = require("altinn.events.rules.codes.body_examples").example

local PRINT = 'return send.http("print") { key = letter, json = { letter = letter.id } }'
local CONFIRM = { parts = 'may = { "confirm", "send:print" },' }

local function confirming(body) return { body, parts = CONFIRM.parts } end

return {
  -- Steps.
  ["step"] = { severity = "warning", summary = "two steps of one name",
    why = "a step is found again by its name, and the second call of a name raises",
    remedy = "give each its own name",
    example = example('step("look", log)\n»step("look", log)\n' .. PRINT, 'step("look", log)\n' .. PRINT) },
  ["step-loop"] = { severity = "warning", summary = "a step with one name in a loop",
    why = "the second round raises: a run may call only one step of a name",
    remedy = "put the index into the name",
    example = example('for _ = 1, 2 do step(»"look", log) end\n' .. PRINT,
      'for index = 1, 2 do step("look " .. index, log) end\n' .. PRINT) },
  ["step-name"] = { severity = "warning", summary = "a step whose name is another one at each attempt",
    why = "the step is not found again, and is done once more",
    remedy = "give it a constant name",
    example = example('step(»"look " .. os.time(), log)\n' .. PRINT, 'step("look", log)\n' .. PRINT) },
  ["step-call"] = { severity = "error", summary = "a step that is given a result",
    why = "the call is made each time, before the step",
    remedy = "give it a function",
    example = example(confirming('step("confirm", »letter:confirm())\n' .. PRINT),
      'step("confirm", function() return letter:confirm() end)\n' .. PRINT) },
  ["step-result"] = { severity = "error", summary = "a step whose result cannot be kept",
    why = "the result is stored as JSON, and the step raises after its act",
    remedy = "return a text, a number or true",
    example = example('step("look", function() »return letter end)\n' .. PRINT,
      'step("look", function() return letter.id end)\n' .. PRINT) },
  ["act"] = { severity = "warning", summary = "an act at Altinn before an effect, outside of a step",
    why = "the letter is confirmed or deleted although the effect may fail, and again at each attempt",
    remedy = "make it a step, or a body that later { … } starts",
    example = example(confirming("»letter:confirm()\n" .. PRINT),
      'step("confirm", function() return letter:confirm() end)\n' .. PRINT) },

  -- From run to run.
  ["leak"] = { severity = "warning", summary = "a variable of the file that a body changes",
    why = "it is there in the next run of this worker, in no other worker, and gone after a restart",
    remedy = "return remember { … }",
    example = example({ "»count = count + 1\n" .. PRINT, before = "local count = 0" },
      { "return remember { count = (context.memory.count or 0) + 1 }", before = "local start = 0" }) },

  -- Waiting.
  ["callback"] = { severity = "error", summary = "a wait inside a function of C",
    why = "a run cannot wait there: table.sort and string.gsub raise",
    remedy = "ask before, outside",
    example = example('local list = { "a", "b" }\ntable.sort(list, function(a, b)\n'
      .. '  return »letter:details().status > a .. b\nend)\n' .. PRINT,
      'local list = { "a", "b" }\nlocal status = letter:details().status\ntable.sort(list, function(a, b)\n'
      .. '  return status > a .. b\nend)\n' .. PRINT) },
  ["blocking"] = { severity = "warning", summary = "a call that holds the worker",
    why = "all runs of the worker wait for it",
    remedy = "send a file or a command as an effect",
    example = example('»os.execute("true")\n' .. PRINT, PRINT) },
  ["yield"] = { severity = "warning", summary = "coroutine.yield in a body",
    why = "the run is stopped, and nobody goes on with it",
    remedy = "return retry_after or later",
    example = example("»coroutine.yield()\n" .. PRINT, PRINT) },
  ["exit"] = { severity = "error", summary = "os.exit in a rule",
    why = "it raises: it would end the host",
    remedy = "return fail(\"why\")",
    example = example("»os.exit(1)", 'return fail("why")') },
  ["date"] = { severity = "hint", summary = "os.date in the machine's own zone",
    why = "another machine says another time",
    remedy = "write os.date(\"!…\") for UTC",
    example = example('log(»os.date("%H:%M"))\n' .. PRINT, 'log(os.date("!%H:%M"))\n' .. PRINT) },
  ["module"] = { severity = "error", summary = "a module that is not there",
    why = "require raises",
    remedy = "write it into lib/ beside the rules, or install it",
    example = example('local words = »require("no-such-module")\nlog(words)\n' .. PRINT, PRINT) },
  ["swallowed"] = { severity = "warning", summary = "a failed call to Altinn that ends as done",
    why = "nobody tries again, and nobody hears of it",
    remedy = "error(failure, 0) unless the failure is one that you expect",
    example = example('»pcall(function() return letter:details() end)\n' .. PRINT,
      'local ok, failure = pcall(function() return letter:details() end)\n'
      .. 'if not ok and failure.code ~= "not_found" then error(failure, 0) end\n' .. PRINT) },

  -- Persons.
  ["person"] = { severity = "warning", summary = "a person's number in a path, a file's name or a subject",
    why = "such an effect is refused, and the run goes to the dead letters",
    remedy = "write letter.id",
    example = example('return send.http("print") { key = letter, path = "/of/" .. »event.subject }',
      'return send.http("print") { key = letter, path = "/of/" .. letter.id }') },
  ["number-in-text"] = { severity = "warning", summary = "a person's number in the text of a rule",
    why = "the text is stored with the rule's runs, and shown",
    remedy = "keep it elsewhere",
    example = example('log(»"01020312345")\n' .. PRINT, PRINT) },
  ["person-log"] = { severity = "hint", summary = "a person's number in the log",
    why = "the log masks it",
    remedy = "log letter.id",
    example = example("log(»event.subject)\n" .. PRINT, "log(letter.id)\n" .. PRINT) },
  ["reveal"] = { severity = "error", summary = "events.reveal without a purpose",
    why = "it raises: the log says what a number was opened for",
    remedy = "write events.reveal(value, \"what for\")",
    example = example('local to = »events.reveal(event.subject)\nreturn send.http("print") { key = letter, json = to }',
      'local to = events.reveal(event.subject, "printing")\nreturn send.http("print") { key = letter, json = to }') },
}
