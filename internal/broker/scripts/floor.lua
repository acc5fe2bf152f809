-- Records up to where a sink is done with a stream, so that a group that is lost
-- can be made again there.
-- KEYS[1] log   KEYS[2] sink state (hash)
-- ARGV[1] group
-- Returns the floor
local summary = redis.call('XPENDING', KEYS[1], ARGV[1])
-- Everything before the oldest pending event is done, and with nothing pending
-- everything that was ever read.
local floor
if summary[1] > 0 then
  local ms, seq = string.match(summary[2], '(%d+)-(%d+)')
  if seq ~= '0' then
    floor = ms .. '-' .. string.format('%.0f', tonumber(seq) - 1)
  else
    floor = string.format('%.0f', tonumber(ms) - 1) .. '-18446744073709551615'
  end
else
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local group = {}
    for i = 1, #info, 2 do group[info[i]] = info[i + 1] end
    if group.name == ARGV[1] then floor = group['last-delivered-id'] end
  end
end
redis.call('HSET', KEYS[2], 'floor', floor)
return floor
