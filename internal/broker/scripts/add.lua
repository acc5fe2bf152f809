-- Adds events to a stream, all or none: Redis checks memory before the first
-- write of a script, and nothing else can fail after the first XADD.
-- KEYS[3…] where idempotency keys are kept, first the request's, then the events'
-- ARGV[6] '1': make the stream where it is not
-- ARGV[7] how many events   ARGV[8] ms for which their keys are kept
-- ARGV[9] hash of all events where the request has a key, else ''
-- ARGV[…] for each event: hash of it where it has a key, else ''; how many arguments
--   follow; field, value, …
-- Returns one of
--   {'added', ids, replayed, made, length, max_events, plain, removed, damage}
--     replayed  indexes of the events that had been stored before
--     made      1 when the stream is new
--     plain     1 when events may be added without this script while there is room
--     removed   events that were removed to make room
--     damage    see stream.lua
--   {'missing'}             there is no such stream
--   {'conflict', indexes}   keys with other content; -1: the request's
--   {'full', length, max_events, how many sinks there are}
local n, window = tonumber(ARGV[7]), tonumber(ARGV[8])
-- So far beyond max_events a stream may go until some of it is removed at once.
local slack = 32
renew(log, cfg, clock)
read()
local made = 0
local function answer(ids, replayed, plain)
  return {'added', ids, replayed, made, length(), stream.max_events, plain, removed, damage()}
end
if not present() and ARGV[6] ~= '1' then return {'missing'} end

-- known finds what is kept of a key: the hash of its content, and its ids.
local function known(key)
  local born, hash, ids = string.match(redis.call('GET', key) or '', '^(%S+) (%S+) (.*)$')
  if born and born == stream.born then return hash, ids end
end

local k, all = 3, {}
if ARGV[9] ~= '' then
  k = 4
  local hash, text = known(KEYS[3])
  if hash and hash ~= ARGV[9] then return {'conflict', {-1}} end
  if hash then
    local ids = {}
    for id in string.gmatch(text, '%S+') do
      ids[#ids + 1] = id
      all[#all + 1] = #ids - 1
    end
    return answer(ids, all, 0)
  end
end

local ids, same, keys, replayed, conflicts = {}, {}, {}, {}, {}
local first = {} -- by key: the first event of this request that has it
local fresh, at = 0, 10
local starts = {}
for e = 1, n do
  local hash = ARGV[at]
  starts[e] = at + 1
  at = at + 2 + tonumber(ARGV[at + 1])
  local stored = false
  if hash ~= '' then
    local key = KEYS[k]
    k = k + 1
    local other, id = known(key)
    if first[key] then
      other, same[e] = ARGV[starts[first[key]] - 1], first[key]
    else
      first[key], keys[e] = e, key
    end
    if other and other ~= hash then conflicts[#conflicts + 1] = e - 1 end
    ids[e] = id or false
    stored = other ~= nil
  end
  if stored then
    replayed[#replayed + 1], keys[e] = e - 1, nil
  else
    ids[e] = false
    fresh = fresh + 1
  end
end
if #conflicts > 0 then return {'conflict', conflicts} end
-- remember keeps the ids under the request's key.
local function remember()
  if ARGV[9] == '' then return end
  redis.call('SET', KEYS[3], stream.born .. ' ' .. ARGV[9] .. ' ' .. table.concat(ids, ' '), 'PX', window)
end
if fresh == 0 then
  remember()
  return answer(ids, replayed, 0)
end

local max = stream.max_events
if stream.on_full == 'reject' and max > 0 then
  -- Only what every sink is done with makes room, and none of it goes in vain.
  local missing = length() + fresh - max
  if missing > 0 then
    local room, gone, free = {}, {}, done()
    local from = '-'
    while #gone < missing and missing <= 2000 do
      room = redis.call('XRANGE', log, from, '+', 'COUNT', 1 + most(math.min(missing - #gone, 100), 2097152))
      local before_this = #gone
      for _, entry in ipairs(room) do
        if entry[1] ~= from and #gone < missing then gone[#gone + 1] = entry[1] end
      end
      if #gone == before_this then break end
      from = gone[#gone]
      if not free(from) then break end
    end
    if #gone < missing or not free(gone[#gone]) then return {'full', length(), max, #sinks()} end
    remove(gone)
  end
end

if not stream.born then made = make() end
if not stream.used then redis.call('HSET', cfg, 'used', 1) end
for e = 1, n do
  if same[e] then
    ids[e] = ids[same[e]]
  elseif not ids[e] then
    local from = starts[e]
    ids[e] = redis.call('XADD', log, '*', unpack(ARGV, from + 1, from + tonumber(ARGV[from])))
  end
  if keys[e] then
    redis.call('SET', keys[e], stream.born .. ' ' .. ARGV[starts[e] - 1] .. ' ' .. ids[e], 'PX', window)
  end
end
remember()
live()
if stream.on_full ~= 'reject' and max > 0 and length() > max + slack then
  drop(math.min(length() - max, math.max(fresh, most(5000, 8388608))))
end
local plain = stream.ttl == 0 and (stream.on_full ~= 'reject' or max == 0)
return answer(ids, replayed, plain and 1 or 0)
