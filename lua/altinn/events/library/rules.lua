---@meta _
-- The names in scope in a rule file, for editors.

-- Verdicts and effects --------------------------------------------------------

--- The value of done, skip, retry_after, fail, later, remember, forget and send. A rule must return it: a verdict that
--- is made and not returned is a mistake of the rule.
---@class altinn.events.verdict

--- Effects; each kind is in effects.lua.
---@type altinn.events.send
send = nil

--- Nothing to do.
---@param reason string|nil
---@return altinn.events.verdict
function done(reason) end

--- Nothing to do, and why.
---@param reason string
---@return altinn.events.verdict
function skip(reason) end

--- Runs the body again after a while. This is not counted as a failure, so the rule's `retry` does not bound it.
---@param span string|number "10m", "36h", "3d", or seconds
---@param reason string|nil
---@return altinn.events.verdict
function retry_after(span, reason) end

--- The run cannot succeed: it goes to the dead letters.
---@param reason string
---@return altinn.events.verdict
function fail(reason) end

--- The n-th working day after today in Norway, for later { at = workdays(2) }. Saturdays, Sundays, public holidays and
--- the configuration's `holidays` are no working days; 24 and 31 December are.
---@param n integer from 1
---@param clock string|nil the time of day in Europe/Oslo, "09:00"; left out: the time of day at which the timer is set
---@return altinn.events.workdays at
function workdays(n, clock) end

--- The value of workdays.
---@class altinn.events.workdays

--- A timer.
---@class altinn.events.later_fields
---@field at string|number|altinn.events.workdays a span ("3d", or seconds), a time (RFC 3339), or workdays(2); at most ten years ahead
---@field run string|nil the body that runs then; "run" when it is left out
---@field with any what JSON can hold, at most 64 KiB: context.timer.with gives it
---@field key string|nil a rule has one timer for a letter and a key: a new one replaces it
---@field cancel (altinn.events.type|string)|(altinn.events.type|string)[]|nil an event of one of these types about the same letter ends the timer

--- Runs a body at a later time, durably, with the same event and letter: later { at = "3d", run = "remind" }.
---@param fields altinn.events.later_fields
---@return altinn.events.verdict
function later(fields) end

--- Keeps values for this rule and letter: context.memory gives them. At most 64 KiB of JSON each; nil cannot be kept.
---@param fields table<string, any> values by name; the name expires is a span ("90d") after which they are forgotten
---@return altinn.events.verdict
function remember(fields) end

--- Removes a value that was remembered.
---@param name string
---@return altinn.events.verdict
function forget(name) end

--- Calls a function once in a run and gives its result, which is stored: also after a retry or a crash it is not called
--- again. For an act in the middle of a body: step("confirm", function() return letter:confirm() end).
---@param name string the step is found again by its name
---@param fn fun(): any the result is what JSON can hold
---@return any result
function step(name, fn) end

--- The outcome of a probe.
---@class altinn.events.probe_outcome

--- A probe returns it when the effect was carried out.
---@type altinn.events.probe_outcome
sent = nil

--- A probe returns it when the effect was not carried out, so that the rule may decide anew.
---@type altinn.events.probe_outcome
not_sent = nil

-- Conditions ------------------------------------------------------------------

--- The attribute begins with a text.
---@param text string
---@return altinn.events.marker condition
function prefix(text) end

--- The attribute is absent, or has any value but this one.
---@param value string|string[]|altinn.events.marker
---@return altinn.events.marker condition
function no(value) end

--- The attribute is not there.
---@type altinn.events.marker
absent = nil

--- The attribute is there, whatever its value.
---@type altinn.events.marker
present = nil

-- Arguments of a body ---------------------------------------------------------

--- Writes to the host's log: log("…"), log.warn("…").
---@class altinn.events.log
---@overload fun(...: any)
---@field debug fun(...: any)
---@field info fun(...: any)
---@field warn fun(...: any)
---@field warning fun(...: any)
---@field error fun(...: any)

--- About the run itself.
---@class altinn.events.context
---@field attempt integer counts the calls of the body for this event, from 1
---@field received number when the event came in, seconds since 1970
---@field came_by "push"|"pull"
---@field subscription string|nil the name after the secret in the endpoint's address
---@field sequence integer|nil the event's number in the inbox
---@field repeats integer how many earlier events had the same type, thing and subject; 0 for types that may come several
---  times for a thing
---@field memory table<string, any> what this rule remembered for this letter
---@field timer altinn.events.timer|nil in a body that a timer started
---@field effect altinn.events.recorded_effect|nil in a probe: the effect that is asked about
---@field get (fun(path: string): altinn.events.answer)|nil in a probe: asks the target of the effect
---@field log altinn.events.log

--- The timer that started a body.
---@class altinn.events.timer
---@field set number when it was set, seconds since 1970
---@field due number when it was due, seconds since 1970
---@field with any what later { with = … } was given

--- An effect as it was recorded.
---@class altinn.events.recorded_effect
---@field kind string "http", …
---@field target string
---@field key string
---@field [string] any what else is recorded: method, path, body, …

--- A target's answer to context.get.
---@class altinn.events.answer
---@field status integer
---@field headers table<string, string>
---@field body string

--- The letter that an event is about. A call that fails ends the run.
---@class altinn.events.rule_letter
---@field id string
---@field kind "letter"
local Letter = {}

--- The letter as it is; read once in a run. Needs "read:overview". As recipient this records Fetched.
---@return altinn.events.letter_overview overview
function Letter:overview() end

--- The letter with its history; read once in a run. Needs "read:details".
---@return altinn.events.letter_details details
function Letter:details() end

--- Whether the letter has ever had one of the statuses, by its history. Needs "read:details".
---@param ... altinn.events.status
---@return boolean|nil was nil: Altinn does not tell a sender without altinn:serviceowner
---@return string|nil message with nil: which status cannot be known
function Letter:has_been(...) end

--- The attachments of the letter, as letter:download takes them. Needs "read:overview". As recipient this records
--- Fetched.
---@return altinn.events.file[] attachments
function Letter:attachments() end

--- The body of the letter, Markdown. This marks the letter as read! Needs "read:content".
---@return string text
function Letter:content() end

--- Marks the letter as read. Needs "mark:read".
---@return true ok
---@return altinn.events.action how
function Letter:mark_read() end

--- Confirms the letter. Needs "confirm".
---@return true ok
---@return altinn.events.action how
function Letter:confirm() end

--- Deletes the letter. Needs "purge".
---@return true ok
---@return altinn.events.action how
function Letter:purge() end

--- Fetches an attachment. Needs "download".
---@param attachment string|altinn.events.file its id, or an entry of content.attachments
---@param sink string|(fun(part: string): boolean|nil, string|nil) a path, or a function that gets part after part
---@param options { timeout: number|nil }|nil
---@return true ok
---@return altinn.events.download what
function Letter:download(attachment, sink, options) end

--- The attachment that an event is about. A call that fails ends the run.
---@class altinn.events.rule_attachment
---@field id string
---@field kind "attachment"
local Attachment = {}

--- The attachment as it is; read once in a run. Needs "read:overview".
---@return altinn.events.attachment_overview overview
function Attachment:overview() end

--- The attachment with its history; read once in a run. Needs "read:details".
---@return altinn.events.attachment_details details
function Attachment:details() end

--- The letters that hold the attachment: when its malware scan fails Altinn sets them all to Failed, and raises no event
--- for them. Needs "read:overview".
---@return altinn.events.rule_letter[] letters
function Attachment:letters() end

--- An order, dialog or the like. It has no methods.
---@class altinn.events.rule_thing
---@field id string
---@field kind "order"|"dialog"|"transfer"|"instance"|"subscription"

--- The thing that the event is about.
---@alias altinn.events.thing altinn.events.rule_letter|altinn.events.rule_attachment|altinn.events.rule_thing

-- Rules -----------------------------------------------------------------------

--- A power of a rule; also "send:" and the name of a target.
---@alias altinn.events.power
---| "read:overview"
---| "read:details"
---| "read:content" # marks the letter as read!
---| "mark:read"
---| "confirm"
---| "purge"
---| "download"
---| string

--- A failure: a class, a stage of the class network, a status of HTTP, or an error number of Altinn. `altinn-events
--- explain retry` lists them all.
---@alias altinn.events.failure
---| "network"
---| "resolve" # the host's name
---| "connect"
---| "broken" # the connection broke off
---| "timeout"
---| "tls"
---| "throttled"
---| "server" # any 5xx
---| "file"
---| "command" # it was not started, or nobody knows how it ended
---| "tempfail" # a command ended with 75
---| "exit" # a command ended with another status than 0 and 75
---| "deferred" # the mail server answered 4yz
---| "rejected" # the mail server answered 5yz
---| "limit" # of the rule
---| string
---| integer

--- The retry of failures.
---@class altinn.events.retry
---@field within string|number|nil how long failures are retried: "36h" (the default), or seconds
---@field attempts integer|nil at most so many
---@field on altinn.events.failure[]|nil the failures that are retried; others are not

--- Bounds of one run.
---@class altinn.events.limit
---@field seconds number|nil
---@field instructions integer|nil
---@field memory integer|nil bytes
---@field at_once integer|nil runs of this rule at the same time in one host

--- The result of a body: a verdict, an effect, a list of effects, or nothing.
---@alias altinn.events.result altinn.events.verdict|altinn.events.verdict[]|nil

--- What ends a run before its body.
---@class altinn.events.unless
---@field been altinn.events.status[] the letter has ever had one of these

--- The order over all letters.
---@class altinn.events.order_constant
---@field constant string one run at a time for all events under this text

--- A body.
---@alias altinn.events.body fun(event: altinn.events.event, thing: altinn.events.thing, context: altinn.events.context): altinn.events.result|altinn.events.probe_outcome

--- A rule. Any other name with a function is a body, which later { run = "name" } starts.
---@class altinn.events.rule : altinn.events.head
---@field name string unique; the handle in every log line, listing and metric
---@field about string|nil what it is for
---@field owner string|nil who answers for it
---@field order "letter"|string|altinn.events.order_constant|false|nil one run at a time for the letter (the default), for an attribute, in all, or no order
---@field unless altinn.events.unless|nil asked of Altinn before each body; needs "read:details"
---@field trust "hint"|"confirmed"|nil "confirmed": runs once Altinn has vouched for the event
---@field repeats boolean|nil true: runs also for an event that means the same as an earlier one
---@field override table<altinn.events.failure, "again"|"never">|nil changes the table of retries
---@field shadow boolean|nil true: records what the rule would have done, and sends nothing
---@field may altinn.events.power[]|nil left out: overview, details and every target
---@field retry altinn.events.retry|nil
---@field limit altinn.events.limit|nil
---@field enabled boolean|nil false switches the rule off
---@field run altinn.events.body
---@field [string] altinn.events.body

--- Adds a rule.
---@param fields altinn.events.rule
function rule(fields) end

--- Writes to the host's log.
---@type altinn.events.log
log = nil

--- The module altinn.events, without `on`.
---@type altinn.events
events = nil
