-- Has a ticket be used again at once, unless somebody else has used it since.
-- KEYS[1] ticket (hash)
-- ARGV[1] the turn of who leaves   ARGV[2] ms that it is kept for his return
-- Returns 1 when it was the last
if redis.call('HGET', KEYS[1], 'turn') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'left', '1')
if redis.call('PTTL', KEYS[1]) > tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
