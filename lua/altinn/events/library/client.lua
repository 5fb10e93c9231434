---@meta _
-- Altinn's side of the module, for editors: clients, letters, sources of tokens.

--- A request for a transport.
---@class altinn.events.request
---@field method string
---@field url string
---@field headers table<string, string>
---@field body string|nil
---@field timeout number seconds
---@field max_body integer|nil bytes
---@field ca_file string|nil
---@field sink (fun(part: string, head: altinn.events.reply): boolean|nil, string|nil)|nil gets the body of a 2xx reply

--- A reply of a transport.
---@class altinn.events.reply
---@field status integer
---@field headers table<string, string> names in lower case
---@field body string|nil
---@field proxied boolean|nil a proxy of the environment stood between

--- The detail of a failed request. not_sent: it is certain that no byte of the request was written.
---@class altinn.events.transport_detail
---@field stage string|nil of the code "network": resolve, connect, broken
---@field not_sent boolean|nil

--- Carries a request to a server and gives the reply; or nil, message, code, altinn.events.transport_detail|nil.
---@alias altinn.events.transport fun(request: altinn.events.request): altinn.events.reply|nil, string|nil, string|nil, table|nil

--- Options of events.client.
---@class altinn.events.client_options
---@field environment altinn.events.environment|nil
---@field base_url string|nil instead of environment
---@field token string|altinn.events.token_source|(fun(): string|nil, string|nil, string|nil) a token, or a function that gives one
---@field transport altinn.events.transport|table|nil libcurl when it is left out
---@field timeout number|nil seconds for a whole call with its retries (30)
---@field attempts integer|nil at most so many (5)
---@field ca_file string|nil PEM file of trusted authorities
---@field subscription_key string|nil a header that Altinn asked for until August 2025
---@field sleep (fun(seconds: number))|nil for a transport that must not block

--- The wanted subscription.
---@class altinn.events.subscription_wish
---@field endpoint string public https address
---@field resource string|nil also its short form
---@field subject string|nil also nine digits
---@field type altinn.events.type|altinn.events.full_type|string|nil
---@field include_subunits boolean|nil
---@field wait number|nil seconds for Altinn to validate the endpoint
---@field source string|nil
---@field alternative_subject string|nil

--- A subscription, under the server's names.
---@class altinn.events.subscription
---@field id integer
---@field endPoint string
---@field sourceFilter string|nil
---@field resourceFilter string|nil
---@field subjectFilter string|nil
---@field alternativeSubjectFilter string|nil
---@field typeFilter string|nil
---@field includeSubunits boolean|nil
---@field consumer string|nil
---@field createdBy string|nil
---@field created string|nil
---@field validated boolean

--- Which events are pulled.
---@class altinn.events.pull_options
---@field resource string
---@field after string|nil the id of the last event seen
---@field type altinn.events.types_wanted|nil also the server's patterns with %
---@field subject string|nil
---@field size integer|nil events in a page (1000)
---@field odd (fun(id: string|nil, reason: string, detail: table))|nil is called for each entry that is not a valid event

--- Which letters are listed.
---@class altinn.events.list_options
---@field resource string
---@field role altinn.events.role
---@field from string|number|nil RFC 3339 or seconds since 1970, exclusive
---@field to string|number|nil RFC 3339 or seconds since 1970, exclusive
---@field status altinn.events.status|nil a status that the letters have ever had
---@field onBehalfOf string|nil a party: nine or eleven digits, or its URN
---@field sendersReference string|nil
---@field idempotentKey string|nil a UUID; finds one letter, whatever the other filters say
---@field altinn2CorrespondenceId integer|string|nil likewise

--- An entry of a history.
---@class altinn.events.status_entry
---@field status string
---@field statusText string|nil
---@field statusChanged string

--- An attachment in a letter's content.
---@class altinn.events.file
---@field id string
---@field fileName string|nil
---@field displayName string|nil
---@field isEncrypted boolean|nil
---@field checksum string|nil
---@field sendersReference string|nil
---@field status string|nil
---@field statusText string|nil
---@field statusChanged string|nil
---@field created string|nil
---@field dataType string|nil
---@field expirationTime string|nil

--- The content of a letter.
---@class altinn.events.letter_content
---@field language string|nil
---@field messageTitle string|nil
---@field messageSummary string|nil
---@field messageBody string|nil
---@field attachments altinn.events.file[]|nil

--- A letter as it is, under the server's names; null members are nil.
---@class altinn.events.letter_overview
---@field correspondenceId string
---@field status altinn.events.status the highest one, not the latest
---@field statusText string|nil
---@field statusChanged string|nil
---@field resourceId string|nil
---@field sender string|nil
---@field recipient string|nil
---@field sendersReference string|nil
---@field messageSender string|nil
---@field content altinn.events.letter_content|nil
---@field created string|nil
---@field published string|nil
---@field read string|nil
---@field dueDateTime string|nil
---@field requestedPublishTime string|nil
---@field allowSystemDeleteAfter string|nil
---@field isConfirmationNeeded boolean|nil
---@field isConfidential boolean|nil
---@field externalReferences table[]|nil
---@field propertyList table<string, string>|nil
---@field replyOptions table[]|nil
---@field notifications table[]|nil

--- A letter with its history.
---@class altinn.events.letter_details : altinn.events.letter_overview
---@field statusHistory altinn.events.status_entry[]
local Details = {}

--- Whether the letter has ever had one of the statuses, by its history.
---@param ... altinn.events.status
---@return boolean|nil was nil: Altinn does not tell this asker, a sender without altinn:serviceowner
---@return string|nil message with nil: which status cannot be known
function Details:has_been(...) end

--- What became of the notifications of a letter: the list of orders, each with its addresses.
---@class altinn.events.notified
---@field [integer] altinn.events.notified_order
---@field reached boolean an address was reached
---@field failed boolean an address failed
---@field pending boolean an outcome is still to come

--- An order for notifications: of the letter's recipient, of a custom recipient, or a reminder.
---@class altinn.events.notified_order
---@field id string|nil
---@field reminder boolean
---@field channel string|nil Email, Sms, EmailPreferred, SmsPreferred, EmailAndSms
---@field created string|nil
---@field state "completed"|"not_needed"|"cancelled"|"pending" not_needed: Altinn did not send, as the letter was read
---@field status string|nil the server's
---@field reason string|nil the server's description
---@field since string|nil
---@field reached boolean
---@field failed boolean
---@field pending boolean
---@field addresses altinn.events.notified_address[]

--- The outcome at one address.
---@class altinn.events.notified_address
---@field channel "email"|"sms"
---@field address string|nil the mail address or the telephone number
---@field party string|nil the number of the organisation or person that was looked up
---@field state "delivered"|"failed"|"pending"
---@field status string|nil the server's, such as Email_Failed_Bounced
---@field reason string|nil the server's description
---@field since string|nil

--- Whom Altinn has notified of the letter, with the outcome at each address. An order that was not sent yet is missing.
---@return altinn.events.notified orders
function Details:notified() end

--- An attachment as it is, under the server's names.
---@class altinn.events.attachment_overview
---@field attachmentId string
---@field status string
---@field statusText string|nil
---@field statusChanged string|nil
---@field resourceId string|nil
---@field sender string|nil
---@field fileName string|nil
---@field displayName string|nil
---@field isEncrypted boolean|nil
---@field checksum string|nil
---@field sendersReference string|nil
---@field correspondenceIds string[]|nil
---@field dataType string|nil

--- An attachment with its history.
---@class altinn.events.attachment_details : altinn.events.attachment_overview
---@field statusHistory altinn.events.status_entry[]|nil

--- The result of an action.
---@class altinn.events.action
---@field already boolean whether it was so before

--- The result of a download.
---@class altinn.events.download
---@field bytes integer
---@field media_type string|nil

--- A letter; each call asks Altinn.
---@class altinn.events.letter
---@field id string
---@field kind "letter"
local Letter = {}

--- The letter as it is now. As recipient this records Fetched.
---@return altinn.events.letter_overview|nil overview
---@return string|nil message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function Letter:overview() end

--- The letter with its history. As recipient this records Fetched.
---@return altinn.events.letter_details|nil details
---@return string|nil message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function Letter:details() end

--- Whether the letter has ever had one of the statuses, by its history.
---@param ... altinn.events.status
---@return boolean|nil
---@return string|nil message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function Letter:has_been(...) end

--- The attachments of the letter, as its overview lists them. As recipient this records Fetched.
---@return altinn.events.file[]|nil attachments
---@return string|nil message
---@return string|nil code forbidden: Altinn shows them to the recipient and the service owner only
---@return altinn.events.detail|nil detail
function Letter:attachments() end

--- The body of the letter, Markdown. This marks the letter as read!
---@return string|nil text
---@return string|nil message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function Letter:content() end

--- Marks the letter as read. Succeeds also when it was read before.
---@return true|nil ok
---@return altinn.events.action|string|nil how or the message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function Letter:mark_read() end

--- Confirms the letter. Succeeds also when it was confirmed before. Altinn carries it out later.
---@return true|nil ok
---@return altinn.events.action|string|nil how or the message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function Letter:confirm() end

--- Deletes the letter. Succeeds also when it was deleted before. A sender can delete it only before it is published.
---@return true|nil ok
---@return altinn.events.action|string|nil how or the message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function Letter:purge() end

--- Fetches an attachment, however large, in constant memory.
---@param attachment string|altinn.events.file its id, or an entry of content.attachments
---@param sink string|(fun(part: string): boolean|nil, string|nil) a path, or a function that gets part after part
---@param options { timeout: number|nil }|nil seconds for the whole download
---@return true|nil ok
---@return altinn.events.download|string|nil what or the message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function Letter:download(attachment, sink, options) end

--- An attachment, as its sender sees it; each call asks Altinn.
---@class altinn.events.attachment
---@field id string
---@field kind "attachment"
local Attachment = {}

--- The attachment as it is now.
---@return altinn.events.attachment_overview|nil overview
---@return string|nil message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function Attachment:overview() end

--- The attachment with its history.
---@return altinn.events.attachment_details|nil details
---@return string|nil message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function Attachment:details() end

--- The letters that hold the attachment. When its malware scan fails Altinn sets them all to Failed, and raises no event
--- for them.
---@return altinn.events.letter[]|nil letters
---@return string|nil message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function Attachment:letters() end

--- Altinn's side: subscriptions, pulled events, letters.
---@class altinn.events.client
local Client = {}

--- Subscribes. Start the receiver first. Repeating is safe. A new subscription may miss events for up to an hour.
---@param wanted altinn.events.subscription_wish
---@return altinn.events.subscription|nil subscription
---@return string|nil message or, with a subscription, a warning
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function Client:subscribe(wanted) end

--- The subscriptions of this identity, validated or not.
---@return altinn.events.subscription[]|nil subscriptions
---@return string|nil message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function Client:subscriptions() end

--- One subscription.
---@param id integer|string
---@return altinn.events.subscription|nil subscription
---@return string|nil message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function Client:subscription(id) end

--- Ends a subscription. Altinn may deliver events for up to an hour more.
---@param id integer|string
---@return true|nil ok
---@return string|nil message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function Client:unsubscribe(id) end

--- Pulls the events of a resource, in the order of their registration. A failure raises from the iterator.
---@param wanted altinn.events.pull_options
---@return fun(): altinn.events.event|nil next_event
function Client:events(wanted) end

--- The ids of letters, newest time of publishing first. A failure raises from the iterator.
---@param wanted altinn.events.list_options
---@return fun(): string|nil next_id
function Client:letters(wanted) end

--- A letter; nothing is asked yet.
---@param id string
---@return altinn.events.letter letter
function Client:letter(id) end

--- An attachment, as its sender sees it; nothing is asked yet.
---@param id string
---@return altinn.events.attachment attachment
function Client:attachment(id) end

--- A customer for whom a system acts.
---@class altinn.events.system_user
---@field organisation string nine digits
---@field reference string|nil

--- The options that may differ between the tokens of one client.
---@class altinn.events.token_options
---@field scopes string|string[]|nil
---@field system_user altinn.events.system_user|nil
---@field resource string|string[]|nil
---@field consumer_org string|nil
---@field iss_onbehalfof string|nil
---@field pid string|nil
---@field exchange boolean|nil false: Maskinporten's own token

--- Options of events.maskinporten.
---@class altinn.events.maskinporten_options : altinn.events.token_options
---@field client_id string
---@field key string|nil PEM, PKCS#12 or JWK
---@field key_file string|nil instead of key
---@field passphrase string|nil
---@field kid string|nil the id under which the public key is registered
---@field certificate string|nil instead of kid
---@field certificate_file string|nil instead of certificate
---@field environment altinn.events.environment|nil
---@field base_url string|nil the platform, where the exchange is
---@field issuer string|nil the grant's `aud`
---@field token_url string|nil
---@field algorithm "RS256"|"RS384"|"RS512"|nil
---@field transport altinn.events.transport|table|nil
---@field clock (fun(): number)|nil
---@field sleep (fun(seconds: number))|nil
---@field timeout number|nil seconds (30)
---@field ca_file string|nil PEM file of trusted authorities

--- A source of tokens: called, it gives the token, or nil, message, code, detail.
---@class altinn.events.token_source
---@overload fun(): string|nil, string|nil, altinn.events.code|nil, altinn.events.detail|nil
local Source = {}

--- A source of other tokens of the same client: for other scopes, another customer.
---@param options altinn.events.token_options options that are left out stay as they are; system_user = false: none
---@return altinn.events.token_source source
function Source:with(options) end

--- Reports that a server answered 401 to a token.
---@param token string the one that was refused
---@param code integer|string|nil the error's number
---@return boolean again whether another attempt makes sense
function Source:refused(token, code) end

--- The same as refused.
---@param token string the one that was refused
---@param code integer|string|nil the error's number
---@return boolean again whether another attempt makes sense
function Source:invalidate(token, code) end

--- The claims of the token, for display: identity numbers are masked.
---@return table|nil claims
---@return string|nil message
---@return altinn.events.code|nil code
---@return altinn.events.detail|nil detail
function Source:claims() end

--- How far this machine's clock is behind Maskinporten's, by its last answer.
---@return number|nil seconds negative: ahead; nil: not known
function Source:skew() end

--- When the present token ends and when it is renewed.
---@return number|nil ends seconds since 1970; nil: there is no token
---@return number|nil renewed
function Source:expiry() end
