-- Says that a hub is alive, and forgets those that have not for a while.
-- KEYS[1] hubs (sorted set: name by last heartbeat, ms of Redis's clock)
-- ARGV[1] this hub   ARGV[2] ms after which a silent hub is forgotten
-- Returns '' when this hub was not on the list before, else '1'; then the names
-- of all hubs
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now - ARGV[2]))
local answer = redis.call('ZRANGE', KEYS[1], 0, -1)
table.insert(answer, 1, known and '1' or '')
return answer
