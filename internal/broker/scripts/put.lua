-- Makes a stream, or gives it these settings.
-- Returns 1 when it was made, else 0
read()
if not present() then return make() end
for i, name in ipairs(settings) do redis.call('HSET', cfg, name, ARGV[i]) end
read()
if stream.ttl == 0 then
  redis.call('PERSIST', cfg)
  redis.call('PERSIST', log)
else
  redis.call('PEXPIRE', cfg, stream.ttl)
  live()
end
return 0
