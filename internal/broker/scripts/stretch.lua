-- Reads what a log has from an id on, and what the stream's settings say at that
-- moment. What it takes is bounded by its size, not by a guess from earlier events.
-- KEYS[1] log   KEYS[2] cfg
-- ARGV[1] the first id   ARGV[2] most entries   ARGV[3] most bytes of their fields; the first
--   entry comes whatever it has
-- ARGV[4] none, or the last id that the caller has read: right before ARGV[1]
-- Returns {entries, bytes of their fields, 1 when there may be more, born, trimmed, doubt}
--   doubt  only where the log has not got ARGV[4]: {first id, last id ever given, the last
--     that was deleted by itself, entries ever added, length, the last entry before ARGV[4]}
local most, room, read = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
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
-- a piece as a whole. Each begins with the last entry of the one before, the first one
-- with what was read, and the last one goes one entry beyond most.
local from, piece, known = read or ARGV[1], 16, false
repeat
  local count = math.min(piece, most - #entries + 2)
  local got = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', count)
  for _, entry in ipairs(got) do
    if entry[1] == read then
      known = true
    elseif #entries == 0 or entry[1] ~= entries[#entries][1] then
      if not add(entry) then more = 1 break end
    end
  end
  local ended = #got < count
  if #got > 0 then from = got[#got][1] end
  piece = math.min(2 * piece, 64)
until more == 1 or ended

-- one is the id of the first entry of a range, or 0-0.
local function one(command, from, to)
  local entry = redis.call(command, KEYS[1], from, to, 'COUNT', 1)[1]
  return entry and entry[1] or '0-0'
end

-- doubt says what tells whether the log has ever had what was read.
local function doubt()
  local answer = redis.pcall('XINFO', 'STREAM', KEYS[1])
  if answer.err then return {} end -- there is no log
  local info = {}
  for i = 1, #answer, 2 do info[answer[i]] = answer[i + 1] end
  -- The embedded Redis does not tell of deletions, so there nothing is in doubt.
  if not info['max-deleted-entry-id'] then return {} end
  return {one('XRANGE', '-', '+'), info['last-generated-id'], info['max-deleted-entry-id'], info['entries-added'], info.length,
    one('XREVRANGE', read, '-')}
end

local cfg = redis.call('HMGET', KEYS[2], 'born', 'trimmed')
return {entries, bytes, more, cfg[1], cfg[2], read and not known and doubt() or {}}
