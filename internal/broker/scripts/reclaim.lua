-- Ends deliveries whose time is over or whose hub is dead, and takes over what is
-- due, for one consumer.
-- ARGV[2] that consumer   ARGV[3] most events to take
-- ARGV[4] ms after which what is held is free
-- ARGV[5] most deliveries, 0 for no limit   ARGV[6] back-off in ms, "1000,10000"
-- ARGV[7] '1' when ARGV[8…] are all the hubs alive, so that others are dead
-- Returns {entries, held, due, own}
--   entries  for each taken: id, {field, value, …}, attempt, 1
--   held     events held by other consumers after this
--   due      ms until the next waiting event is due, -1 for none
--   own      events held by this consumer after this
roomy()
local me, most, wait = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local max, delays = tonumber(ARGV[5]), ARGV[6]
local alive = {}
for i = 8, #ARGV do alive[ARGV[i]] = true end

-- Fails with NOGROUP where the group or the whole log is gone.
redis.call('XPENDING', log, group)

local held, own, waiting = 0, 0, 0
for _, c in ipairs(consumers()) do
  local key, name, count, idle = c[1], c[2], c[3], c[4]
  -- Idle guards a hub that has just started and is not yet known here.
  local gone = string.sub(name, 1, 4) == 'hub-' and ARGV[7] == '1' and not alive[name] and name ~= me and idle > 5000
  if name == 'retry' then
    waiting = waiting + count
  elseif count > 0 then
    local free, reason, kind = wait, 'ack_timeout', 'backoff'
    if gone then free, reason, kind = 0, 'hub_gone', 'close' end
    -- A bounded number, as Redis does nothing else meanwhile.
    for _, entry in ipairs(redis.call('XPENDING', key, group, 'IDLE', free, '-', '+', 500, name)) do
      local since = gone and 0 or entry[3] - free
      if fail(key, entry, kind, since, delays, max, reason, name) == 1 then waiting = waiting + 1 end
      count = count - 1
    end
    if name == me then own = own + count else held = held + count end
  elseif gone then
    redis.call('XGROUP', 'DELCONSUMER', key, group, name)
  end
end

-- Were retry lost, what waits would wait for ever.
if waiting > redis.call('ZCARD', retry) then
  for _, key in ipairs(streams()) do
    for _, entry in ipairs(redis.call('XPENDING', key, group, '-', '+', 10000, 'retry')) do
      redis.call('ZADD', retry, 'NX', ms(now), entry[1])
    end
  end
end

local entries = {}
if most > 0 then
  local due = redis.call('ZRANGEBYSCORE', retry, '-inf', ms(now), 'LIMIT', 0, most)
  local of = {[log] = {}, [side] = {}}
  for _, id in ipairs(due) do
    local key, entry = pending(id)
    -- An event that was acknowledged while it waited is not owed any more.
    if entry and entry[2] == 'retry' then table.insert(of[key], entry) end
  end
  if #due > 0 then redis.call('ZREM', retry, unpack(due)) end
  for _, key in ipairs({log, side}) do
    for _, entry in ipairs(claim(key, of[key], me)) do entries[#entries + 1] = entry end
  end
  own = own + #entries
end

-- Nothing is pending, so nothing needs to be remembered of it.
if timed and held + own + waiting == 0 then redis.call('DEL', times) end
return {entries, held, next_due(), own}
