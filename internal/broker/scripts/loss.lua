-- Takes what a sink has lost to retention and nobody was told of yet.
-- Returns {events, first id, last id}; an empty list for none
local lost = redis.call('HMGET', state, 'lost', 'lost_from', 'lost_to')
if not lost[1] then return {} end
redis.call('HDEL', state, 'lost', 'lost_from', 'lost_to')
return {tonumber(lost[1]), lost[2], lost[3]}
