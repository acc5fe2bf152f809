-- Takes the next events of a sink in strict order for one connection, when it is
-- that one's turn: oldest first, and nothing before what failed has come again.
-- ARGV[2] the Redis consumer   ARGV[3] its connection   ARGV[4] connection of the same
--   consumer that gives its turn to this one, or ''
-- ARGV[5] most events to take, 0 to keep the turn only   ARGV[6] ms that a turn lasts
-- ARGV[7] ms after which what is held is free
-- ARGV[8] most deliveries, 0 for no limit   ARGV[9] back-off in ms, "1000,10000"
-- ARGV[10] '1': deliver without acknowledgement
-- ARGV[11] '1' when the consumer knows of events that it holds; else what it holds comes
--   of an answer that was lost
-- ARGV[12] '1' when ARGV[13…] are all the hubs alive, so that others are dead
-- Returns {turn, entries, wait, own, more, over}
--   turn     1 when it is this connection's turn
--   entries  for each taken: id, {field, value, …}, attempt, and 1 unless it is new
--   wait     ms until there may be more to do, -1 for nothing known
--   own      events held by this consumer after this
--   more     1 when there may be more to read
--   over     1 when something that this consumer held was over
roomy()
local me, mine, most = ARGV[2], ARGV[2] .. ' ' .. ARGV[3], tonumber(ARGV[5])
local wait, max, delays = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9]
local alive = {}
for i = 13, #ARGV do alive[ARGV[i]] = true end

redis.call('XPENDING', log, group)

-- idle says whether the sink is done with all that there is.
local function idle(list)
  for _, c in ipairs(list) do
    if c[3] > 0 then return false end
  end
  local last, read
  local info = redis.call('XINFO', 'STREAM', log)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last = info[i + 1] end
  end
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', log)) do
    local g = pairs_of(info)
    if g.name == group then read = g['last-delivered-id'] end
  end
  return last == '' or not before(read, last)
end

-- What is held too long comes again, and with it what is behind it.
local list = consumers()
local oldest, of, failing = nil, nil, {}
local pulled, own = 0, 0
for _, c in ipairs(list) do
  local key, name, count = c[1], c[2], c[3]
  if name ~= 'retry' and count > 0 then
    for _, entry in ipairs(redis.call('XPENDING', key, group, 'IDLE', wait, '-', '+', 1, name)) do
      if not oldest or before(entry[1], oldest) then oldest, of, failing = entry[1], name, {key, entry} end
    end
  end
end
if oldest then
  if fail(failing[1], failing[2], 'backoff', 0, delays, max, 'ack_timeout', of) == 1 then takeback(oldest, of) end
  list = consumers()
end
for _, c in ipairs(list) do
  if c[2] == 'pull' then pulled = pulled + c[3] end
end

local over = of == me and 1 or 0
local owner = redis.call('GET', turn)
if owner and owner ~= mine and owner ~= me .. ' ' .. ARGV[4] then
  local name = string.match(owner, '^(%S+)')
  local gone = name == 'pull' and pulled == 0
  if string.sub(name, 1, 4) == 'hub-' then gone = ARGV[12] == '1' and not alive[name] end
  if not gone and idle(list) then return {0, {}, -1, 0, 0, over} end -- a bell tells of what comes
  if not gone then return {0, {}, math.max(1, redis.call('PTTL', turn)), 0, 0, over} end
end
-- Pulls are one connection, so the next waits until all of the last is settled.
if me == 'pull' and pulled > 0 then return {0, {}, wait, pulled, 0, over} end
redis.call('SET', turn, mine, 'PX', ARGV[6])

-- What others still hold was theirs while it was their turn.
for _, c in ipairs(list) do
  local key, name, count, idle = c[1], c[2], c[3], c[4]
  if name == me and ARGV[11] == '1' then
    own = own + count
  elseif name ~= 'retry' and count > 0 then
    for _, entry in ipairs(redis.call('XPENDING', key, group, '-', '+', 100000, name)) do
      fail(key, entry, 'close', 0, delays, max, 'hub_gone', name)
    end
  elseif name ~= me and name ~= 'retry' and string.sub(name, 1, 4) == 'hub-' and ARGV[12] == '1' and not alive[name] and idle > 5000 then
    redis.call('XGROUP', 'DELCONSUMER', key, group, name)
  end
end
if most == 0 then return {1, {}, -1, own, 0, over} end

local waiting = {}
for _, key in ipairs(streams()) do
  for _, entry in ipairs(redis.call('XPENDING', key, group, '-', '+', most + 1, 'retry')) do
    waiting[#waiting + 1] = {entry, key}
  end
end
-- What was taken back may have been acknowledged meanwhile, as any other event.
if #waiting == 0 then
  redis.call('DEL', retry)
  if timed and own == 0 then redis.call('DEL', times) end
end
table.sort(waiting, function(a, b) return before(a[1][1], b[1][1]) end)
local entries, blocked = {}, -1
for _, w in ipairs(waiting) do
  local entry, key = w[1], w[2]
  if #entries == most then break end
  local due = tonumber(redis.call('ZSCORE', retry, entry[1]) or 0)
  if due > now then
    blocked = due - now
    break
  end
  redis.call('ZREM', retry, entry[1])
  for _, taken in ipairs(claim(key, {entry}, me)) do entries[#entries + 1] = taken end
end

local more = 0
if blocked < 0 and #entries == most then
  more = 1
elseif blocked < 0 then
  local n = most - #entries
  local read
  if ARGV[10] == '1' then
    read = redis.call('XREADGROUP', 'GROUP', group, me, 'COUNT', n, 'NOACK', 'STREAMS', log, '>')
  else
    read = redis.call('XREADGROUP', 'GROUP', group, me, 'COUNT', n, 'STREAMS', log, '>')
  end
  if read and read[1] then
    for _, entry in ipairs(read[1][2]) do entries[#entries + 1] = {entry[1], entry[2], 1} end
    if #read[1][2] == n then more = 1 end
  end
end
return {1, entries, blocked, own + #entries, more, over}
