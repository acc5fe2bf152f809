-- Takes over what is due: events handed back whose time has come, and those held
-- longer than allowed or by a hub that is dead.
-- KEYS[1] log   KEYS[2] retry (sorted set)   KEYS[3] sink state (hash)
-- ARGV[1] group   ARGV[2] this hub   ARGV[3] most events to take
-- ARGV[4] ms after which a held event is free
-- ARGV[5] '1' when ARGV[6…] are all the hubs alive, so that others are dead
-- Returns {entries, held, due, own}
--   entries  for each: id, {field, value, …}, attempt
--   held     events held by other hubs after this
--   own      events held by this hub after this
--   due      ms until the next handed-back event is due, -1 for none
local log, retry, state = KEYS[1], KEYS[2], KEYS[3]
local group, me, most, wait = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local entries, redelivered = {}, 0

-- Fails with NOGROUP where the group or the whole log is gone.
redis.call('XPENDING', log, group)

-- claim takes the events; attempts are those before this delivery. What was
-- deleted from the log is not claimed but dropped from the pending list.
local function claim(ids, attempts)
  if #ids == 0 then return end
  local claimed = redis.call('XCLAIM', log, group, me, 0, unpack(ids))
  local fields = {}
  for _, entry in ipairs(claimed) do
    if entry and entry[2] then fields[entry[1]] = entry[2] end
  end
  for i, id in ipairs(ids) do
    if fields[id] then
      entries[#entries + 1] = {id, fields[id], attempts[i] + 1}
      if attempts[i] > 0 then redelivered = redelivered + 1 end
    end
  end
end

local due = redis.call('ZRANGEBYSCORE', retry, '-inf', now, 'LIMIT', 0, most)
local ids, attempts = {}, {}
for _, id in ipairs(due) do
  local pending = redis.call('XPENDING', log, group, id, id, 1)[1]
  -- An event that was acknowledged while it waited is not owed any more.
  if pending and pending[2] == 'retry' then
    ids[#ids + 1], attempts[#attempts + 1] = id, pending[4]
  end
end
claim(ids, attempts)
if #due > 0 then redis.call('ZREM', retry, unpack(due)) end

local alive = {}
for i = 6, #ARGV do alive[ARGV[i]] = true end
local held, own = 0, 0
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', log, group)) do
  local name, count, idle
  for i = 1, #info, 2 do
    if info[i] == 'name' then name = info[i + 1] end
    if info[i] == 'pending' then count = info[i + 1] end
    if info[i] == 'idle' then idle = info[i + 1] end
  end
  local is_hub = string.sub(name, 1, 4) == 'hub-'
  -- Idle guards a hub that has just started and is not yet known here.
  local dead = is_hub and ARGV[5] == '1' and not alive[name] and name ~= me and idle > 5000
  if name == me then own = own + count end
  if name ~= 'retry' and count > 0 then
    local room, free = most - #entries, wait
    if dead then free = 0 end
    local taken = 0
    if room > 0 then
      local over = redis.call('XPENDING', log, group, 'IDLE', free, '-', '+', room, name)
      ids, attempts = {}, {}
      for _, pending in ipairs(over) do
        ids[#ids + 1], attempts[#attempts + 1] = pending[1], pending[4]
      end
      claim(ids, attempts)
      taken = #ids
    end
    if name ~= me then
      held = held + count - taken
      own = own + taken
    end
  elseif dead and count == 0 then
    redis.call('XGROUP', 'DELCONSUMER', log, group, name)
  end
end

if redelivered > 0 then redis.call('HINCRBY', state, 'redelivered', redelivered) end

local head = redis.call('ZRANGE', retry, 0, 0, 'WITHSCORES')
local next_due = -1
if head[2] then next_due = math.max(0, tonumber(head[2]) - now) end
return {entries, held, next_due, own}
