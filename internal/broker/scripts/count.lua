-- Counts the entries behind an id, a bounded number at a time.
-- KEYS[1] log
-- ARGV[1] the id to start at, itself not counted   ARGV[2] the last, or '+'
-- ARGV[3] most to look at
-- Returns {how many, the last id looked at}
local entries = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT', ARGV[3])
local count, last = 0, ARGV[1]
for _, entry in ipairs(entries) do
  if entry[1] ~= ARGV[1] then count = count + 1 end
  last = entry[1]
end
return {count, last}
