-- Removes a stream with all that belongs to it. Its sinks begin at the start of the
-- next of that name.
-- Returns the names of the sinks; fails where other programs have keys of these names
read()
length()
local names = sink_names()
redis.call('DEL', log, cfg)
for _, name in ipairs(names) do
  for _, what in ipairs({'retry:', 'sink:', 'side:', 'times:', 'dead:', 'deadids:', 'turn:'}) do
    redis.call('DEL', root .. what .. name)
  end
  redis.call('XGROUP', 'CREATE', log, name, '0-0', 'MKSTREAM')
  redis.call('HSET', root .. 'sink:' .. name, 'floor', '0-0', 'made', string.format('%.0f', clock[1] * 1000000 + clock[2]))
end
return names
