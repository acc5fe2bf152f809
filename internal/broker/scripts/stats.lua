-- Says where a sink stands in one stream.
-- KEYS[1] log   KEYS[2] sink state (hash)
-- ARGV[1] group
-- Returns {entries in the log, first id, last id, last delivered id, lag or -1 where Redis
-- does not know it, pending, age in ms of the oldest pending event, redelivered};
-- an empty list when the group is gone
local length, last = 0, '0-0'
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
local tail = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
length = redis.call('XLEN', KEYS[1])
if tail then last = tail[1] end
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[1])
if groups.err then return {} end
for _, info in ipairs(groups) do
  local group = {}
  for i = 1, #info, 2 do group[info[i]] = info[i + 1] end
  if group.name == ARGV[1] then
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local summary = redis.call('XPENDING', KEYS[1], ARGV[1])
    local age = 0
    if summary[1] > 0 then
      age = math.max(0, now - tonumber(string.match(summary[2], '(%d+)-')))
    end
    return {
      length, first and first[1] or '0-0', last, group['last-delivered-id'],
      group.lag or -1, summary[1], age, tonumber(redis.call('HGET', KEYS[2], 'redelivered') or 0),
    }
  end
end
return {}
