-- Keeps a ticket.
-- KEYS[1] ticket (hash)
-- ARGV[1] the sealed principal   ARGV[2] the origin that it is for
-- ARGV[3] ms until it expires, where nobody uses it
-- ARGV[4] ms until the last use of one that comes again
-- Returns 'OK'
-- Times are of Redis's clock, so that hubs need not agree about theirs.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function at(ms) return string.format('%.0f', now + tonumber(ms)) end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'principal', ARGV[1], 'origin', ARGV[2], 'expires', at(ARGV[3]), 'until', at(ARGV[4]))
redis.call('PEXPIREAT', KEYS[1], at(ARGV[3]))
return redis.status_reply('OK')
