-- Letters, attachments and downloads against a real server, over real libcurl.
local altinn = require "spec.support.altinn"
local process = require "spec.support.process"
local script = require "spec.support.script"

local ID, FILE, LETTERS = altinn.ID, altinn.FILE, altinn.LETTERS
local failed, overview = altinn.failed, altinn.overview

local server

setup(function() server = script.start() end)
teardown(function() server:close() end)

local function client(more) return altinn.client(server, more) end

describe("a letter", function()
  it("is read: overview, details with its history, content", function()
    server:answer(([[
      if request.path:find("/details$") then return { body = %q } end
      local headers = { ["Content-Type"] = "text/plain" }
      if request.path:find("/content$") then return { body = "# Hei\n", headers = headers } end
      return { body = %q }]]):format(
      overview ',"statusHistory":[{"status":"Published"},{"status":"Confirmed","statusText":null}],"dueDateTime":null',
      overview ',"altinn2CorrespondenceId":17,"content":{"attachments":[]}'))
    local letter = client():letter(ID)
    local seen = assert(letter:overview())
    assert.are.equal("Read", seen.status)
    assert.is_nil(seen.read)
    assert.are.equal("17", tostring(seen.altinn2CorrespondenceId))
    local details = assert(letter:details())
    assert.is_nil(details.dueDateTime)
    assert.is_true(details:has_been("Confirmed"))
    assert.is_true(details:has_been("Failed", "Confirmed"))
    assert.is_true(details:has_been("Read"))
    assert.is_false(details:has_been("Failed", "Forwarded"))
    assert.is_true(letter:has_been("Published"))
    assert.are.equal("# Hei\n", letter:content())
    local requests = server:requests()
    assert.are.equal(LETTERS .. "/" .. ID, requests[1].target)
    assert.are.equal("*/*", requests[4].headers.accept)
    assert.has_error(function() details:has_been("Confrimed") end,
      "'Confrimed' is no status of a letter (did you mean 'Confirmed'?)")
    assert.has_error(function() details:has_been() end)
    assert.has_error(function() letter:has_been("read") end)
  end)

  it("of another id than the one asked for is no answer", function()
    server:always(200, overview(',"statusHistory":[]', FILE))
    failed("invalid", client():letter(ID):overview())
    failed("invalid", client():letter(ID):details())
    assert(client():letter(FILE:upper()):overview())
  end)

  it("is acted on, and what was done before is success", function()
    for action, path in pairs { mark_read = "markasread", confirm = "confirm", purge = "purge" } do
      server:always(200, '"' .. ID .. '"')
      local ok, detail = client():letter(ID)[action](client():letter(ID))
      assert.is_true(ok)
      assert.is_false(detail.already)
      local request = server:requests()[1]
      assert.are.equal(action == "purge" and "DELETE" or "POST", request.method)
      assert.are.equal(LETTERS .. "/" .. ID .. "/" .. path, request.target)
      assert.are.equal("", request.body)
      server:always(204)
      assert.is_true(client():letter(ID)[action](client():letter(ID)))
    end
    for number, action in pairs { [1040] = "mark_read", [1041] = "confirm", [1014] = "purge" } do
      server:always(400, ('{"status":400,"code":"CORR-0%d","errorCode":%d}'):format(number, number))
      local letter = client():letter(ID)
      local ok, detail = letter[action](letter)
      assert.is_true(ok)
      assert.is_true(detail.already)
    end
  end)

  it("is fetched first when the server wants it", function()
    server:answer(([[
      if request.method == "GET" then state.fetched = true return { body = %q } end
      if not state.fetched then return { status = 400, body = '{"errorCode":1025}' } end
      return { body = '"x"' }]]):format(overview()))
    assert.is_true(client():letter(ID):confirm())
    local methods = {}
    for _, request in ipairs(server:requests()) do methods[#methods + 1] = request.method end
    assert.are.same({ "POST", "GET", "POST" }, methods)
    server:answer(("return request.method == 'GET' and { body = %q }"
      .. " or { status = 400, body = '{\"errorCode\":1025}' }")
      :format(overview()))
    local message, detail = failed("invalid", client():letter(ID):confirm())
    assert.is_truthy(message:find("altinn:correspondence.write", 1, true))
    assert.are.equal(1025, detail.number)
    assert.are.equal(3, #server:requests())
  end)

  it("confirmed once more after a 500", function()
    server:sequence { "{ status = 500 }", "{ status = 400, body = '{\"errorCode\":1041}' }" }
    assert.is_true(client():letter(ID):confirm())
  end)

  it("whose id is none sends nothing", function()
    server:always(200, overview())
    failed("invalid", client():letter("../../etc"):overview())
    failed("invalid", client():letter(""):purge())
    assert.are.equal(0, #server:requests())
    assert.has_error(function() client():letter(5) end)
    assert.has_error(function() client():letter() end)
  end)

  it("has attachments with a life of their own", function()
    server:always(200, ('{"attachmentId":"%s","status":"Published","statusHistory":[]}'):format(FILE))
    local attachment = client():attachment(FILE)
    assert.are.equal("Published", assert(attachment:overview()).status)
    assert(attachment:details())
    local requests = server:requests()
    assert.are.equal("/correspondence/api/v1/attachment/" .. FILE, requests[1].target)
    assert.are.equal("/correspondence/api/v1/attachment/" .. FILE .. "/details", requests[2].target)
  end)
end)

describe("a download", function()
  local folder
  before_each(function() folder = process.folder() end)
  after_each(function() process.remove(folder) end)

  local function files()
    local pipe = io.popen("ls -1A " .. folder)
    local text = pipe:read("a")
    pipe:close()
    return text
  end

  it("goes to a file, which appears when it is whole", function()
    server:answer "return { bytes = 3000000, delay = 0.05, headers = { ['Content-Type'] = 'application/pdf' } }"
    local ok, detail = client():letter(ID):download(FILE, folder .. "/a.pdf")
    assert.is_true(ok, detail)
    assert.are.equal(3000000, detail.bytes)
    assert.are.equal("application/pdf", detail.media_type)
    assert.are.equal("a.pdf\n", files())
    assert.are.equal(3000000, #process.read(folder .. "/a.pdf"))
    assert.are.equal(LETTERS .. "/" .. ID .. "/attachment/" .. FILE .. "/download", server:requests()[1].target)
  end)

  it("goes to a function, and takes an entry of content.attachments", function()
    server:answer "return { bytes = 700000 }"
    local got = 0
    assert.is_true(client():letter(ID):download({ id = FILE }, function(part) got = got + #part end))
    assert.are.equal(700000, got)
  end)

  it("may be empty", function()
    server:always(200, "")
    assert.is_true(client():letter(ID):download(FILE, folder .. "/empty"))
    assert.are.equal("", process.read(folder .. "/empty"))
    assert.are.equal("empty\n", files())
  end)

  it("that breaks off begins anew in a file, and leaves no part of one", function()
    server:sequence { "{ bytes = 2000000, cut = 900000 }", "{ status = 503, body = 'busy' }", "{ bytes = 2000000 }" }
    assert.is_true(client():letter(ID):download(FILE, folder .. "/a"))
    assert.are.equal(2000000, #process.read(folder .. "/a"))
    assert.are.equal("a\n", files())
    process.write(folder .. "/a", "before")
    server:answer "return { bytes = 2000000, cut = 900000 }"
    failed("network", client { attempts = 2 }:letter(ID):download(FILE, folder .. "/a"))
    assert.are.equal("before", process.read(folder .. "/a"))
    assert.are.equal("a\n", files())
    server:always(404, '{"errorCode":2001}')
    failed("not_found", client():letter(ID):download(FILE, folder .. "/b"))
    assert.are.equal("a\n", files())
  end)

  it("that breaks off is not given to a function twice", function()
    server:answer "return { bytes = 2000000, cut = 900000 }"
    local got = 0
    failed("network", client():letter(ID):download(FILE, function(part) got = got + #part end))
    assert(got <= 900000)
    assert.are.equal(1, #server:requests())
    server:sequence { "{ status = 503 }", "{ bytes = 10 }" }
    got = 0
    assert.is_true(client():letter(ID):download(FILE, function(part) got = got + #part end))
    assert.are.equal(10, got)
  end)

  it("can be ended by its function", function()
    server:answer "return { bytes = 20000000 }"
    local message = failed("cancelled", client():letter(ID):download(FILE, function() return false, "too much" end))
    assert.are.equal("too much", message)
    assert.has_error(function() client():letter(ID):download(FILE, function() error("broken", 0) end) end, "broken")
  end)

  it("that cannot be written says so", function()
    server:answer "return { bytes = 2000000 }"
    failed("storage", client():letter(ID):download(FILE, folder .. "/no/such/folder"))
    failed("storage", client():letter(ID):download(FILE, folder))
    assert.are.equal("", files())
  end)

  it("is not a page of a gateway", function()
    server:always(200, "<html>log in</html>", "['Content-Type'] = 'text/html; charset=utf-8'")
    local message = failed("syntax", client():letter(ID):download(FILE, folder .. "/a"))
    assert.is_truthy(message:find("gateway", 1, true))
    assert.are.equal("", files())
    failed("syntax", client():letter(ID):content())
    server:always(200, "<html>", "['Content-Type'] = 'text/html', ['Content-Disposition'] = 'attachment'")
    assert.is_true(client():letter(ID):download(FILE, folder .. "/a.html"))
  end)

  it("has a time of its own", function()
    server:answer "return { bytes = 10, delay = 0.4 }"
    failed("timeout", client { timeout = 0.2 }:letter(ID):download(FILE, print))
    assert.is_true(client { timeout = 0.2 }:letter(ID):download(FILE, function() end, { timeout = 5 }))
    local letter = client():letter(ID)
    assert.has_error(function() letter:download(FILE, print, { timout = 5 }) end)
    assert.has_error(function() letter:download(FILE, print, { timeout = 0 }) end)
    assert.has_error(function() letter:download(FILE) end)
    assert.has_error(function() letter:download(FILE, "") end)
    assert.has_error(function() letter:download(nil, print) end)
    failed("invalid", letter:download("../x", print))
  end)
end)
