---@meta altinn.events
-- The module altinn.events, for editors.

-- Failures --------------------------------------------------------------------

--- The class of a failure.
---@alias altinn.events.code
---| "syntax" # no JSON, no HTTP, no key
---| "not_cloudevent" # JSON, but no CloudEvent
---| "invalid" # against the specification, or refused beforehand
---| "too_large"
---| "unsupported"
---| "auth" # a new token, key or secret would mend it
---| "forbidden" # the caller has no right
---| "not_found"
---| "conflict"
---| "throttled"
---| "server"
---| "network"
---| "tls"
---| "timeout"
---| "cancelled"
---| "memory"
---| "storage" # a file cannot be read or written

--- One fault of an invalid event.
---@class altinn.events.fault
---@field code altinn.events.code
---@field attribute string|nil
---@field message string

--- More about a failure; each field is there where it applies.
---@class altinn.events.detail
---@field attribute string|nil the wrong attribute
---@field position integer|nil 1-based byte in the text
---@field index integer|nil which element of a batch
---@field faults altinn.events.fault[]|nil all faults of an invalid event
---@field status integer|nil of the HTTP reply
---@field body string|nil of the HTTP reply
---@field reason string|nil
---@field retry_after number|nil seconds
---@field subscription altinn.events.subscription|nil the subscription that was made before the failure

-- Events ----------------------------------------------------------------------

--- An event that was read; read-only. Unset and null attributes are nil.
---@class altinn.events.event
---@field specversion string "1.0"
---@field id string unique together with source
---@field source string a URI-reference
---@field type altinn.events.full_type|string
---@field time string|nil RFC 3339; events.time gives it as numbers
---@field subject string|nil the party that it is addressed to, a URN
---@field datacontenttype string|nil
---@field dataschema string|nil
---@field resource string|nil such as "urn:altinn:resource:acme-letters"
---@field resourceinstance string|nil the id of the letter, attachment or other thing that it is about
---@field alternativesubject string|nil
---@field data any the payload: a value for JSON, else a string of octets
---@field [string] any an extension attribute

--- The party that an event is addressed to.
---@class altinn.events.party
---@field kind "organisation"|"person"|"email"|"self_identified"|"party"|"uuid"|"other"
---@field number string|nil

--- The meaning of an event.
---@class altinn.events.meaning
---@field name altinn.events.type|string the short name, or the last part of the type
---@field publisher "correspondence"|"dialogporten"|"broker"|"app"|"platform"|"other"
---@field about "letter"|"attachment"|"order"|"dialog"|"transfer"|"instance"|"subscription"|nil
---@field id string|nil the id of the thing that it is about
---@field letter string|nil its id, when it is a letter
---@field attachment string|nil its id, when it is an attachment
---@field order string|nil its id, when it is an order
---@field party altinn.events.party|nil
---@field addressed_to "sender"|"recipient"|nil
---@field known boolean whether the type is in the catalogue
---@field environment altinn.events.environment|nil
---@field validation boolean whether it is the trial event for an endpoint

--- A type of events.
---@class altinn.events.catalogue_entry
---@field type altinn.events.full_type as it stands in events
---@field about "letter"|"attachment"|"order"|"dialog"|"transfer"|"instance"|"subscription"|nil
---@field addressed_to "sender"|"recipient"|nil
---@field raised boolean false: Altinn knows the name and raises none
---@field once boolean whether it happens at most once to a thing
---@field summary string when it comes
---@field advice string the advice to a receiver
---@field note string|nil the difference from Altinn's documentation
---@field place integer its place in the list of altinn-events types

--- Bounds of reading.
---@class altinn.events.parse_options
---@field max_bytes integer|nil 262144
---@field max_depth integer|nil 512

-- Conditions ------------------------------------------------------------------

--- The value of prefix, no, absent and present.
---@class altinn.events.marker

--- A condition on an attribute: a value, a list of values, prefix "…", absent, present, no(…).
---@alias altinn.events.condition
---| string
---| number
---| boolean
---| altinn.events.marker
---| (string|altinn.events.marker)[]

--- Conditions by attribute; all must hold.
---@class altinn.events.when
---@field resource altinn.events.condition|nil also its short form: "acme-letters"
---@field recipient altinn.events.condition|nil the subject; also nine or eleven digits, or 0192: and nine
---@field sender altinn.events.condition|nil the subject; also nine or eleven digits, or 0192: and nine
---@field subject altinn.events.condition|nil
---@field source altinn.events.condition|nil
---@field resourceinstance altinn.events.condition|nil
---@field [string] altinn.events.condition|nil any other attribute

--- One type or several: short names, full ones, or with * at the end.
---@alias altinn.events.types_wanted
---| altinn.events.type
---| altinn.events.full_type
---| string
---| (altinn.events.type|altinn.events.full_type|string)[]

--- The head of a rule: the events that it wants.
---@class altinn.events.head
---@field on altinn.events.types_wanted|nil
---@field when altinn.events.when|nil

--- One condition of a head and whether it holds.
---@class altinn.events.explanation
---@field attribute string
---@field wants string
---@field got any
---@field holds boolean

--- Heads of rules compiled to one index.
---@class altinn.events.matcher
local Matcher = {}

--- Adds a head under a name, or replaces the one that has it.
---@param name string
---@param wanted altinn.events.head
function Matcher:add(name, wanted) end

--- Removes a head.
---@param name string
---@return boolean removed whether it was there
function Matcher:remove(name) end

--- The names of the heads that want an event, in the order added.
---@param event altinn.events.event|table
---@return string[]|nil names
---@return string|nil message
---@return altinn.events.code|nil code
function Matcher:match(event) end

--- Why a head wants an event, or not.
---@param event altinn.events.event|table
---@param name string
---@return boolean|nil matched
---@return altinn.events.explanation[]|string conditions or the message
---@return altinn.events.code|nil code
function Matcher:explain(event, name) end

-- The module ------------------------------------------------------------------

--- CloudEvents as Altinn sends them: read, judged, described, matched, written.
---@class altinn.events
---@field _VERSION string
---@field null any JSON's null, the same value as cjson.null
---@field types altinn.events.types the catalogue of event types
---@field absent altinn.events.marker the attribute is not there
---@field present altinn.events.marker the attribute is there, whatever its value
---@field on_reveal (fun(masked: string, purpose: string))|nil is called by each events.reveal
local events = {}

--- Reads one event from structured JSON and judges it by CloudEvents 1.0.2.
---@param text string
---@param options altinn.events.parse_options|nil
---@return altinn.events.event|nil event
---@return string|nil message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function events.parse(text, options) end

--- Reads a batch: a JSON array of events. One bad element refuses the whole.
---@param text string
---@param options altinn.events.parse_options|nil
---@return altinn.events.event[]|nil list
---@return string|nil message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function events.parse_batch(text, options) end

--- Reads the events of an HTTP message: structured, batch or binary mode, and Altinn's application/json.
---@param headers table<string, string|string[]> names in any case
---@param body string|nil
---@param options altinn.events.parse_options|nil
---@return altinn.events.event[]|nil list
---@return string|nil message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function events.from_http(headers, body, options) end

--- Judges an event or a table by the rules of CloudEvents 1.0.2.
---@param event altinn.events.event|table
---@return true|nil valid
---@return string|nil message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function events.validate(event) end

--- CloudEvents JSON text of an event or a table.
---@param event altinn.events.event|table
---@return string|nil text
---@return string|nil message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function events.encode(event) end

--- CloudEvents JSON batch text of a list.
---@param list (altinn.events.event|table)[]
---@return string|nil text
---@return string|nil message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function events.encode_batch(list) end

--- What an event means to Altinn.
---@param event altinn.events.event|table
---@return altinn.events.meaning|nil meaning
---@return string|nil message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function events.describe(event) end

--- The moment of an event's `time`.
---@param event altinn.events.event|table
---@return integer|nil seconds since 1970; nil: the event has no time
---@return integer|string|nil nanoseconds or the message
---@return altinn.events.code|nil code
function events.time(event) end

--- An iterator over the attributes that were received, then `data`.
---@param event altinn.events.event|table
---@return fun(event: any, name: string|nil): string|nil, any
---@return any event
---@return nil
function events.pairs(event) end

--- A plain table with an event's attributes and data.
---@param event altinn.events.event|table
---@return table<string, any>
function events.totable(event) end

--- The text with identity numbers masked.
---@param text string
---@return string
function events.mask(text) end

--- A text as a part of a path or of a query: all characters but letters, digits and -._~ are encoded.
---@param text string|number
---@return string
function events.escape(text) end

--- Gives a value with its identity numbers in clear, for a stated purpose; the host logs it.
---@param value string
---@param purpose string why it is needed
---@return string
function events.reveal(value, purpose) end

--- A matcher: heads of rules compiled to one index.
---@return altinn.events.matcher matcher
function events.matcher() end

--- The attribute begins with a text.
---@param text string
---@return altinn.events.marker condition
function events.prefix(text) end

--- The attribute is absent, or has any value but this one.
---@param value string|string[]|altinn.events.marker
---@return altinn.events.marker condition
function events.no(value) end

--- A function that calls another one with the events that it wants.
---@param on altinn.events.types_wanted
---@param when altinn.events.when|(fun(event: altinn.events.event, ...: any): any) conditions; may be left out
---@param fn (fun(event: altinn.events.event, ...: any): any)|nil
---@return fun(event: altinn.events.event|table, ...: any): boolean|nil, any handler whether it was wanted; fn's results
function events.on(on, when, fn) end

--- A client for Altinn's side: subscriptions, pulled events, letters.
---@param options altinn.events.client_options
---@return altinn.events.client client
function events.client(options) end

--- A source of tokens for Altinn: signs the grant, fetches and exchanges, keeps the token and renews it early.
---@param options altinn.events.maskinporten_options
---@return altinn.events.token_source|nil source
---@return string|nil message what is wrong with the key or the certificate
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function events.maskinporten(options) end

return events
