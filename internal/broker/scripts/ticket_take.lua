-- Uses a ticket: once for all, or in a place, where it may be used again.
-- KEYS[1] ticket (hash): beside what ticket_put.lua writes, once it was used: place, used
--   (ms), turn (counts the uses), and left when the last user has gone
-- ARGV[1] the place; '' for once   ARGV[2] ms from one use to the next, while its user
--   has not left
-- Returns {principal, origin, ms until it expires, ms until its last use, turn}, or {}
--   when it is not to be had
-- What has expired may be there all the same: an embedded Redis forgets late.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local place = ARGV[1]
local f = redis.call('HMGET', KEYS[1], 'principal', 'origin', 'expires', 'until', 'place', 'used', 'left')
if not f[1] then return {} end
local expires, last = tonumber(f[3]), tonumber(f[4])
if now >= last then return {} end
if f[5] then
  if f[5] ~= place then return {} end
  if not f[7] and now - tonumber(f[6]) < tonumber(ARGV[2]) then return {} end
elseif now >= expires then
  return {}
end
local turn = 1
if place == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'place', place, 'used', string.format('%.0f', now))
  redis.call('HDEL', KEYS[1], 'left')
  turn = redis.call('HINCRBY', KEYS[1], 'turn', 1)
  redis.call('PEXPIREAT', KEYS[1], f[4])
end
return {f[1], f[2], string.format('%.0f', expires - now), string.format('%.0f', last - now), turn}
