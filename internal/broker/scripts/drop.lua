-- Removes a stream with all that belongs to it. Its sinks begin at the start of the
-- next of that name.
-- Returns {1 when there was one, names of the sinks}
read()
local there = present()
local names = {}
for i, sink in ipairs(sinks()) do names[i] = sink[1] end
redis.call('DEL', log, cfg)
for _, name in ipairs(names) do
  for _, what in ipairs({'retry:', 'sink:', 'side:', 'times:', 'dead:', 'deadids:', 'turn:'}) do
    redis.call('DEL', root .. what .. name)
  end
  redis.call('XGROUP', 'CREATE', log, name, '0-0', 'MKSTREAM')
  redis.call('HSET', root .. 'sink:' .. name, 'floor', '0-0')
end
return {there and 1 or 0, names}
