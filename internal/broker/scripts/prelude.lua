-- What the scripts of a sink in one of its streams share; it stands before each.
-- ids.lua stands before it.
-- KEYS[1] log (stream)     the events, with the sink's group
-- KEYS[2] retry (zset)     events that nobody holds, by the time they are due (ms of Redis's clock)
-- KEYS[3] state (hash)     floor, redelivered; made: when the group was, in µs, which tells
--                          it from one that was lost; trimmed: the last event that retention has
--                          removed while it was held; lost, lost_from, lost_to: events
--                          that the sink can never have, and was not told of yet; failed:
--                          how many of them were lost since they failed after that
-- KEYS[4] side (stream)    redriven events: same ids, a group of the same name. They are
--                          here since the log may have been trimmed, and must not be held up by them
-- KEYS[5] times (hash)     of events that failed or were extended: when they were first and
--                          last handed over, and the attempt that this was
-- KEYS[6] dead (stream)    dead letters: id, reason, attempts, first, last, consumer, then the event's fields
-- KEYS[7] index (hash)     event id to its entry in dead
-- KEYS[8] turn (string)    strict order: the connection that is served, "<consumer> <connection>"
-- ARGV[1] group
-- An event that is due but held by nobody is pending for the group's consumer
-- "retry", so it is visible, and a scan for those held too long never meets it.
local log, retry, state, side, times = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local dead, index, turn = KEYS[6], KEYS[7], KEYS[8]
local group = ARGV[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local sided = redis.call('EXISTS', side) == 1
local timed = redis.call('EXISTS', times) == 1

-- roomy lets a script go on though Redis's memory is full: that is tested until
-- the first write, so one that needs none comes first. What drains a sink must work
-- then above all.
local function roomy() redis.call('ZREM', retry, '') end

local function streams()
  if sided then return {log, side} end
  return {log}
end

-- pending finds a pending event: the stream it is pending in, and
-- {id, consumer, idle, attempt}.
local function pending(id)
  for _, key in ipairs(streams()) do
    local entry = redis.call('XPENDING', key, group, id, id, 1)[1]
    if entry then return key, entry end
  end
end

-- settle ends what the sink owes of an event.
local function settle(key, id)
  redis.call('XACK', key, group, id)
  if timed then redis.call('HDEL', times, id) end
  if sided then -- after a seek it may be owed in both
    redis.call('XACK', side, group, id)
    redis.call('XDEL', side, id)
    if redis.call('XLEN', side) == 0 then
      redis.call('DEL', side)
      sided = false
    end
  end
end

-- vanished ends what the sink owes of an event that is in no stream any more. It is
-- lost where retention has removed it; where it was deleted it is owed no longer.
local function vanished(key, id)
  settle(key, id)
  redis.call('ZREM', retry, id)
  local trimmed = redis.call('HGET', state, 'trimmed')
  if trimmed and not before(trimmed, id) then
    mourn(state, 1, id, id)
    redis.call('HINCRBY', state, 'failed', 1)
  end
end

-- note writes down when a delivery began, before a claim makes Redis forget it.
-- Returns when the event was first and last handed over.
local function note(id, idle, attempt)
  local first, last, noted
  local value = timed and redis.call('HGET', times, id)
  if value then first, last, noted = string.match(value, '(%d+) (%d+) (%d+)') end
  if noted ~= tostring(attempt) then
    last = ms(now - idle)
    first = first or last
    redis.call('HSET', times, id, first .. ' ' .. last .. ' ' .. attempt)
    timed = true
  end
  return first, last
end

-- bury makes an event a dead letter.
local function bury(key, entry, reason, consumer)
  local id = entry[1]
  local first, last = note(id, entry[3], entry[4])
  local stored = redis.call('XRANGE', key, id, id)[1]
  if stored then
    local old = redis.call('HGET', index, id)
    if old then redis.call('XDEL', dead, old) end
    local fields = stored[2]
    if #fields > 7000 then -- more than Lua passes on
      local object = {}
      for i = 1, #fields, 2 do object[fields[i]] = fields[i + 1] end
      fields = {'data', cjson.encode(object)}
    end
    local letter = redis.call('XADD', dead, '*', 'id', id, 'reason', reason, 'attempts', entry[4],
      'first', first, 'last', last, 'consumer', consumer, unpack(fields))
    redis.call('HSET', index, id, letter)
    redis.call('ZREM', retry, id)
    settle(key, id)
  else
    vanished(key, id)
  end
end

-- backoff is the delay after an attempt; delays is like "1000,10000".
local function backoff(attempt, delays, none)
  local delay, n = none, 0
  for text in string.gmatch(delays, '%d+') do
    n = n + 1
    if n <= attempt then delay = tonumber(text) end
  end
  return delay
end

-- pause is how long an event waits that is handed back: 'backoff' after a
-- failure; 'close' when its connection ended, at once the first time; 'free' when
-- it was not really delivered; or so many ms.
local function pause(kind, attempt, delays)
  if kind == 'backoff' then return backoff(attempt, delays, 0) end
  if kind == 'close' then
    if attempt <= 1 then return 0 end
    return backoff(attempt, delays, 1000)
  end
  if kind == 'free' then return 0 end
  return tonumber(kind)
end

-- park hands an event back to nobody, until it is due. An event that was deleted
-- from its stream is not claimed: it is owed no more.
local function park(key, entry, kind, due)
  local id, attempt = entry[1], entry[4]
  if kind == 'free' then
    -- What does not count as an attempt is no redelivery either.
    if attempt > 1 then redis.call('HINCRBY', state, 'redelivered', -1) end
    attempt = math.max(0, attempt - 1)
  else
    note(id, entry[3], attempt)
  end
  if #redis.call('XCLAIM', key, group, 'retry', 0, id, 'RETRYCOUNT', attempt, 'JUSTID') == 0 then
    vanished(key, id)
    return false
  end
  redis.call('ZADD', retry, ms(due), id)
  return true
end

-- fail ends a delivery: the event is delivered again later, or is a dead letter
-- when that was its last attempt. since is how long ago it should have ended.
-- Returns 1 when it waits, 2 when it is dead, 0 when it was deleted.
local function fail(key, entry, kind, since, delays, max, reason, consumer)
  if kind ~= 'free' and max > 0 and entry[4] >= max then
    bury(key, entry, reason, consumer)
    return 2
  end
  if park(key, entry, kind, now - since + pause(kind, entry[4], delays)) then return 1 end
  return 0
end

-- takeback has those held by a consumer behind an event come again after it.
-- Returns their ids.
local function takeback(id, consumer)
  local taken = {}
  for _, key in ipairs(streams()) do
    for _, entry in ipairs(redis.call('XPENDING', key, group, '-', '+', 100000, consumer)) do
      if before(id, entry[1]) and park(key, entry, 'free', now) then taken[#taken + 1] = entry[1] end
    end
  end
  return taken
end

-- claim takes events over; they are those of one stream. Returns for each that
-- still exists {id, fields, attempt, 1}, and those that do not are settled.
local function claim(key, entries, consumer)
  local taken = {}
  if #entries == 0 then return taken end
  local ids = {}
  for i, entry in ipairs(entries) do ids[i] = entry[1] end
  local fields = {}
  for _, entry in ipairs(redis.call('XCLAIM', key, group, consumer, 0, unpack(ids))) do
    if entry and entry[2] then fields[entry[1]] = entry[2] end
  end
  local again = 0
  for _, entry in ipairs(entries) do
    local id = entry[1]
    if fields[id] then
      taken[#taken + 1] = {id, fields[id], entry[4] + 1, 1}
      if entry[4] > 0 then again = again + 1 end
    else
      vanished(key, id)
    end
  end
  if again > 0 then redis.call('HINCRBY', state, 'redelivered', again) end
  return taken
end

-- consumers lists those of the group in both streams: {stream, name, events that
-- it holds, idle}.
local function consumers()
  local list = {}
  for _, key in ipairs(streams()) do
    for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', key, group)) do
      local c = pairs_of(info)
      list[#list + 1] = {key, c.name, c.pending, c.idle}
    end
  end
  return list
end

-- next_due is in how many ms the next waiting event is due, -1 for none.
local function next_due()
  local head = redis.call('ZRANGE', retry, 0, 0, 'WITHSCORES')
  if not head[2] then return -1 end
  return math.max(0, tonumber(head[2]) - now)
end
