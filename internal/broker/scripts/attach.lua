-- Makes sure that a sink's group exists on a stream. A group that was lost
-- (XGROUP DESTROY, DEL, FLUSHALL, a failover) is made again at the recorded
-- floor, or at the start of a log that is younger than it: never at the end,
-- which would lose what was not acknowledged.
-- ARGV[2] start id where there is no floor, or '$'
-- ARGV[3] '1': make the group anew, there; what is pending is dropped
-- ARGV[4] entries ever added up to the start id, '' where that is not known
-- Returns {1 when there was no floor, last id of the log, 1 when the group was made, stamp}
--   stamp   tells this group from one that was lost; '' of one that has none
local last, added = '0-0', 0
if redis.call('EXISTS', log) == 1 then
  local info = pairs_of(redis.call('XINFO', 'STREAM', log))
  -- The embedded Redis says '' where there was no entry yet.
  if info['last-generated-id'] ~= '' then last = info['last-generated-id'] end
  added = info['entries-added'] or added
end

local floor = redis.call('HGET', state, 'floor')
local seek = ARGV[3] == '1'
if floor and not seek and not redis.pcall('XPENDING', log, group).err then
  return {0, last, 0, redis.call('HGET', state, 'made') or ''} -- nothing to do, even where Redis's memory is full
end
if seek then
  redis.pcall('XGROUP', 'DESTROY', log, group)
  redis.call('DEL', retry, side, times, turn)
end
local start = floor
if seek or not floor then start = ARGV[2] end
if floor and not seek and before(last, floor) then start = '0-0' end
if start == '$' then start = last end

-- The group makes a log, to which hubs that know the stream add without a script.
local cfg = string.sub(log, 1, -4) .. 'cfg'
if renew(log, cfg, clock) then redis.call('HSET', cfg, 'used', 1) end

-- With the number of entries before it, Redis can tell the group's lag.
local read = ARGV[4]
if start == last and added > 0 then read = added end
local made
if read ~= '' then
  made = redis.pcall('XGROUP', 'CREATE', log, group, start, 'MKSTREAM', 'ENTRIESREAD', read)
end
if not made or (made.err and not string.find(made.err, 'BUSYGROUP', 1, true)) then
  made = redis.pcall('XGROUP', 'CREATE', log, group, start, 'MKSTREAM')
end
local existed = made.err and string.find(made.err, 'BUSYGROUP', 1, true)
if made.err and not existed then return made end
if seek or not floor then redis.call('HSET', state, 'floor', start) end
-- A seek tells nobody of a reset.
if not existed and not seek then
  redis.call('HSET', state, 'made', string.format('%.0f', clock[1] * 1000000 + clock[2]))
end
return {floor and 0 or 1, last, existed and 0 or 1, redis.call('HGET', state, 'made') or ''}
