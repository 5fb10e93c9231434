-- A script of wrk: posts events, each with an id that was never there before, about a letter of its own: a second event
-- of most types about the same letter would be a repetition.
-- Usage: wrk -s load.lua URL -- EVENTS SALT (eight hexadecimal digits)
-- luacheck: globals wrk request init setup done
local heads, middles, tails, count, sent = {}, {}, {}, 0, 0
local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(args)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/cloudevents+json; charset=utf-8"
  local beginning = ("%s-%04x-4000-a000-"):format(args[2], wrk.thread:get("number"))
  for line in io.lines(args[1]) do
    local text = wrk.format(nil, nil, nil, line)
    local at = text:find('{"id":"', 1, true) + 6
    count = count + 1
    local thing = text:find('"resourceinstance":"', at, true) + 19  -- 36 characters, of which the last 12 are replaced
    heads[count], middles[count] = text:sub(1, at) .. beginning, text:sub(at + 37, thing + 24)
    tails[count] = text:sub(thing + 37)
  end
end

local format = string.format

function request()
  sent = sent + 1
  local at = sent % count + 1
  local number = format("%012x", sent)
  return heads[at] .. number .. middles[at] .. number .. tails[at]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(format("rate=%.1f count=%d p50=%.0f p99=%.0f seconds=%.3f refused=%d broken=%d\n",
    summary.requests / summary.duration * 1e6, summary.requests, latency:percentile(50), latency:percentile(99),
    summary.duration / 1e6, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
