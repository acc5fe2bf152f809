-- Has dead letters delivered again, as if for the first time. They go to the
-- side stream, as the log may no longer have them.
-- ARGV[2…] ids of events
-- Returns {how many were redriven, ids that are no dead letters}
local letters, missing = {}, {}
for i = 2, #ARGV do
  local at = redis.call('HGET', index, ARGV[i])
  local letter = at and redis.call('XRANGE', dead, at, at)[1]
  if letter then letters[#letters + 1] = letter else missing[#missing + 1] = ARGV[i] end
end

local fresh, held = {}, {}
local count = 0
for _, letter in ipairs(letters) do
  local id, fields = letter[2][2], {}
  for i = 13, #letter[2] do fields[#fields + 1] = letter[2][i] end
  if redis.call('HDEL', index, id) == 1 then
    redis.call('HDEL', times, id)
    -- A group that was lost and made again may owe the event anyway.
    if not pending(id) then fresh[#fresh + 1] = {id, fields} end
    count = count + 1
  end
  redis.call('XDEL', dead, letter[1])
end
table.sort(fresh, function(a, b) return before(a[1], b[1]) end)

-- The ids of a stream only grow: where an older one comes, it is written anew.
if sided and #fresh > 0 then
  local info, last = redis.call('XINFO', 'STREAM', side), nil
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last = info[i + 1] end
  end
  if not before(last, fresh[1][1]) then
    for _, entry in ipairs(redis.call('XPENDING', side, group, '-', '+', 1000000)) do held[#held + 1] = entry end
    for _, entry in ipairs(redis.call('XRANGE', side, '-', '+')) do fresh[#fresh + 1] = entry end
    table.sort(fresh, function(a, b) return before(a[1], b[1]) end)
    redis.call('DEL', side)
  end
end
local was = {}
for _, entry in ipairs(held) do was[entry[1]] = entry end
for i, entry in ipairs(fresh) do
  local id = entry[1]
  redis.call('XADD', side, id, unpack(entry[2]))
  if i == 1 then redis.pcall('XGROUP', 'CREATE', side, group, '0') end
  local old = was[id]
  if old then
    redis.call('XCLAIM', side, group, old[2], 0, id, 'TIME', ms(now - old[3]), 'RETRYCOUNT', old[4], 'FORCE', 'JUSTID')
  else
    redis.call('XCLAIM', side, group, 'retry', 0, id, 'RETRYCOUNT', 0, 'FORCE', 'JUSTID')
    redis.call('ZADD', retry, ms(now), id)
  end
end
return {count, missing}
