-- What all scripts share that compare ids.

local function ms(n) return string.format('%.0f', n) end

-- before says whether id a comes before id b.
local function before(a, b)
  local am, as = string.match(a, '(%d+)-(%d+)')
  local bm, bs = string.match(b, '(%d+)-(%d+)')
  am, bm = tonumber(am), tonumber(bm)
  if am ~= bm then return am < bm end
  -- By length, then as text: the numbers may have more digits than a double.
  if #as ~= #bs then return #as < #bs end
  return as < bs
end

-- mourn notes in a sink's state that it can never have so many events, between two ids.
local function mourn(state, n, from, to)
  redis.call('HINCRBY', state, 'lost', n)
  local known = redis.call('HMGET', state, 'lost_from', 'lost_to')
  if not known[1] or before(from, known[1]) then redis.call('HSET', state, 'lost_from', from) end
  if not known[2] or before(known[2], to) then redis.call('HSET', state, 'lost_to', to) end
end

-- pairs_of makes a table of a reply of names and values.
local function pairs_of(info)
  local t = {}
  for i = 1, #info, 2 do t[info[i]] = info[i + 1] end
  return t
end

-- renew begins a new generation of a stream whose log has had events and was deleted by
-- others, as DEL does: who reads it cannot tell otherwise that some are missing. It comes
-- before whatever makes the log again. Where memory is full it fails as that does: Redis
-- lets a script go on that has begun with a write that needs none. Returns true when it
-- has begun one.
local function renew(log, cfg, clock)
  if redis.call('EXISTS', log) == 1 or not redis.call('HGET', cfg, 'used') then return end
  redis.call('HSET', cfg, 'born', string.format('%.0f', clock[1] * 1000000 + clock[2]),
    'began', string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000)))
  redis.call('HDEL', cfg, 'used', 'trimmed', 'deleted')
  return true
end
