-- Stores a sink's settings when it is first used, and adds streams to it.
-- KEYS[1] sink settings (hash)
-- ARGV[1] 'look' to change nothing; 'use'; 'put' to change the settings of a sink that
--   exists; 'mend' to store one again that was lost, by who serves it
-- ARGV[2] '1' when ARGV's streams are all that the sink is to have
-- ARGV[3] the sink's birth, where it is one that was lost; '' otherwise
-- ARGV[4] how many settings follow: name, value, and '1' when the caller asked for it
-- ARGV[…] streams
-- Returns {settings, new, removed}
--   settings  as HGETALL, with the field deleted ('look', 'mend') where the sink was;
--             empty when there is none. Where they contradict what was asked, or a new
--             sink would have no stream, nothing is changed
--   new       1 when the sink was made, 2 when it had been deleted before
--   removed   streams that it had
local key, mode, n = KEYS[1], ARGV[1], tonumber(ARGV[4])
local known = redis.call('EXISTS', key) == 1
local clock = redis.call('TIME')
-- Versions grow even where all keys were lost in between.
local version = string.format('%.0f', clock[1] * 1000000 + clock[2])
local new = 1
if mode == 'look' or (mode == 'mend' and known) then
  return {redis.call('HGETALL', key), 0, {}}
end
if known and redis.call('HEXISTS', key, 'deleted') == 1 then
  redis.call('DEL', key)
  known, new = false, 2
end

local fixed = {ack = true, order = true}
for i = 5, 4 + 3 * n, 3 do
  local name, value, asked = ARGV[i], ARGV[i + 1], ARGV[i + 2] == '1'
  local stored = redis.call('HGET', key, name)
  if stored and asked and stored ~= value and name ~= 'from' and (mode == 'use' or fixed[name]) then
    return {redis.call('HGETALL', key), 0, {}}
  end
end
if not known and #ARGV == 4 + 3 * n then return {{}, 0, {}} end

local changed = not known
for i = 5, 4 + 3 * n, 3 do
  local name, value, asked = ARGV[i], ARGV[i + 1], ARGV[i + 2] == '1'
  if not known or (mode == 'put' and (asked or not fixed[name])) then redis.call('HSET', key, name, value) end
end
changed = changed or mode == 'put'
-- A stream's field is the version that named it until the sink is attached to it, see
-- attached.lua. A sink that is served was: what it had there was lost, or is there.
local unattached = mode == 'mend' and '1' or version
local wanted, removed = {}, {}
for i = 5 + 3 * n, #ARGV do
  wanted['stream:' .. ARGV[i]] = true
  if redis.call('HSETNX', key, 'stream:' .. ARGV[i], unattached) == 1 then changed = true end
end
if ARGV[2] == '1' then
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if string.sub(name, 1, 7) == 'stream:' and not wanted[name] then
      redis.call('HDEL', key, name)
      removed[#removed + 1] = string.sub(name, 8)
    end
  end
end
-- A sink that exists can be used though Redis's memory is full.
redis.pcall('HSET', key, 'used', string.format('%.0f', clock[1] * 1000 + math.floor(clock[2] / 1000)))
if changed then redis.call('HSET', key, 'version', version) end
if not known then redis.call('HSET', key, 'born', ARGV[3] ~= '' and ARGV[3] or version) end
return {redis.call('HGETALL', key), known and 0 or new, removed}
