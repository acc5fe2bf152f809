-- Removes one event from a stream, and what sinks have of it; nobody owes it any
-- more, except who holds it now, until that is over.
-- ARGV[6] id
-- Returns the names of the sinks where it waited for a delivery
local id = ARGV[6]
roomy()
if redis.call('XDEL', log, id) == 1 and redis.call('EXISTS', cfg) == 1 then redis.call('HINCRBY', cfg, 'deleted', 1) end
local waited = {}
for _, sink in ipairs(sinks()) do
  local name = sink[1]
  local side, dead, index = root .. 'side:' .. name, root .. 'dead:' .. name, root .. 'deadids:' .. name
  if redis.call('ZREM', root .. 'retry:' .. name, id) == 1 then
    redis.call('XACK', log, name, id)
    redis.call('HDEL', root .. 'times:' .. name, id)
    waited[#waited + 1] = name
  end
  if redis.call('EXISTS', side) == 1 then
    redis.call('XACK', side, name, id)
    redis.call('XDEL', side, id)
    if redis.call('XLEN', side) == 0 then redis.call('DEL', side) end
  end
  local letter = redis.call('HGET', index, id)
  if letter then
    redis.call('XDEL', dead, letter)
    redis.call('HDEL', index, id)
  end
end
return waited
