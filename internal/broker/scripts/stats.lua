-- Says where a sink stands in one stream.
-- Returns {entries in the log, first id, last id, last delivered id, lag or -1 where Redis
-- does not know it, pending, age in ms of the oldest pending event, redelivered,
-- dead letters}; an empty list when the group is gone
local length, last = redis.call('XLEN', log), '0-0'
local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
local tail = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
if tail then last = tail[1] end
local groups = redis.pcall('XINFO', 'GROUPS', log)
if groups.err then return {} end
for _, info in ipairs(groups) do
  local g = pairs_of(info)
  if g.name == group then
    local owed, age = 0, 0
    for _, key in ipairs(streams()) do
      local summary = redis.call('XPENDING', key, group)
      owed = owed + summary[1]
      if summary[1] > 0 then
        age = math.max(age, now - tonumber(string.match(summary[2], '(%d+)-')))
      end
    end
    return {
      length, first and first[1] or '0-0', last, g['last-delivered-id'], g.lag or -1, owed, age,
      tonumber(redis.call('HGET', state, 'redelivered') or 0), redis.call('XLEN', dead),
    }
  end
end
return {}
