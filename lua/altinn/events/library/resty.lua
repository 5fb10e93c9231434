---@meta altinn.events.resty
-- The module altinn.events.resty, for editors.

--- The client by which rules ask Altinn: as for events.client, but with a token or credentials.
---@class altinn.events.resty_client
---@field environment altinn.events.environment|nil
---@field base_url string|nil
---@field token string|altinn.events.resty_token_source|(fun(): string|nil, string|nil, string|nil)|nil
---@field credentials altinn.events.maskinporten_options|nil instead of token
---@field timeout number|nil
---@field attempts integer|nil
---@field subscription_key string|nil

--- Options of the handler.
---@class altinn.events.resty_options
---@field dict string name of a lua_shared_dict
---@field secret string|string[]|nil the last part of the endpoint's address
---@field rules string|string[]|nil files and folders
---@field on_event (fun(event: altinn.events.event, name: string|nil): boolean|nil, string|nil)|nil false: not taken, Altinn sends it again
---@field targets table<string, altinn.events.target>|nil
---@field client altinn.events.resty_client|nil
---@field max_bytes integer|nil
---@field path string|nil "/events"
---@field wait number|nil seconds that a duplicate waits for the first delivery
---@field on_dead (fun(event: altinn.events.event, rule: string, reason: string))|nil is called for each run that failed for good

--- The webhook in nginx with its Lua module.
---@class altinn.events.resty
local resty = {}

--- A webhook for content_by_lua; make it in init_by_lua.
---@param options altinn.events.resty_options
---@return fun() receive
function resty.handler(options) end

--- Options of the source.
---@class altinn.events.resty_maskinporten_options : altinn.events.maskinporten_options
---@field dict string name of a lua_shared_dict

--- A source of tokens, one for all workers: called, it gives the token, or nil, message, code.
---@class altinn.events.resty_token_source
---@overload fun(): string|nil, string|nil, altinn.events.code|nil

--- A source of tokens over cosockets, one refresh for all workers.
---@param options altinn.events.resty_maskinporten_options
---@return altinn.events.resty_token_source|nil source
---@return string|nil message
---@return altinn.events.code|nil code
function resty.maskinporten(options) end

--- A transport of events.client over cosockets.
---@return altinn.events.transport transport
function resty.transport() end

return resty
