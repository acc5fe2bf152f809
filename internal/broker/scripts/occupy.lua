-- Tells how many subscribers channels have on a hub.
-- KEYS[1] the hub's channels (sorted set of "<channel> <subscribers>")
-- KEYS[2] the number of what it has told last
-- ARGV[1] ms until both end   ARGV[2] the number of this   ARGV[3] that of the last, or 0:
-- this is all there is
-- ARGV[4] how many members go; these, then those that come
-- Returns 1, or 0 where something else was told meanwhile, or is gone
local this, last = tonumber(ARGV[2]), tonumber(ARGV[3])
local told = tonumber(redis.call('GET', KEYS[2]) or 0)
if told >= this then return 0 end
if last == 0 then
  redis.call('DEL', KEYS[1])
elseif told ~= last then
  return 0
end
local going = tonumber(ARGV[4])
for i = 5, #ARGV do
  if i < 5 + going then
    redis.call('ZREM', KEYS[1], ARGV[i])
  else
    redis.call('ZADD', KEYS[1], 0, ARGV[i])
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[1])
return 1
