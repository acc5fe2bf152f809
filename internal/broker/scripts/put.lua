-- Makes a stream, or gives it these settings.
-- Returns 1 when it was made, else 0
read()
if not present() then return make() end
roomy() -- a smaller bound is what one wants then
local ttl, sliding = stream.ttl, stream.sliding
for i, name in ipairs(settings) do redis.call('HSET', cfg, name, ARGV[i]) end
read()
if stream.ttl == 0 then
  redis.call('PERSIST', cfg)
  redis.call('PERSIST', log)
elseif stream.ttl ~= ttl or stream.sliding ~= sliding then -- else it counts on
  redis.call('PEXPIRE', cfg, stream.ttl)
  live()
end
return 0
