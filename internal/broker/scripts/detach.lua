-- Removes a sink from a stream, and all that was kept of it.
-- Returns 1
redis.pcall('XGROUP', 'DESTROY', log, group) -- where the log is gone, so is the group
redis.call('DEL', retry, state, side, times, dead, index, turn)
return 1
