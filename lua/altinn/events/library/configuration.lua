---@meta _
-- The configuration file altinn-events.lua, for editors: put ---@type altinn.events.configuration above its table.

--- How the host logs.
---@class altinn.events.log_options
---@field format "logfmt"|"json"|nil

--- Bounds for the receiver, and for rules that set none.
---@class altinn.events.limits
---@field max_bytes integer|nil of a request
---@field deadline integer|nil seconds for a whole request
---@field connections integer|nil
---@field seconds integer|nil of a run
---@field instructions integer|nil of a run
---@field memory integer|nil of a run, bytes
---@field at_once integer|nil runs of a rule at the same time

--- The credentials by which the host gets tokens.
---@class altinn.events.credentials : altinn.events.token_options
---@field client_id string
---@field key string|nil PEM, PKCS#12 or JWK
---@field key_file string|nil instead of key
---@field passphrase string|nil
---@field kid string|nil the id under which the public key is registered
---@field certificate string|nil instead of kid
---@field certificate_file string|nil instead of certificate
---@field environment altinn.events.environment|nil
---@field base_url string|nil
---@field issuer string|nil
---@field token_url string|nil
---@field algorithm "RS256"|"RS384"|"RS512"|nil
---@field timeout integer|nil seconds
---@field ca_file string|nil PEM file of authorities that are trusted instead of the system's

--- The rules' specs, run by a reload.
---@class altinn.events.test_options
---@field reload boolean|nil true: a reload runs the specs of the new rules first, and refuses them when one fails
---@field seconds integer|nil that all specs may take; 60

--- The table that the configuration file returns.
---@class altinn.events.configuration
---@field environment altinn.events.environment|nil which Altinn
---@field base_url string|nil the platform's address instead
---@field credentials altinn.events.credentials|nil
---@field token string|nil a ready token instead of credentials, for a trial
---@field ca_file string|nil PEM file of authorities that are trusted for Altinn and tokens, instead of the system's
---@field endpoint string|nil public address of the webhook; the secret is added, or stands where {secret} is
---@field resources string|string[]|nil the resources of rules that name none
---@field narrow boolean|nil one subscription for each type
---@field listen string|nil "127.0.0.1:8480"
---@field admin string|false|nil "127.0.0.1:8481"
---@field secret string|string[]|nil the last part of the endpoint's address
---@field inbox string|nil "altinn-events.db"
---@field rules string|string[]|nil files or folders
---@field targets table<string, altinn.events.target>|nil
---@field holidays string[]|nil more days that are no working days: { "2026-12-24" }
---@field keep { readings: boolean|nil }|nil readings: whether what Altinn answers to rules is kept; true when left out
---@field workers integer|nil
---@field log altinn.events.log_options|nil
---@field limits altinn.events.limits|nil
---@field test altinn.events.test_options|nil

--- A secret from the environment.
---@param name string of the variable
---@return string
function env(name) end

--- A secret from a file.
---@param path string
---@return string
function file(path) end
