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
