-- Adds several events to one stream, all or none: Redis checks memory before a
-- script starts, and nothing else can fail after the first XADD.
-- KEYS[1] log
-- ARGV    for each event: how many arguments follow, then field, value, …
-- Returns the ids, in order
local ids, i = {}, 1
while i <= #ARGV do
  local n = tonumber(ARGV[i])
  ids[#ids + 1] = redis.call('XADD', KEYS[1], '*', unpack(ARGV, i + 1, i + n))
  i = i + 1 + n
end
return ids
