-- What comes in leaves a line: an administrator who reads the log sees who knocks with an old secret, that Altinn's
-- validation came, and that events arrive which no rule wants.
local host = require "spec.support.host"
local http = require "spec.support.http"
local process = require "spec.support.process"
local sample = require "spec.support.sample"

local PERSON = "01020312345"

describe("a request", function()
  local one

  setup(function()
    one = host.start {
      config = 'return { secret = "the-right-one", limits = { deadline = 2 } }',
      rules = { wanted = 'rule { name = "wanted", on = "x.wanted", run = function() return skip("seen") end }' },
    }
  end)
  teardown(function() one:close() end)

  local function post(body, headers, path) return (one:post(body, headers, path or "/events/the-right-one/letters")) end

  it("that is refused is a warning with its reason", function()
    assert.are.equal(401, post(sample.text { id = "k1" }, nil, "/events/an-old-secret"))
    assert(one:wait_log
      'level=warn msg=refused code=auth status=401 reason="the secret in the path is missing or wrong"')
    assert.are.equal(400, post "{")
    assert(one:wait_log "level=warn msg=refused code=syntax status=400 subscription=letters reason=")
    assert.are.equal(400, post(sample.text { id = "k2", time = "yesterday" }))
    assert(one:wait_log "level=warn msg=refused code=invalid status=400 subscription=letters attribute=time reason=")
    assert.are.equal(415, post(sample.text { id = "k3" }, { ["Content-Type"] = "text/plain" }))
    assert(one:wait_log "level=warn msg=refused code=unsupported status=415")
    assert.are.equal(405, (http.request(one.port, { path = "/events/the-right-one" })))
    assert(one:wait_log 'status=405 reason="events come by POST"')
    assert.are.equal(404, (http.request(one.port, { path = "/elsewhere" })))
    assert(one:wait_log "level=warn msg=refused code=not_found status=404")
  end)

  it("that brings what no rule wants, or what came before, is information", function()
    assert.are.equal(200, post(sample.text { id = "u1", type = "x.unwanted" }))
    assert(one:wait_log "level=info msg=unmatched event=%d+ subscription=letters type=x%.unwanted id=u1")
    assert.are.equal(200, post(sample.text { id = "u1", type = "x.unwanted" }))
    assert(one:wait_log "level=info msg=duplicate subscription=letters type=x%.unwanted id=u1")
    assert.are.equal(200, post(sample.validation))
    assert(one:wait_log "level=info msg=validation event=%d+ subscription=letters"
      .. " type=platform%.events%.validatesubscription")
    assert.are.equal(200, (http.request(one.port, { method = "OPTIONS", path = "/events/the-right-one" })))
    assert(one:wait_log "level=info msg=handshake ")
    local batch = ("[%s,%s]"):format(sample.text { id = "u1" }, sample.text { id = "u2", type = "x.none" })
    assert.are.equal(200, post(batch,
      { ["Content-Type"] = "application/cloudevents-batch+json" }))
    assert(one:wait_log "level=info msg=batch events=2 duplicates=1 unmatched=1 subscription=letters")
  end)

  it("has as much of a long text as a line may hold, and no part of a character", function()
    assert.are.equal(200, post(sample.text { id = ("y"):rep(1999) .. ("ø"):rep(100), type = "x.unwanted" }))
    assert(one:wait_log('type=x%.unwanted id="' .. ("y"):rep(1999) .. ' …"\n'))
    assert.are.equal(200, post(sample.text { id = ("ø"):rep(2000), type = "x.unwanted" }))
    assert(one:wait_log('type=x%.unwanted id="' .. ("ø"):rep(1000) .. ' …"\n'))
  end)

  it("that a rule wants has the line of its verdict only", function()
    assert.are.equal(200, post(sample.text { id = "w1", type = "x.wanted" }))
    assert(one:wait_log "verdict=skipped reason=seen")
    assert.is_nil(one:log():find("w1", 1, true))
  end)

  it("that ends before it is whole is a warning", function()
    local client = http.connect(one.port)
    client:send("POST /events/the-right-one HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
      .. "Content-Length: 9\r\n\r\n{")
    client:close()
    assert(one:wait_log 'level=warn msg=lost reason="the connection ended before the request was whole"', one:log())
  end)

  it("shows no secret, no identity number, and nothing that a terminal obeys", function()
    post(sample.text { id = PERSON, type = "x.unwanted", source = "https://example.no/" .. PERSON })
    post(sample.text { id = "p2", subject = "a\27[31mb" })
    post(sample.text { id = "p3", ["a\194\155b" .. PERSON] = "x" })
    post(sample.text { id = "p4" }, nil, "/events/the-right-one/" .. PERSON)
    post("{", nil, "/events/the-right-one/%C2%9Bname")
    post(sample.text { id = "p5" }, nil, "/events/" .. PERSON)
    assert(one:wait_line [[subscription="\u009bname"]])
    local text = one:log()
    for _, hidden in ipairs { PERSON, "the-right-one", "an-old-secret", "\27", "\194\155" } do
      assert.is_nil(text:find(hidden, 1, true), hidden)
    end
  end)

  it("that comes too often is counted", function()
    local before = one:metrics()['refused_total{code="auth"}']
    for _ = 1, 60 do post(sample.text(), nil, "/events/wrong") end
    local refused = one:metrics()['refused_total{code="auth"}'] - before
    assert.are.equal(60, refused)
    -- What was not written is told: lines and counts make all of them.
    local told = process.wait(10, function()
      local lines, more = 0, 0
      for line in one:log():gmatch "[^\n]+" do
        local count = line:match 'msg=refused code=auth reason="and (%d+) more"'
        if count then more = more + tonumber(count)
        elseif line:find("code=auth status=401", 1, true) then lines = lines + 1 end
      end
      return lines + more == before + 60 and { lines, more } or nil
    end)
    assert(told, "not all are told of")
    local seconds = {}
    for second in one:log():gmatch "time=(%S+) level=warn msg=refused code=auth status=401" do
      seconds[second] = (seconds[second] or 0) + 1
      assert.is_true(seconds[second] <= 10, second)  -- 5 in a second of the machine's clock, which begins elsewhere
    end
    assert.is_true(told[2] > 0)
  end)
end)
