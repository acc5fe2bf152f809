-- Ends deliveries that failed: their events are delivered again, or are dead
-- letters.
-- ARGV[2] the consumer that must hold them, '' for whoever does
-- ARGV[3] reason   ARGV[4] last consumer, '' for the one that holds the event
-- ARGV[5] most deliveries, 0 for no limit   ARGV[6] back-off in ms, "1000,10000"
-- ARGV[7] '1': strict order, so what is behind comes again, too
-- ARGV[8…] for each: id, attempt (0: whichever; -1: it was read without being
--   pending), how long it waits: 'dead' for ever, or see pause
-- Returns {results, holders, taken, due, attempts}
--   results  for each: 1 it waits, 2 it is a dead letter, 0 not pending,
--            -1 held by another or delivered anew
--   holders  who held each
--   taken    ids of those behind, and their holder
--   attempts of each
--   due      ms until the next waiting event is due, -1 for none
roomy()
local holder, reason, label, max, delays = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]
local results, holders, taken, attempts = {}, {}, {}, {}
local first, of -- strict: the first that waits, and who held it
for i = 8, #ARGV, 3 do
  local id, attempt, kind = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]
  local key, entry = pending(id)
  if attempt < 0 then key, entry = log, {id, holder, 0, 1} end
  local result, held = 0, ''
  attempts[#attempts + 1] = entry and entry[4] or 0
  if entry then
    held = entry[2]
    if (holder ~= '' and held ~= holder) or (attempt > 0 and entry[4] ~= attempt) then
      result = -1
    else
      local consumer = label
      if consumer == '' and held ~= 'retry' then consumer = held end
      if kind == 'dead' then
        bury(key, entry, reason, consumer)
        result = 2
      elseif held == 'retry' then
        -- It waits already, and had its attempt: only the time changes.
        redis.call('ZADD', retry, ms(now + pause(kind, entry[4], delays)), id)
        result = 1
      else
        result = fail(key, entry, kind, 0, delays, max, reason, consumer)
        if result == 1 and (not first or before(id, first)) then first, of = id, held end
      end
    end
  end
  results[#results + 1], holders[#holders + 1] = result, held
end
if ARGV[7] == '1' and first then
  taken = takeback(first, of)
  if #taken > 0 then table.insert(taken, 1, of) end
end
return {results, holders, taken, next_due(), attempts}
