-- Takes what a sink has lost to retention and nobody was told of yet.
-- Returns {events, first id, last id, failed, more}
--   failed  how many of them were held when they were removed, and failed
--   more    1 when such events are still held, so that there may be more
local lost = redis.call('HMGET', state, 'lost', 'lost_from', 'lost_to', 'failed', 'trimmed')
if lost[1] then redis.call('HDEL', state, 'lost', 'lost_from', 'lost_to', 'failed') end
local more = 0
if lost[5] then
  local oldest = redis.call('XPENDING', log, group)[2]
  if oldest and not before(lost[5], oldest) then
    more = 1
  else
    redis.call('HDEL', state, 'trimmed')
  end
end
return {tonumber(lost[1] or 0), lost[2] or '0-0', lost[3] or '0-0', tonumber(lost[4] or 0), more}
