-- Acknowledges events of a sink, whoever holds them.
-- KEYS[1] log   KEYS[2] retry (sorted set)
-- ARGV[1] group   ARGV[2…] ids
-- Returns for each id who held it, '' when it was not pending
local owners = {}
for i = 2, #ARGV do
  local entry = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
  owners[i - 1] = ''
  if entry and redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) == 1 then
    owners[i - 1] = entry[2]
    if entry[2] == 'retry' then redis.call('ZREM', KEYS[2], ARGV[i]) end
  end
end
return owners
