-- Lets ack_wait start anew for events that are being worked on.
-- ARGV[2] the consumer that must hold them, '' for whoever does
-- ARGV[3] '1' to write down when they were handed over
-- ARGV[4…] for each: id, attempt (0: whichever)
-- Returns {results, holders}; results as those of release.lua
roomy()
local results, holders = {}, {}
for i = 4, #ARGV, 2 do
  local id, attempt = ARGV[i], tonumber(ARGV[i + 1])
  local key, entry = pending(id)
  local result, held = 0, ''
  if entry then
    held = entry[2]
    if held == 'retry' or (ARGV[2] ~= '' and held ~= ARGV[2]) or (attempt > 0 and entry[4] ~= attempt) then
      result = -1
    else
      if ARGV[3] == '1' then note(id, entry[3], entry[4]) end
      result = #redis.call('XCLAIM', key, group, held, 0, id, 'RETRYCOUNT', entry[4], 'JUSTID')
      if result == 0 then vanished(key, id) end
    end
  end
  results[#results + 1], holders[#holders + 1] = result, held
end
return {results, holders}
