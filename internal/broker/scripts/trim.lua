-- Removes what a stream's retention does not keep, a bounded number at a time.
-- ARGV[6] '1': only say what that would be
-- ARGV[7] only then: where an earlier call has stopped, or ''
-- ARGV[8] only then: how many more are beyond max_events, or ''
-- Returns {events, last id, more, beyond, due, keepers, damage}; an empty list where there is
--   no such stream
--   events   removed, or found
--   more     1 when a further call would find more
--   beyond   for ARGV[8]
--   due      ms until the oldest event is over max_age, -1 for never
--   keepers  sinks that keep events which are over it
read()
if not present() then return {} end
local dry, piece = ARGV[6] == '1', most(1000, 8388608)
if not dry then roomy() end

local list, tests = sinks(), {}
for i, sink in ipairs(list) do tests[i] = owing(sink) end
local keepers, named = {}, {}
-- aged says whether an event is over max_age and owed by nobody.
local function aged(id)
  if stream.max_age == 0 or tonumber(string.match(id, '%d+')) > now - stream.max_age then return false end
  local free = true
  for i, owes in ipairs(tests) do
    if owes(id) then
      free = false
      if not named[i] then
        named[i] = true
        keepers[#keepers + 1] = list[i][1]
      end
    end
  end
  return free
end

local bounded = stream.max_events > 0
local beyond = bounded and math.max(0, length() - stream.max_events) or 0
if ARGV[8] ~= '' then beyond = tonumber(ARGV[8]) end
local finished = stream.on_full == 'reject' and done()
local events, last, more = 0, '', 0
if dry then
  local from = ARGV[7] ~= '' and ARGV[7] or '-'
  for _, entry in ipairs(redis.call('XRANGE', log, from, '+', 'COUNT', 1 + piece)) do
    if entry[1] ~= ARGV[7] then
      more = 1
      if (beyond <= 0 or finished and not finished(entry[1])) and not aged(entry[1]) then
        more = 0
        break
      end
      events, beyond, last = events + 1, beyond - 1, entry[1]
    end
  end
else
  beyond = math.min(beyond, piece)
  if finished then spend(beyond, finished) else drop(beyond) end
  if removed < piece then spend(piece - removed, aged) end
  events = removed
  if removed > 0 then last = stream.trimmed end
  if removed >= piece then more = 1 end
end
local due = -1
local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
if first and stream.max_age > 0 then
  due = math.max(0, tonumber(string.match(first[1], '%d+')) + stream.max_age - now)
end
return {events, last, more, beyond, due, keepers, damage()}
