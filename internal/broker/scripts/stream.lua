-- What the scripts of a stream share; ids.lua stands before it.
-- KEYS[1] log (stream)   the events, with a group for each sink
-- KEYS[2] cfg (hash)     born (the generation: µs of its making), began (ms; nothing in the
--                        log is older), max_events, max_age (ms), on_full, ttl (ms), sliding
--                        (0 or 1), trimmed (the last event that retention has removed),
--                        deleted (how many were deleted one by one), used (the log has had an
--                        event, or may have: without a log it is lost, see ids.lua)
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
  local v = redis.call('HMGET', cfg, 'born', 'max_events', 'max_age', 'on_full', 'ttl', 'sliding', 'trimmed', 'began', 'used')
  stream = {
    born = v[1], max_events = tonumber(v[2] or ARGV[1]), max_age = tonumber(v[3] or ARGV[2]), on_full = v[4] or ARGV[3],
    ttl = tonumber(v[5] or ARGV[4]), sliding = (v[6] or ARGV[5]) == '1', trimmed = v[7] or '0-0', began = v[8] or '', used = v[9],
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

-- sinks lists the groups of the log that are a sink's: {name, last-delivered-id,
-- pending}. Other programs' groups are none of ours: nothing is kept for them.
local function sinks()
  local list = {}
  local infos = redis.pcall('XINFO', 'GROUPS', log)
  if infos.err then return list end -- there is no log
  for _, info in ipairs(infos) do
    local g = pairs_of(info)
    if redis.call('EXISTS', root .. 'sink:' .. g.name) == 1 then
      list[#list + 1] = {g.name, g['last-delivered-id'], g.pending}
    end
  end
  return list
end

local function sink_names()
  local names = {}
  for i, sink in ipairs(sinks()) do names[i] = sink[1] end
  return names
end

-- owing makes a test whether a sink still owes an event.
local function owing(sink)
  local oldest
  if sink[3] > 0 then oldest = redis.call('XPENDING', log, sink[1])[2] end
  return function(id)
    if oldest then return not before(id, oldest) end
    return before(sink[2], id)
  end
end

-- hits are the sinks that have lost events: name → how many. removed counts all.
local hits, removed = {}, 0

-- lose notes that a sink can never have these events.
local function lose(name, ids)
  if #ids == 0 then return end
  mourn(root .. 'sink:' .. name, #ids, ids[1], ids[#ids])
  hits[name] = (hits[name] or 0) + #ids
end

-- remove removes the oldest entries, which have these ids, and notes what sinks lose
-- by it: what they have not read, and what waits to be delivered again. What
-- somebody holds may yet be done; it is lost when it fails.
local function remove(ids)
  local last = ids[#ids]
  for _, sink in ipairs(sinks()) do
    local name = sink[1]
    if sink[3] > 0 then
      local held, waiting = false, {}
      for _, entry in ipairs(redis.call('XPENDING', log, name, '-', last, #ids)) do
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
    if before(sink[2], last) then
      local unread = {}
      for _, id in ipairs(ids) do
        if before(sink[2], id) then unread[#unread + 1] = id end
      end
      lose(name, unread)
    end
  end
  redis.call('XTRIM', log, 'MAXLEN', length() - #ids)
  redis.call('HSET', cfg, 'trimmed', last)
  stream.trimmed = last
  removed = removed + #ids
end

-- weight is about what an event takes, in bytes. Redis gives ids with their events
-- only, and does nothing else while it copies them.
local average
local function weight()
  if not average then
    local usage = redis.pcall('MEMORY', 'USAGE', log, 'SAMPLES', 5)
    average = 100 -- the embedded Redis does not tell
    if type(usage) == 'number' then average = math.max(1, usage / math.max(1, length())) end
  end
  return average
end

-- most bounds a number of events by what they take.
local function most(n, bytes) return math.max(1, math.min(n, math.floor(bytes / weight()))) end

-- oldest returns the ids of so many of the oldest entries, about 2 MiB of them.
local function oldest(n)
  local ids = {}
  for i, entry in ipairs(redis.call('XRANGE', log, '-', '+', 'COUNT', most(math.min(n, 100), 2097152))) do ids[i] = entry[1] end
  return ids
end

-- drop removes so many of the oldest entries.
local function drop(n)
  while n > 0 do
    local ids = oldest(n)
    if #ids == 0 then return end
    remove(ids)
    n = n - #ids
  end
end

-- spend removes up to so many of the oldest entries that a test says are free.
local function spend(n, free)
  while n > 0 do
    local ids, all = {}, oldest(n)
    for _, id in ipairs(all) do
      if not free(id) then break end
      ids[#ids + 1] = id
    end
    if #ids > 0 then remove(ids) end
    if #ids < #all or #ids == 0 then return end
    n = n - #ids
  end
end

-- done makes a test whether every sink is done with an event. Where there is none,
-- nobody is.
local function done()
  local tests = {}
  for i, sink in ipairs(sinks()) do tests[i] = owing(sink) end
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
