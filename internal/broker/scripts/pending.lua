-- Lists what a sink owes, oldest first.
-- ARGV[2] most
-- Returns for each: id, consumer, idle in ms, attempts, ms until it is due (-1: it is held)
local list = {}
for _, key in ipairs(streams()) do
  for _, entry in ipairs(redis.call('XPENDING', key, group, '-', '+', ARGV[2])) do
    local due = -1
    if entry[2] == 'retry' then
      due = math.max(0, tonumber(redis.call('ZSCORE', retry, entry[1]) or now) - now)
    end
    list[#list + 1] = {entry[1], entry[2], entry[3], entry[4], due}
  end
end
table.sort(list, function(a, b) return before(a[1], b[1]) end)
return list
