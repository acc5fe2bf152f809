-- Lists the ids that a log has from one to another, so many at most.
-- KEYS[1] log
-- ARGV[1] the first   ARGV[2] the last   ARGV[3] most ids
-- Returns them
local ids, from, most = {}, ARGV[1], tonumber(ARGV[3])
repeat
  local got = redis.call('XRANGE', KEYS[1], from, ARGV[2], 'COUNT', 65)
  for _, entry in ipairs(got) do
    if entry[1] ~= ids[#ids] and #ids < most then ids[#ids + 1] = entry[1] end
  end
  from = ids[#ids]
until #got < 65 or #ids == most
return ids
