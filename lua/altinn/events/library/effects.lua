---@meta _
-- Made from the table of effects (make definitions): change that.

--- A thing, an event, a text or a number.
---@alias altinn.events.key_part altinn.events.thing|altinn.events.event|string|number

--- Fields of send.cloudevent: a CloudEvent, structured or binary.
---@class altinn.events.cloudevent_effect
---@field key altinn.events.key_part|altinn.events.key_part[]|nil the same key is not sent again once it has succeeded;
---  it must hold something of the event, unless it is a text with a colon; left out: this event, this place
---@field event altinn.events.event|table|nil the event of the run when it is left out
---@field mode "structured"|"binary"|nil structured when it is left out
---@field probe string|nil a body of the rule: asked after an unknown outcome, it returns sent or not_sent

--- Fields of send.command: a call of a program on this machine, without a shell.
---@class altinn.events.command_effect
---@field key altinn.events.key_part|altinn.events.key_part[]|nil the same key is not sent again once it has succeeded;
---  it must hold something of the event, unless it is a text with a colon; left out: this event, this place
---@field arguments (string|number)[]|nil after those of the target
---@field json any a value, as JSON on the program's standard input
---@field text string|nil on the program's standard input
---@field body string|nil octets, instead of text
---@field probe string|nil a body of the rule: asked after an unknown outcome, it returns sent or not_sent

--- Fields of send.file: a file, or a line of a file.
---@class altinn.events.file_effect
---@field key altinn.events.key_part|altinn.events.key_part[]|nil the same key is not sent again once it has succeeded;
---  it must hold something of the event, unless it is a text with a colon; left out: this event, this place
---@field name string|nil of the file in the folder, which replaces one of that name; left out: made of the key
---@field text string|nil the content
---@field json any a value: the content, or the line, as JSON
---@field body string|nil octets, instead of text
---@field line string|nil of a target with `append`: no line break, and something that no other line has
---@field probe string|nil a body of the rule: asked after an unknown outcome, it returns sent or not_sent

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

--- Fields of send.mail: a mail of plain text.
---@class altinn.events.mail_effect
---@field key altinn.events.key_part|altinn.events.key_part[]|nil the same key is not sent again once it has succeeded;
---  it must hold something of the event, unless it is a text with a colon; left out: this event, this place
---@field to string|string[] addresses, such as "post@agency.example" or "The Agency <post@agency.example>"
---@field subject string one line, without an identity number
---@field text string the message
---@field probe string|nil a body of the rule: asked after an unknown outcome, it returns sent or not_sent

--- Fields of send.slack: a message in Slack, as it is: no formatting, no mentions.
---@class altinn.events.slack_effect
---@field key altinn.events.key_part|altinn.events.key_part[]|nil the same key is not sent again once it has succeeded;
---  it must hold something of the event, unless it is a text with a colon; left out: this event, this place
---@field text string at most 40,000 characters
---@field probe string|nil a body of the rule: asked after an unknown outcome, it returns sent or not_sent

--- Fields of send.teams: a card in Teams, by the webhook of a workflow; texts as they are: no formatting, no mentions.
---@class altinn.events.teams_effect
---@field key altinn.events.key_part|altinn.events.key_part[]|nil the same key is not sent again once it has succeeded;
---  it must hold something of the event, unless it is a text with a colon; left out: this event, this place
---@field title string|nil the first line
---@field text string|nil below it
---@field facts (string|number)[][]|nil a list of { title, value }
---@field card table|nil an Adaptive Card of your own, instead of the others
---@field probe string|nil a body of the rule: asked after an unknown outcome, it returns sent or not_sent

--- Effects.
---@class altinn.events.send
local send = {}

--- A CloudEvent, structured or binary to a target of the configuration with url.
---@param target string the target's name
---@return fun(fields: altinn.events.cloudevent_effect): altinn.events.verdict
function send.cloudevent(target) end

--- A call of a program on this machine, without a shell to a target of the configuration with command.
---@param target string the target's name
---@return fun(fields: altinn.events.command_effect): altinn.events.verdict
function send.command(target) end

--- A file, or a line of a file to a target of the configuration with folder or append.
---@param target string the target's name
---@return fun(fields: altinn.events.file_effect): altinn.events.verdict
function send.file(target) end

--- An HTTP request to a target of the configuration with url.
---@param target string the target's name
---@return fun(fields: altinn.events.http_effect): altinn.events.verdict
function send.http(target) end

--- A mail of plain text to a target of the configuration with mail.
---@param target string the target's name
---@return fun(fields: altinn.events.mail_effect): altinn.events.verdict
function send.mail(target) end

--- A message in Slack, as it is: no formatting, no mentions to a target of the configuration with slack.
---@param target string the target's name
---@return fun(fields: altinn.events.slack_effect): altinn.events.verdict
function send.slack(target) end

--- A card in Teams, by the webhook of a workflow; texts as they are: no formatting, no mentions to a target of the configuration with teams.
---@param target string the target's name
---@return fun(fields: altinn.events.teams_effect): altinn.events.verdict
function send.teams(target) end

--- A target of effects: it has one of append, command, folder, mail, slack, teams, url.
---@class altinn.events.target
---@field append string|nil the file to which send.file adds a line for each effect
---@field at_once integer|nil programs of the target at the same time; 4 when it is left out
---@field ca_file string|nil PEM file of authorities that are trusted instead of the system's
---@field command string[]|nil the program that send.command starts, and its first arguments; there is no shell
---@field directory string|nil the program's working folder; the host's when it is left out
---@field folder string|nil where send.file puts a file for each effect; also `sftp://host/folder`, where libcurl has SFTP
---@field from string|nil address of the sender
---@field handshake boolean|nil `false`: send.cloudevent does not ask the target for permission (OPTIONS) before its first event
---@field header string|nil first line of a new file of lines
---@field headers table<string, string>|nil sent with each request
---@field key_file string|nil the user's private key for `sftp://`, instead of a password; password is then the key's
---@field known_hosts string|nil the keys of servers for `sftp://`, as OpenSSH keeps them: another key is refused
---@field mail string|nil the server that takes mail: `smtps://host`, or `smtp://host`, where STARTTLS must succeed
---@field maskinporten altinn.events.target_maskinporten|nil a token of Maskinporten for each request: what events.maskinporten takes; `environment` is the configuration's; `exchange = false` for services that take Maskinporten's own token
---@field origin string|nil the name by which send.cloudevent asks for permission; the host of `endpoint` when it is left out
---@field password string|nil of the user
---@field plain boolean|nil `true`: `smtp://` without TLS; `false`: with STARTTLS also on this machine, where it is not needed
---@field proxy string|false|nil address of the proxy to ask by, instead of the one that the environment names; `false`: none
---@field slack string|nil address of an incoming webhook; a secret
---@field teams string|nil address of a workflow "when a Teams webhook request is received"; a secret
---@field timeout integer|nil seconds, from when the request goes out or the program starts; left out: 30, for mail and `sftp://` 60
---@field token altinn.events.target_token|nil a token of OAuth 2.0 by client credentials for each request: `{ url =, client_id =, client_secret =, scope = }`
---@field url string|nil address that requests go to; an effect's path is put after it, before its query
---@field user string|nil who signs in at the server

--- a token of Maskinporten for each request: what events.maskinporten takes; `environment` is the configuration's; `exchange = false` for services that take Maskinporten's own token
---@class altinn.events.target_maskinporten
---@field algorithm string|nil of the signature
---@field base_url string|nil the platform, where the exchange is
---@field ca_file string|nil PEM file of authorities for Maskinporten
---@field certificate string|nil instead of kid
---@field certificate_file string|nil instead of certificate
---@field client_id string|nil who asks
---@field consumer_org string|nil whom the client acts for
---@field environment altinn.events.environment|nil which Maskinporten
---@field exchange boolean|nil false: the token is not exchanged for Altinn's
---@field iss_onbehalfof string|nil whose client it is
---@field issuer string|nil the grant's aud
---@field key string|nil PEM, PKCS#12 or JWK
---@field key_file string|nil instead of key
---@field kid string|nil under which the public key is registered
---@field passphrase string|nil of the key
---@field pid string|nil a person
---@field resource string|string[]|nil audiences of the token
---@field scopes string|string[]|nil of the token
---@field system_user altinn.events.target_system_user|nil the system user to act for
---@field timeout integer|nil seconds
---@field token_url string|nil instead of the issuer's

--- the system user to act for
---@class altinn.events.target_system_user
---@field organisation string|nil number of the customer's organisation
---@field reference string|nil with which it was made

--- a token of OAuth 2.0 by client credentials for each request: `{ url =, client_id =, client_secret =, scope = }`
---@class altinn.events.target_token
---@field audience string|nil the same, as some servers want it
---@field client_id string|nil who asks
---@field client_secret string|nil the client's secret
---@field in_body boolean|nil the secret goes in the body instead of the Authorization header
---@field resource string|nil the service that the token is for (RFC 8707)
---@field scope string|nil scopes, with blanks between them
---@field url string|nil address of the token endpoint
