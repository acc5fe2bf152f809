-- Reads what a log has from an id on, and what the stream's settings say at that
-- moment. What it takes is bounded by its size, not by a guess from earlier events.
-- KEYS[1] log   KEYS[2] cfg
-- ARGV[1] the first id   ARGV[2] most entries   ARGV[3] most bytes of their fields; the first
--   entry comes whatever it has
-- Returns {entries, bytes of their fields, 1 when there may be more, born, trimmed}
local most, room = tonumber(ARGV[2]), tonumber(ARGV[3])
local entries, bytes, more = {}, 0, 0

-- add adds an entry if there is room for it.
local function add(entry)
  local size = 0
  for _, text in ipairs(entry[2]) do size = size + #text end
  if #entries == most or #entries > 0 and bytes + size > room then return false end
  entries[#entries + 1] = entry
  bytes = bytes + size
  return true
end

-- The pieces are small: nobody knows how large the next events are, and Redis copies
-- a piece as a whole. Each begins with the last entry of the one before, and the last
-- one goes one entry beyond most.
local from, piece = ARGV[1], 16
repeat
  local count = math.min(piece, most - #entries + 2)
  local got = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', count)
  for _, entry in ipairs(got) do
    if #entries == 0 or entry[1] ~= entries[#entries][1] then
      if not add(entry) then more = 1 break end
    end
  end
  local ended = #got < count
  if #got > 0 then from = got[#got][1] end
  piece = math.min(2 * piece, 64)
until more == 1 or ended
local cfg = redis.call('HMGET', KEYS[2], 'born', 'trimmed')
return {entries, bytes, more, cfg[1], cfg[2]}
