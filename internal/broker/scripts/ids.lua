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

-- pairs_of makes a table of a reply of names and values.
local function pairs_of(info)
  local t = {}
  for i = 1, #info, 2 do t[info[i]] = info[i + 1] end
  return t
end
