-- Acknowledges all that is pending up to an event, some at a time.
-- ARGV[2] the last id   ARGV[3] most to acknowledge
-- Returns {ids, who held each}
local ids, owners = {}, {}
for _, key in ipairs(streams()) do
  for _, entry in ipairs(redis.call('XPENDING', key, group, '-', ARGV[2], ARGV[3])) do
    ids[#ids + 1], owners[#owners + 1] = entry[1], entry[2]
    if entry[2] == 'retry' then redis.call('ZREM', retry, entry[1]) end
    settle(key, entry[1])
  end
end
return {ids, owners}
