-- Removes a stream with all that belongs to it. Its sinks begin at the start of the
-- next of that name.
-- Returns {1 when there was one, names of the sinks}
read()
local there = present()
local sinks = {}
for _, group in ipairs(groups()) do
  if redis.call('EXISTS', root .. 'sink:' .. group[1]) == 1 then sinks[#sinks + 1] = group[1] end
end
redis.call('DEL', log, cfg)
for _, name in ipairs(sinks) do
  for _, what in ipairs({'retry:', 'sink:', 'side:', 'times:', 'dead:', 'deadids:', 'turn:'}) do
    redis.call('DEL', root .. what .. name)
  end
  redis.call('XGROUP', 'CREATE', log, name, '0-0', 'MKSTREAM')
  redis.call('HSET', root .. 'sink:' .. name, 'floor', '0-0')
end
return {there and 1 or 0, sinks}
