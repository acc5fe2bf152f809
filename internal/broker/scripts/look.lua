-- Says what a stream is; one that others have made is taken in.
-- Returns {born, began, trimmed, length, first id, last id, entries ever added,
--   max_events, max_age, on_full, ttl, sliding, names of the sinks, deleted}; an empty list where there is
--   no such stream
read()
if not present() then return {} end
local first, last, added = '0-0', '0-0', 0
if redis.call('EXISTS', log) == 1 then
  local info = pairs_of(redis.call('XINFO', 'STREAM', log))
  -- The embedded Redis says '' where there was no entry yet.
  if info['last-generated-id'] ~= '' then last = info['last-generated-id'] end
  local entry = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  if entry then first = entry[1] end
  added = info['entries-added'] or length()
end
return {stream.born or '', stream.began, stream.trimmed, length(), first, last, added,
  ms(stream.max_events), ms(stream.max_age), stream.on_full, ms(stream.ttl), stream.sliding and 1 or 0, sink_names(),
  tonumber(redis.call('HGET', cfg, 'deleted') or 0)}
