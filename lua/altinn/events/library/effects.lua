---@meta _
-- Made from the table of effects (make definitions): change that.

--- A thing, an event, a text or a number.
---@alias altinn.events.key_part altinn.events.thing|altinn.events.event|string|number

--- Fields of send.http: an HTTP request.
---@class altinn.events.http_effect
---@field key altinn.events.key_part|altinn.events.key_part[]|nil the same key is not sent again once it has succeeded;
---  it must hold something of the event, unless it is a text with a colon; left out: this event, this place
---@field path string|nil is added to the target's url; begins with one slash
---@field method "POST"|"PUT"|"PATCH"|"DELETE"|nil POST when it is left out
---@field headers table<string, string|number>|nil of this request
---@field json any a value, sent as JSON
---@field body string|nil octets, instead of json
---@field probe string|nil a body of the rule: asked after an unknown outcome, it returns sent or not_sent

--- Effects.
---@class altinn.events.send
local send = {}

--- An HTTP request to a target of the configuration with url.
---@param target string the target's name
---@return fun(fields: altinn.events.http_effect): altinn.events.verdict
function send.http(target) end

--- A target of effects: it has one of url.
---@class altinn.events.target
---@field ca_file string|nil PEM file of authorities that are trusted instead of the system's
---@field headers table<string, string>|nil sent with each request
---@field timeout integer|nil seconds, from when the request goes out; 30 when it is left out
---@field url string|nil address that requests go to; an effect's path is put after it, before its query
