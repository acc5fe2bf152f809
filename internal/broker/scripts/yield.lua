-- Gives up a connection's turn in a sink with strict order.
-- ARGV[2] the Redis consumer   ARGV[3] its connection
-- Returns 1 when it had the turn
if redis.call('GET', turn) ~= ARGV[2] .. ' ' .. ARGV[3] then return 0 end
return redis.call('DEL', turn)
