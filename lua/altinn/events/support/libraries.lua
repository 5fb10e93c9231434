-- Loads modules that need libraries of the system. A missing library raises a sentence with the name of its package.
local M = {}

-- By the stem of the file: the packages of Debian and Ubuntu, Fedora, Alpine, Homebrew.
local PACKAGES = {
  { "libcurl", "libcurl4", "libcurl", "libcurl", "curl" },
  { "libcrypto", "libssl3", "openssl-libs", "libcrypto3", "openssl@3" },
  { "libmicrohttpd", "libmicrohttpd12", "libmicrohttpd", "libmicrohttpd", "libmicrohttpd" },
  { "libsqlite3", "libsqlite3-0", "sqlite-libs", "sqlite-libs", "sqlite" },
}

-- The messages of the loaders of glibc, musl and macOS for a missing file.
local ABSENT = {
  "(lib[%w._+-]+): cannot open shared object file",
  "Error loading shared library (lib[%w._+-]+)",
  "Library not loaded: %S-(lib[%w._+-]+)",
}

local function missing_library(message)
  for _, pattern in ipairs(ABSENT) do
    local file = message:match(pattern)
    if file then return file end
  end
  return nil
end

--- Why a module cannot be loaded, in a sentence.
---@param name string of the module
---@param message string what `require` raised
---@return string
function M.explain(name, message)
  local file = missing_library(message)
  for _, packages in ipairs(file and PACKAGES or {}) do
    if file:sub(1, #packages[1]) == packages[1] then
      return ("%s needs %s, which is not there: install %s (Debian, Ubuntu), %s (Fedora), %s (Alpine) or %s (Homebrew)")
        :format(name, file, packages[2], packages[3], packages[4], packages[5])
    end
  end
  if message:find("module '" .. name .. "' not found", 1, true) then
    local rock = name:match "[^.]+$" == "host" and "altinn-events-host" or "altinn-events"
    return ("%s is not built for %s, or not in package.cpath (%s): luarocks --lua-version=%s install %s, or make")
      :format(name, _VERSION, package.cpath, _VERSION:match("[%d.]+"), rock)
  end
  return message
end

--- The module, as `require` gives it; raises the sentence.
---@param name string such as "altinn.events.curl"
---@return any module
function M.load(name)
  local ok, module = pcall(require, name)
  if ok then return module end
  error(M.explain(name, tostring(module)), 0)
end

--- Whether busted, which runs specs, is there. For Lua 5.4.
---@return boolean
---@return string|nil message how to get it
function M.has_busted()
  if package.searchpath("busted.core", package.path) then return true end
  return false, "specs are run by busted, which is not there: apt-get install lua-busted (Debian, Ubuntu), or "
    .. "luarocks --lua-version=5.4 install busted"
end

return M
