-- Says that a hub is alive, and forgets those that have not for a while.
-- KEYS[1] hubs (sorted set: name by last heartbeat, ms of Redis's clock)
-- ARGV[1] this hub   ARGV[2] ms after which a silent hub is forgotten
-- Returns the names of all hubs
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now - ARGV[2]))
return redis.call('ZRANGE', KEYS[1], 0, -1)
