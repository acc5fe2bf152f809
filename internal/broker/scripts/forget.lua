-- Deletes a sink. For a while it is remembered as deleted, so that hubs which serve
-- it do not take it for lost, and a deletion that was cut off can be finished.
-- KEYS[1] sink settings (hash)
-- ARGV[1] ms for which it was unused, or it is kept; '' to delete it anyway
-- Returns its settings as HGETALL; empty when it was kept or is not known
local stored = redis.call('HGETALL', KEYS[1])
if #stored == 0 then return {} end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
if ARGV[1] ~= '' then
  if redis.call('HEXISTS', KEYS[1], 'deleted') == 1 then return {} end
  if now - tonumber(redis.call('HGET', KEYS[1], 'used') or now) < tonumber(ARGV[1]) then return {} end
end
redis.call('HDEL', KEYS[1], 'used') -- a first write that works though Redis's memory is full
redis.call('HSET', KEYS[1], 'deleted', '1', 'version', string.format('%.0f', clock[1] * 1000000 + clock[2]))
redis.call('PEXPIRE', KEYS[1], 600000)
return stored
