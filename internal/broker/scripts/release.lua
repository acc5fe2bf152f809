-- Hands back events that a consumer holds: they stay pending, held by nobody
-- (the group's consumer "retry"), and are due again after a delay.
-- KEYS[1] log   KEYS[2] retry (sorted set: id by due time, ms of Redis's clock)
-- ARGV[1] group   ARGV[2] the consumer that holds them
-- ARGV[3…] for each: id, attempt, delay in ms, '1' when this delivery counts
-- Returns for each: 1 done, 0 not pending, -1 held by another or delivered anew
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local results = {}
for i = 3, #ARGV, 4 do
  local id, attempt, delay, counts = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), ARGV[i + 3]
  local entry = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
  local result = 0
  if entry then
    result = -1
    if entry[2] == ARGV[2] and entry[4] == attempt then
      local kept = attempt
      if counts ~= '1' then kept = attempt - 1 end
      -- An event that was deleted meanwhile is not claimed: it is owed no more.
      local claimed = redis.call('XCLAIM', KEYS[1], ARGV[1], 'retry', 0, id, 'RETRYCOUNT', kept, 'JUSTID')
      result = #claimed
      if result == 1 then redis.call('ZADD', KEYS[2], string.format('%.0f', now + delay), id) end
    end
  end
  results[#results + 1] = result
end
return results
