-- Stores a sink's settings when it is first used, and adds streams to it.
-- KEYS[1] sink settings (hash)
-- ARGV[1] from   ARGV[2] ack_wait_ms to store when the sink is new
-- ARGV[3] '1' when the caller asked for this ack_wait itself
-- ARGV[4] '1' to look only, changing nothing   ARGV[5…] streams
-- Returns the settings as HGETALL (empty: the sink does not exist, look only);
-- where ack_wait contradicts what is stored, nothing is changed
local known = redis.call('HGET', KEYS[1], 'ack_wait_ms')
if ARGV[4] == '1' or (known and ARGV[3] == '1' and known ~= ARGV[2]) then
  return redis.call('HGETALL', KEYS[1])
end
if not known then
  redis.call('HSET', KEYS[1], 'from', ARGV[1], 'ack_wait_ms', ARGV[2])
end
for i = 5, #ARGV do
  redis.call('HSETNX', KEYS[1], 'stream:' .. ARGV[i], '1')
end
return redis.call('HGETALL', KEYS[1])
