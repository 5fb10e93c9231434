-- Attachments in rules: the real host fetches them from the real emulator,
-- and from an Altinn that answers as a script says.
local emulator = require "spec.support.emulator"
local host = require "spec.support.host"
local process = require "spec.support.process"
local sample = require "spec.support.sample"
local script = require "spec.support.script"

local RECIPIENT = "987654321"
local MEGABYTES = 5 * 1024 * 1024
local TOKEN = "eyJhbGciOiJub25lIn0.c2VjcmV0LXNlY3JldA.c2lnbmF0dXJl"

local altinn, one, scratch

after_each(function()
  if one then one:close() end
  if altinn then altinn:close() end
  process.remove(scratch)
  altinn, one = nil, nil
end)

before_each(function() scratch = process.folder() end)

local function rules_for(sink)
  return { fetch = ([[
    rule {
      name = "fetch", on = "correspondencepublished", may = { "read:overview", "read:details", "download" },
      run = function(event, letter)
        local got = {}
        for number, attachment in ipairs(letter:details().content.attachments) do
          local bytes = 0
          local _, whole = letter:download(attachment.id, %s, { timeout = 5 })
          got[number] = whole.bytes .. "/" .. bytes
        end
        return skip("got " .. table.concat(got, " "))
      end,
    }]]):format(sink) }
end

-- A letter with a small attachment and a large one, pushed to the host.
local function letter_comes()
  altinn:subscribe(("http://127.0.0.1:%d/events"):format(one.port))
  return altinn:letter { resource = "acme-letters", recipient = RECIPIENT, attachments = {
    { fileName = "small.txt", content = "hello attachment" }, { fileName = "large.bin", size = MEGABYTES } } }
end

local function start(sink)
  altinn = emulator.start()
  local token = altinn:token { scopes = "altinn:correspondence.read", orgNo = RECIPIENT }
  one = host.start { rules = rules_for(sink), config = ('return { base_url = "%s", token = "%s" }')
    :format(altinn.base, token) }
end

local function files()
  local pipe = assert(io.popen("ls " .. process.quote(scratch)))
  local names = pipe:read("a")
  pipe:close()
  return names
end

describe("a rule downloads", function()
  it("into files, small and large, which have their names once they are whole", function()
    start(('%q .. "/" .. number'):format(scratch))
    letter_comes()
    assert.are.equal("got 16/0 5242880/0", one:wait_log('verdict=skipped reason="(.-)"', 20), one:log())
    assert.are.equal("hello attachment", process.read(scratch .. "/1"))
    assert.are.equal(MEGABYTES, #process.read(scratch .. "/2"))
    assert.are.equal("1\n2\n", files())
  end)

  it("into a function, which may ask for other things meanwhile", function()
    start "function(part) bytes = bytes + #part letter:overview() end"
    letter_comes()
    assert.are.equal("got 16/16 5242880/5242880", one:wait_log('verdict=skipped reason="(.-)"', 20), one:log())
  end)
end)

describe("a download that does not end", function()
  -- The file begins and goes on for an hour.
  before_each(function()
    altinn = script.start()
    altinn:answer [[
      if request.path:find "attachment" then
        return { drip = "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" .. ("x"):rep(200000) }
      end
      local id = request.path:match("v1/correspondence/([%x%-]+)")
      return { body = ('{"correspondenceId":"%s","status":"Published","statusHistory":[],' ..
        '"content":{"attachments":[{"id":"0198c3a2-0000-7c55-8f0e-2a4b6c8d0e1f"}]}}'):format(id) }]]
    one = host.start { rules = rules_for(('%q .. "/" .. number'):format(scratch)),
      config = ('return { base_url = "%s", token = "%s" }'):format(altinn.url, TOKEN) }
    one:post(sample.text())
    assert(process.wait(20, function() return files():find("part", 1, true) end), one:log())
  end)

  it("leaves nothing when its time is over", function()
    assert(one:wait_log("verdict=retry", 20), one:log())
    assert(process.wait(30, function() return files() == "" end), files())
  end)

  it("leaves nothing when the host ends, and does not keep it", function()
    assert.are.equal(0, one:stop())
    assert.are.equal("", files())
  end)

  it("and is killed with its host is cleared away by the next one into the same file", function()
    one:kill()
    assert.is_truthy(files():find("part", 1, true))
    altinn:answer [[
      if request.path:find "attachment" then return { body = "whole" } end
      local id = request.path:match("v1/correspondence/([%x%-]+)")
      return { body = ('{"correspondenceId":"%s","status":"Published","statusHistory":[],' ..
        '"content":{"attachments":[{"id":"0198c3a2-0000-7c55-8f0e-2a4b6c8d0e1f"}]}}'):format(id) }]]
    assert(one:launch())
    assert(one:wait_log("got 5/0", 20), one:log())
    assert.are.equal("1\n", files())
  end)
end)
