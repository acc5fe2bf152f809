-- Acknowledges events of a sink, whoever holds them.
-- ARGV[2…] ids
-- Returns for each id who held it, '' when it was not pending
local owners = {}
for i = 2, #ARGV do
  local key, entry = pending(ARGV[i])
  owners[i - 1] = ''
  if entry then
    owners[i - 1] = entry[2]
    if entry[2] == 'retry' then redis.call('ZREM', retry, ARGV[i]) end
    settle(key, ARGV[i])
  end
end
return owners
