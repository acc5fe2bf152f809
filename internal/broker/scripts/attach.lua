-- Makes sure that a sink's group exists on a stream. A group that was lost
-- (XGROUP DESTROY, DEL, FLUSHALL, a failover) is made again at the recorded
-- floor, or at the start of a log that is younger than it: never at the end,
-- which would lose what was not acknowledged.
-- KEYS[1] log   KEYS[2] sink state (hash)
-- ARGV[1] group   ARGV[2] start id for a sink that is new here, or '$'
-- Returns {1 when the sink is new here, last id of the log, 1 when the group was made}
local function compare(a, b)
  local am, as = string.match(a, '(%d+)-(%d+)')
  local bm, bs = string.match(b, '(%d+)-(%d+)')
  am, as, bm, bs = tonumber(am), tonumber(as), tonumber(bm), tonumber(bs)
  if am ~= bm then return am - bm end
  return as - bs
end

local last, added = '0-0', 0
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last = info[i + 1] end
    if info[i] == 'entries-added' then added = info[i + 1] end
  end
end

local floor = redis.call('HGET', KEYS[2], 'floor')
local start = floor or ARGV[2]
if floor and compare(last, floor) < 0 then start = '0-0' end
if start == '$' then start = last end

local made
if start == last and added > 0 then
  -- With the number of entries before it, Redis can tell the group's lag.
  made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], start, 'MKSTREAM', 'ENTRIESREAD', added)
end
if not made or (made.err and not string.find(made.err, 'BUSYGROUP', 1, true)) then
  made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], start, 'MKSTREAM')
end
local existed = made.err and string.find(made.err, 'BUSYGROUP', 1, true)
if made.err and not existed then return made end
if not floor then redis.call('HSET', KEYS[2], 'floor', start) end
return {floor and 0 or 1, last, existed and 0 or 1}
