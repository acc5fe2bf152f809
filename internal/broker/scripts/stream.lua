-- What the scripts of a stream share; ids.lua stands before it.
-- KEYS[1] log (stream)   the events, with a group for each sink
-- KEYS[2] cfg (hash)     born (the generation: µs of its making), began (ms; nothing in the
--                        log is older), max_events, max_age (ms), on_full, ttl (ms), sliding
--                        (0 or 1), trimmed (the last event that retention has removed)
-- ARGV[1…5] max_events, max_age, on_full, ttl, sliding of a stream that has none
-- A stream exists when it has cfg, or its log has entries: others may have made it
-- by their own XADD. A log without either is there for the groups of sinks only.
-- What a sink has in the stream is found by the log's name, of which its own keys
-- share the slot: see prelude.lua for them.
local log, cfg = KEYS[1], KEYS[2]
local root = string.sub(log, 1, -4)
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local settings = {'max_events', 'max_age', 'on_full', 'ttl', 'sliding'}

-- roomy lets a script go on though Redis's memory is full: what makes room must.
local function roomy() redis.call('HDEL', cfg, '') end

local stream -- what cfg has
local function read()
  local v = redis.call('HMGET', cfg, 'born', 'max_events', 'max_age', 'on_full', 'ttl', 'sliding', 'trimmed', 'began')
  stream = {
    born = v[1], max_events = tonumber(v[2] or ARGV[1]), max_age = tonumber(v[3] or ARGV[2]), on_full = v[4] or ARGV[3],
    ttl = tonumber(v[5] or ARGV[4]), sliding = (v[6] or ARGV[5]) == '1', trimmed = v[7] or '0-0', began = v[8] or '',
  }
end

local function length() return redis.call('XLEN', log) end

-- make makes a stream. Returns 1.
local function make()
  if length() == 0 then redis.call('HSET', cfg, 'began', ms(now)) end
  redis.call('HSET', cfg, 'born', string.format('%.0f', clock[1] * 1000000 + clock[2]))
  for i, name in ipairs(settings) do redis.call('HSETNX', cfg, name, ARGV[i]) end
  read()
  if stream.ttl > 0 then redis.call('PEXPIRE', cfg, stream.ttl) end
  return 1
end

-- present says whether the stream exists, and takes one in that others have made.
-- Where memory is full it is taken in another time.
local function present()
  if stream.born then return true end
  if length() == 0 then return false end
  local room = redis.pcall('HSET', cfg, 'on_full', stream.on_full)
  if type(room) ~= 'table' then make() end -- else it is an error
  return true
end

-- live has the log end with cfg, by the stream's ttl.
local function live()
  if stream.ttl == 0 then return end
  if stream.sliding then redis.call('PEXPIRE', cfg, stream.ttl) end
  local left = redis.call('PTTL', cfg)
  if left > 0 then redis.call('PEXPIRE', log, left) end
end

-- groups lists those of the log: {name, last-delivered-id, pending}.
local function groups()
  local list = {}
  local infos = redis.pcall('XINFO', 'GROUPS', log)
  if infos.err then return list end -- there is no log
  for _, info in ipairs(infos) do
    local g = pairs_of(info)
    list[#list + 1] = {g.name, g['last-delivered-id'], g.pending}
  end
  return list
end

-- owing makes a test whether a group still owes an event.
local function owing(group)
  local oldest
  if group[3] > 0 then oldest = redis.call('XPENDING', log, group[1])[2] end
  return function(id)
    if oldest then return not before(id, oldest) end
    return before(group[2], id)
  end
end

-- hits are the sinks that have lost events: name → how many. removed counts all.
local hits, removed = {}, 0

-- lose notes that a sink can never have these events.
local function lose(name, ids)
  if #ids == 0 then return end
  local state = root .. 'sink:' .. name
  redis.call('HINCRBY', state, 'lost', #ids)
  redis.call('HSETNX', state, 'lost_from', ids[1])
  redis.call('HSET', state, 'lost_to', ids[#ids])
  hits[name] = (hits[name] or 0) + #ids
end

-- remove removes the oldest entries, which are these, and notes what sinks lose by
-- it: what they have not read, and what waits to be delivered again. What somebody
-- holds may yet be done; it is lost when it fails.
local function remove(entries)
  local last = entries[#entries][1]
  for _, group in ipairs(groups()) do
    local name = group[1]
    if redis.call('EXISTS', root .. 'sink:' .. name) == 1 then
      if group[3] > 0 then
        local held, waiting = false, {}
        for _, entry in ipairs(redis.call('XPENDING', log, name, '-', last, #entries)) do
          if entry[2] == 'retry' then
            redis.call('XACK', log, name, entry[1])
            redis.call('ZREM', root .. 'retry:' .. name, entry[1])
            redis.call('HDEL', root .. 'times:' .. name, entry[1])
            waiting[#waiting + 1] = entry[1]
          else
            held = true
          end
        end
        lose(name, waiting)
        if held then
          redis.call('HSET', root .. 'sink:' .. name, 'trimmed', last)
          hits[name] = hits[name] or 0
        end
      end
      if before(group[2], last) then
        local unread = {}
        for _, entry in ipairs(entries) do
          if before(group[2], entry[1]) then unread[#unread + 1] = entry[1] end
        end
        lose(name, unread)
      end
    end
  end
  redis.call('XTRIM', log, 'MAXLEN', length() - #entries)
  redis.call('HSET', cfg, 'trimmed', last)
  stream.trimmed = last
  removed = removed + #entries
end

-- oldest returns so many of the oldest entries, a bounded number.
local function oldest(n) return redis.call('XRANGE', log, '-', '+', 'COUNT', math.min(n, 100)) end

-- drop removes so many of the oldest entries.
local function drop(n)
  while n > 0 do
    local entries = oldest(n)
    if #entries == 0 then return end
    remove(entries)
    n = n - #entries
  end
end

-- spend removes up to so many of the oldest entries that a test says are free.
local function spend(n, free)
  while n > 0 do
    local entries = oldest(n)
    local spent = {}
    for _, entry in ipairs(entries) do
      if not free(entry[1]) then break end
      spent[#spent + 1] = entry
    end
    if #spent > 0 then remove(spent) end
    if #spent < 100 then return end
    n = n - #spent
  end
end

-- done makes a test whether every sink is done with an event. Where there is none,
-- nobody is.
local function done()
  local tests = {}
  for i, group in ipairs(groups()) do tests[i] = owing(group) end
  return function(id)
    for _, owes in ipairs(tests) do
      if owes(id) then return false end
    end
    return #tests > 0
  end
end

-- damage lists the hits: name, events lost, …
local function damage()
  local list = {}
  for name, n in pairs(hits) do
    list[#list + 1] = name
    list[#list + 1] = n
  end
  return list
end
