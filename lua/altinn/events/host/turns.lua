-- Turns of the rules within a worker: fair queueing by the time that each rule has used, so that a rule with a long
-- backlog, or with slow runs, keeps no other rule waiting.
--
-- A rule has two queues of calls: for runs that go on, and for runs that begin. A gate may hold back runs that begin.
local M = {}

local Turns = {}
Turns.__index = Turns

local QUANTUM = 0.005  -- seconds; the length of a rule's turn
local LONG = 0.05      -- seconds; a call that takes longer is made alone, so that the worker can look around before it

local function queue() return { first = 1, last = 0 } end

local function push(list, call)
  list.last = list.last + 1
  list[list.last] = call
end

local function pop(list)
  local call = list[list.first]
  list[list.first] = nil
  list.first = list.first + 1
  return call
end

local function is_empty(list) return list.first > list.last end

---@param clock fun(): number seconds, never jumping
---@param gate fun(name: string): boolean whether a run of the rule may begin now
---@return table turns
function M.new(clock, gate)
  return setmetatable({ clock = clock, gate = gate, rules = {}, ready = {}, floor = 0, count = 0 }, Turns)
end

local function rule_of(self, name)
  local rule = self.rules[name]
  if not rule then
    rule = { name = name, used = 0, last = 0, going_on = queue(), beginning = queue() }
    self.rules[name] = rule
  end
  return rule
end

-- Puts a rule into the list of rules that may have a turn. A rule that was idle gets no credit for it: its used time is
-- raised to that of the others.
local function look_at(self, rule)
  if rule.listed then return end
  rule.listed = true
  rule.used = math.max(rule.used, self.floor)
  self.ready[#self.ready + 1] = rule
end

---Queues a call by which a run of the rule goes on; it is made when the rule has its turn.
---@param name string
---@param call fun()
function Turns:go_on(name, call)
  local rule = rule_of(self, name)
  push(rule.going_on, call)
  self.count = self.count + 1
  look_at(self, rule)
end

---Queues a call by which a run of the rule begins; it is made when the rule has its turn and the gate is open.
---@param name string
---@param call fun()
function Turns:begin(name, call)
  local rule = rule_of(self, name)
  push(rule.beginning, call)
  self.count = self.count + 1
  look_at(self, rule)
end

---Says that the gate may be open for the rule again.
---@param name string
function Turns:wake(name)
  local rule = self.rules[name]
  if rule and not is_empty(rule.beginning) then look_at(self, rule) end
end

local function may_go(self, rule)
  return not is_empty(rule.going_on) or not is_empty(rule.beginning) and self.gate(rule.name)
end

-- The rule in the list that has used the least time; rules with nothing to do are taken out of the list.
local function next_rule(self)
  local ready, best = self.ready, nil
  local at = 1
  while at <= #ready do
    local rule = ready[at]
    if may_go(self, rule) then
      if not best or rule.used < best.used then best = rule end
      at = at + 1
    else
      rule.listed = nil
      local last = #ready
      ready[at] = ready[last]
      ready[last] = nil
    end
  end
  return best
end

local function serve(self, rule)
  local begun = self.clock()
  local used
  self.floor = math.max(self.floor, rule.used)
  repeat
    local call = pop(is_empty(rule.going_on) and rule.beginning or rule.going_on)
    self.count = self.count - 1
    call()
    used = self.clock() - begun
  until used >= QUANTUM or not may_go(self, rule)
  rule.used, rule.last = rule.used + used, used
end

---Makes calls until there is none, or the time is over, or one is next that is likely to take long.
---@param seconds number
function Turns:run(seconds)
  local ends, served = self.clock() + seconds, false
  repeat
    local rule = next_rule(self)
    if not rule or served and rule.last >= LONG then return end
    serve(self, rule)
    served = true
  until self.clock() >= ends
end

---How long the next call is likely to take, when that is long: as long as the last turn of its rule.
---@return number|nil seconds
function Turns:long()
  local rule = next_rule(self)
  return rule and rule.last >= LONG and rule.last or nil
end

---Whether a call could be made now.
---@return boolean
function Turns:is_ready() return next_rule(self) ~= nil end

return M
