-- Notes that a sink is in use.
-- KEYS[1] sink settings (hash)
-- Returns 1 when it exists
if redis.call('HEXISTS', KEYS[1], 'used') == 0 then return 0 end
local clock = redis.call('TIME')
redis.call('HSET', KEYS[1], 'used', string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000)))
return 1
