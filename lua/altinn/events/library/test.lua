---@meta altinn.events.test
-- The test world, the module altinn.events.test, for editors.

--- How a target behaves: "up", "down", "slow", "dies at connect", "dies in TLS", "dies before the request",
--- "dies in the body", "dies after the body", "dies after the status"; a table; or a function that answers for itself.
---@alias altinn.events.test.behaves string|altinn.events.test.behaviour|(fun(item: altinn.events.test.item): altinn.events.test.behaviour|nil)

--- A behaviour as a table; its first item may be a word.
---@class altinn.events.test.behaviour
---@field [1] string|nil
---@field status integer|nil of the answer; exit status of a command
---@field times integer|nil how many effects it strikes, then the target is up
---@field headers table<string, string>|nil
---@field body string|nil
---@field json any instead of body
---@field seconds number|nil until it answers
---@field dies string|nil "after the body", …

--- Options of a world.
---@class altinn.events.test.options
---@field rules string|string[] files, folders, or texts
---@field now string|number|nil RFC 3339, or seconds since 1970
---@field targets table<string, altinn.events.test.behaves>|nil
---@field seed integer|nil of ids, jitter and math.random of rules
---@field configuration string|table|nil the file altinn-events.lua, or its table
---@field host "simulated"|"real"|nil
---@field party string|nil the organisation as which rules ask Altinn; nil: the owner of the letters

--- What a target received; which members there are depends on its kind.
---@class altinn.events.test.item
---@field key string|nil
---@field times integer how often it came
---@field status integer|nil of the last answer
---@field method string|nil
---@field path string|nil
---@field headers table<string, string>|nil in any case of letters
---@field json any
---@field body string|nil
---@field to string|string[]|nil of a mail
---@field from string|nil of a mail
---@field subject string|nil of a mail
---@field title string|nil of a card in Teams
---@field facts string[][]|nil of a card in Teams
---@field text string|nil of a mail, a message, a file; standard input of a command
---@field name string|nil of a file
---@field line string|nil of a file of lines
---@field arguments string[]|nil of a command

--- What became of an event for a rule; tostring gives "state: reason".
---@class altinn.events.test.verdict
---@field rule string
---@field state string
---@field reason string|nil
---@field attempt integer
---@field due string|nil
---@field body string|nil
---@field event string its id

--- A timer that waits.
---@class altinn.events.test.timer
---@field rule string
---@field body string
---@field due string
---@field set string
---@field with string|nil
---@field cancel string[]|nil
---@field key string|nil

--- An attachment of a letter.
---@class altinn.events.test.attachment
---@field id string
---@field fileName string
---@field resource string
local attachment = {}

--- The scan found nothing.
---@param values { text: string|nil }|nil
function attachment:publish(values) end

--- The scan found something.
---@param values { text: string|nil }|nil
function attachment:fail(values) end

--- Its time is over.
---@param values { text: string|nil }|nil
function attachment:expire(values) end

--- It is deleted.
---@param values { text: string|nil }|nil
function attachment:purge(values) end

--- A letter at Altinn. Its steps are those of the emulator's control, such as letter:read(), letter:confirm(),
--- letter:purge { by = "sender" }, letter:fail(), letter:notify(), letter:due().
---@class altinn.events.test.letter
---@field id string
---@field resource string
---@field sender string
---@field recipient string
---@field sendersReference string
---@field attachments altinn.events.test.attachment[]
---@field read fun(self: altinn.events.test.letter, values: table|nil): altinn.events.test.letter
---@field confirm fun(self: altinn.events.test.letter, values: table|nil): altinn.events.test.letter
---@field purge fun(self: altinn.events.test.letter, values: table|nil): altinn.events.test.letter
---@field publish fun(self: altinn.events.test.letter, values: table|nil): altinn.events.test.letter
---@field fail fun(self: altinn.events.test.letter, values: table|nil): altinn.events.test.letter
local letter = {}

--- Its status, as the overview shows it.
---@return string
function letter:status() end

--- All statuses that it had, in order.
---@return string[]
function letter:statuses() end

--- Whether it ever had a status.
---@param status string
---@return boolean
function letter:has_been(status) end

--- Its notification orders that were accepted.
---@return { id: string }[]
function letter:orders() end

--- Its dialog in Dialogporten.
---@return { id: string }
function letter:dialog() end

--- A world: the host, Altinn in the emulator, targets, and one clock for all.
---@class altinn.events.test.world
local world = {}

--- A letter at Altinn. It raises no event: push does.
---@param values table|nil as the emulator's POST /emulator/letters takes it
---@return altinn.events.test.letter
function world:letter(values) end

--- Pushes an event, as Altinn does; one that was pushed before is pushed again.
---@param what string|altinn.events.event a type, or an event: a table or its JSON text
---@param thing table|string|nil a letter, attachment or order; with an event: its attributes
---@param attributes table<string, any>|nil that differ; false leaves one out
---@return altinn.events.event
function world:push(what, thing, attributes) end

--- From now on letters raise their events themselves.
function world:live() end

--- A call of the emulator's control interface.
---@param method string
---@param path string
---@param body table|nil
---@return any
function world:control(method, path, body) end

--- What Altinn answers to a read of a thing, in place of the emulator.
---@param thing any
---@param call string such as "details"
---@param answer any a text, or { status, body }
function world:reply(thing, call, answer) end

--- Everything that can happen at this moment.
function world:settle() end

--- Lets time pass, and what falls due on the way happen.
---@param to string|number|table a span, RFC 3339, or test.workdays(n)
function world:advance(to) end

--- The present moment of the world.
---@return string time RFC 3339, in UTC
function world:now() end

--- How a target behaves from now on.
---@param name string
---@param behaviour altinn.events.test.behaves
function world:target(name, behaviour) end

--- What a target has received, each key once.
---@param name string
---@return altinn.events.test.item[]
function world:sent(name) end

--- Every request that a target got, probes and repetitions among them.
---@param name string
---@return altinn.events.test.item[]
function world:requests(name) end

--- What became of the newest event about a thing that the rule wanted; nil: it wanted none.
---@param rule string
---@param thing any
---@return altinn.events.test.verdict|nil
function world:verdict(rule, thing) end

--- All verdicts as texts "state: reason", in the order of the events: a rule's, or by rule.
---@param rule string|nil
---@return table
function world:verdicts(rule) end

--- The timers that wait.
---@param thing any
---@return altinn.events.test.timer[]
function world:timers(thing) end

--- What a rule remembers of a thing.
---@param rule string
---@param thing table
---@return table<string, any>
function world:memory(rule, thing) end

--- The table of `why --json`.
---@param thing any
---@param rule string|nil
---@return table
function world:why(thing, rule) end

--- The lines of the host's log, of a simulation.
---@return string
function world:log() end

--- How often each line of the rules' files ran; only where test.covers.
---@return table<string, table<integer, integer>>
function world:coverage() end

--- Puts other rules in force.
---@param given string|string[]
function world:reload(given) end

--- Stops the host in order, and starts it again.
function world:restart() end

--- The power fails, and the host is started again.
function world:kill() end

--- Tells a scenario once for each moment at which the host may die, with a crash there.
---@param tell fun(world: altinn.events.test.world)
---@return integer count of the moments
function world:crash_points(tell) end

--- Ends the world; raises what the host did wrong.
function world:close() end

--- The module.
---@class altinn.events.test
---@field seed integer|nil of worlds that name none
---@field covers boolean|nil
---@field observe (fun(world: altinn.events.test.world))|nil
local test = {}

--- A world of its own.
---@param options altinn.events.test.options
---@return altinn.events.test.world
function test.world(options) end

--- The n-th working day after today, at that clock time, for world:advance.
---@param n integer
---@param clock string|nil "09:00"
---@return table
function test.workdays(n, clock) end

--- Closes all worlds that are open; raises what their hosts did wrong.
function test.finish() end

--- How often each line of the rules' files ran in all worlds so far.
---@return table<string, table<integer, integer>>
function test.coverage() end

return test
