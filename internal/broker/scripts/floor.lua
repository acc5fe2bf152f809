-- Records up to where a sink is done with a stream, so that a group that is lost
-- can be made again there.
-- Returns how many groups were looked at for it
local summary = redis.call('XPENDING', log, group)
-- Everything before the oldest pending event is done, and with nothing pending
-- everything that was ever read.
local floor
local groups = {}
if summary[1] > 0 then
  local most, seq = string.match(summary[2], '(%d+)-(%d+)')
  if seq ~= '0' then
    floor = most .. '-' .. ms(tonumber(seq) - 1)
  else
    floor = ms(tonumber(most) - 1) .. '-18446744073709551615'
  end
else
  groups = redis.call('XINFO', 'GROUPS', log)
  for _, info in ipairs(groups) do
    local g = pairs_of(info)
    if g.name == group then floor = g['last-delivered-id'] end
  end
end
redis.call('HSET', state, 'floor', floor)
return #groups
