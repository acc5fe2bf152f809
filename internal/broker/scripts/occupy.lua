-- Tells how many subscribers channels have on a hub.
-- KEYS[1] the hub's channels (sorted set of "<channel> <subscribers>")
-- ARGV[1] ms until it ends   ARGV[2] 1: what was told before is void
-- ARGV[3] how many members go; these, then those that come
-- Returns 1, or 0 where what was told before is gone
local void = ARGV[2] == '1'
if void then
  redis.call('DEL', KEYS[1])
elseif redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
local going = tonumber(ARGV[3])
for i = 4, #ARGV do
  if i < 4 + going then
    redis.call('ZREM', KEYS[1], ARGV[i])
  else
    redis.call('ZADD', KEYS[1], 0, ARGV[i])
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
