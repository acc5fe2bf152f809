-- Notes that a sink was attached to a stream: without a group and a floor there, they
-- were lost from then on.
-- KEYS[1] sink settings (hash)
-- ARGV[1] stream
-- ARGV[2] what its field was when it was attached; it is another once the stream was taken
--   from the sink, or the sink deleted, and named again
-- Returns 1 when that was noted
local field = 'stream:' .. ARGV[1]
if redis.call('HGET', KEYS[1], field) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], field, '1')
return 1
